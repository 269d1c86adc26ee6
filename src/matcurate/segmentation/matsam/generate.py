"""From prompts to candidate masks, in batches."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import find_objects
from skimage.measure import label

from matcurate.promptable.protocol import Exhaustive, PromptPredictor
from matcurate.segmentation.matsam.prompts import Points
from matcurate.types import BoolMask, Candidate, Progress, Side, silent


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


def unprompted(predictor: PromptPredictor, side: Side) -> tuple[Candidate, ...]:
    """Regions that an exhaustive predictor proposes without prompts; none from others."""
    return predictor.regions(side) if isinstance(predictor, Exhaustive) else ()


def rough_regions(foreground: BoolMask, smallest: int) -> tuple[Candidate, ...]:
    """Connected regions (4 neighbours) of a pre-segmentation (H, W) with at least ``smallest`` pixels, as candidates.

    Their quality is 0 until the image has been asked (:mod:`matcurate.segmentation.matsam.evidence`).
    """
    labels = label(foreground, connectivity=1)
    masks = ((place, labels[place] == number) for number, place in enumerate(find_objects(labels), start=1))
    return tuple(
        Candidate(place[0].start, place[1].start, mask, 0.0)
        for place, mask in masks
        if np.count_nonzero(mask) >= smallest
    )
