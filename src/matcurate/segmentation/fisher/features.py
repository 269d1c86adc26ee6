"""Fisher scores of linear models on a pyramid, with their squares: what the engine ``fisher`` clusters."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from matcurate.segmentation.fisher.neighbours import Grey
from matcurate.segmentation.fisher.regressors import fit_linear

LEVELS = 3
"""Of the pyramid: scales 1, 1/2 and 1/4."""
HALF = 3
"""Half-length of the neighbourhood on each level in pixels."""
PIXELS, RIDGE = 40_000, 1e-3


def pyramid_scores(image: Grey, stride: int, rng: np.random.Generator) -> Iterator[Grey]:
    """Score maps (ceil(H / stride), ceil(W / stride)) of a standardised image (H, W), each averaged over its cells.

    Per level of the pyramid: residual, its square, and residual times each of the 48 neighbours, all in units of the
    residual's deviation. ``stride`` is a multiple of 4.
    """
    height, width = image.shape
    cells = (-(-height // stride), -(-width // stride))
    padded = cv2.copyMakeBorder(image, 0, cells[0] * stride - height, 0, cells[1] * stride - width, cv2.BORDER_REFLECT)
    for level in range(LEVELS):
        pixels = _grey(cv2.resize(padded, None, fx=0.5**level, fy=0.5**level, interpolation=cv2.INTER_AREA))
        model = fit_linear(pixels, HALF, PIXELS, RIDGE, rng)
        framed = _grey(cv2.copyMakeBorder(pixels, HALF, HALF, HALF, HALF, cv2.BORDER_REFLECT_101))
        rest = model.residual(framed) / np.float32(model.variance**0.5)
        for values in (rest, rest**2):
            yield _averaged(values, cells)
        for view in model.neighbourhood.shifted(framed):
            yield _averaged(rest * view, cells)


def _averaged(values: Grey, cells: tuple[int, int]) -> Grey:
    return _grey(cv2.resize(values, cells[::-1], interpolation=cv2.INTER_AREA))


def _grey(values: object) -> Grey:
    return np.asarray(values, dtype=np.float32)
