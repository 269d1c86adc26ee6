"""Raw masks of a whole image: a backbone's answers to a grid of points, as SAM's generator would leave them."""

from __future__ import annotations

from matcurate.promptable.protocol import Backbone
from matcurate.segmentation.matsam.generate import decode
from matcurate.segmentation.matsam.prompts import grid_points
from matcurate.segmentation.matsam.suppress import admissible, suppress
from matcurate.types import Candidate, Pixels, Progress, silent

GRID = 16
"""Points along each axis (the paper's prompt grid, its section 4.1)."""
OVERLAP = 0.7
"""Intersection over union above which one of two masks goes, as in SAM's generator."""
SMALLEST = 4
"""Pixels."""


def propose(
    backbone: Backbone, pixels: Pixels, *, quality: float = 0.0, batch: int = 64, progress: Progress = silent
) -> tuple[Candidate, ...]:
    """Masks of both grey sides that a grid of GRID² points finds, after quality filter and suppression.

    Parameters
    ----------
    backbone : Backbone
        Answers the prompts; sees the micrograph as it is, since flattening would take textures away.
    pixels : uint8, uint16 or float array (H, W)
        The micrograph.
    quality : float
        Least quality that the backbone predicts.
    batch : int
        Prompts decoded together.
    progress : Progress
        Told the number of prompts answered.

    Returns
    -------
    tuple of Candidate
        Best first; they overlap, hold each other, and leave gaps.
    """
    height, width = pixels.shape
    found = decode(backbone.open(pixels), grid_points((height, width), GRID**2), batch, progress)
    return suppress(admissible(found, quality=quality, smallest=SMALLEST, largest=1.0 * pixels.size), OVERLAP)
