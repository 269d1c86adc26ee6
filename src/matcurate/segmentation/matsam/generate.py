"""From prompts to candidate masks, in batches."""

from __future__ import annotations

import numpy as np

from matcurate.promptable.protocol import PromptPredictor
from matcurate.segmentation.matsam.prompts import Points
from matcurate.types import Candidate, Progress, silent


def decode(
    predictor: PromptPredictor, points: Points, batch: int = 64, progress: Progress = silent
) -> tuple[Candidate, ...]:
    """Every candidate for every point (N, 2), (x, y) in pixels, in their order, each point a prompt of its own.

    One object (``is``) comes several times where several points lie on it. ``batch``, at least 1, prompts are decoded
    together; ``progress`` receives the number of prompts answered.
    """
    candidates: list[Candidate] = []
    for start in range(0, len(points), batch):
        part = points[start : start + batch]
        answers = predictor.predict(part[:, None, :], np.ones((len(part), 1), dtype=np.int64))
        candidates += [candidate for answer in answers for candidate in answer]
        progress(start + len(part), len(points))
    return tuple(candidates)
