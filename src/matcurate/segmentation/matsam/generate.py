"""From prompts to candidate masks, in batches."""

from __future__ import annotations

import numpy as np

from matcurate.promptable.protocol import PromptPredictor
from matcurate.segmentation.matsam.prompts import Points
from matcurate.types import Candidate, Progress, silent


def decode(
    predictor: PromptPredictor, points: Points, batch: int = 64, progress: Progress = silent
) -> tuple[Candidate, ...]:
    """Every candidate for every point, each point a prompt of its own.

    Parameters
    ----------
    predictor : PromptPredictor
        The prepared image.
    points : float array (N, 2)
        (x, y) in pixels.
    batch : int
        Prompts decoded together, at least 1.
    progress : Progress
        Told the number of prompts answered.

    Returns
    -------
    tuple of Candidate
        In the order of the points; one object (``is``) may come several times where several points found it.
    """
    found: list[Candidate] = []
    for start in range(0, len(points), batch):
        part = points[start : start + batch]
        answers = predictor.predict(part[:, None, :], np.ones((len(part), 1), dtype=np.int64))
        found += [candidate for answer in answers for candidate in answer]
        progress(start + len(part), len(points))
    return tuple(found)
