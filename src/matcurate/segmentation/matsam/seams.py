"""Stitched micrographs levelled, so that a seam between two tiles is no boundary of grains.

A seam runs straight across the whole image, along the rows or the columns, and what lies beyond it is brighter or
darker by the same amount all along. Boundaries that happen to lie on one row have steps of either sign, and end. MatSAM
(Li et al. 2024, section 2.3) names such seams as where it fails most on its HEA images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.ndimage import median_filter

from matcurate.segmentation.relief import Grey
from matcurate.types import Pixels

Field = NDArray[np.float32]

BLOCK = 24
"""Columns whose median is one sample of the step between two rows."""
AROUND = 5
"""Samples along a seam that must agree in sign; a seam may change its step where another one crosses it."""
LEAST_SAMPLES = 8
"""An image with fewer along a seam shows too little of it."""
THROUGHOUT = 0.7
"""Share of a seam's length that must have its step at least."""
LEAST_STEP = 4.0
"""Grey levels of the calm image below which a step is noise."""
DISTINCT = 1.75
"""A seam's step over the largest one of any row that is none."""
MOST = 8
"""Seams that are looked for along each axis."""
BLURRED = 2
"""Rows on either side of a seam over which its step may be spread."""


def find_seams(grey: Grey) -> tuple[int, ...]:
    """Rows after which a new tile begins.

    Parameters
    ----------
    grey : uint8 array (H, W)
        The calm image; transposed for columns.

    Returns
    -------
    tuple of int
        In order, each in [0, H - 2]; empty for an image that is not stitched.
    """
    if grey.shape[0] < 2 or grey.shape[1] < LEAST_SAMPLES * BLOCK:
        return ()
    size = np.quantile(np.abs(_steps(grey.astype(np.float32))), 1 - THROUGHOUT, axis=1)
    peaks: list[int] = []
    rest = size.copy()
    while len(peaks) <= MOST:
        peaks.append(int(np.argmax(rest)))
        rest[max(0, peaks[-1] - 2 * BLURRED) : peaks[-1] + 2 * BLURRED + 1] = 0
    drops = [
        count
        for count in range(1, len(peaks))
        if size[peaks[count - 1]] >= max(LEAST_STEP, DISTINCT * size[peaks[count]])
    ]
    return tuple(sorted(peaks[: drops[-1]])) if drops else ()


def levelled(pixels: Pixels, rows: tuple[int, ...], columns: tuple[int, ...]) -> Pixels:
    """Micrograph (H, W) with the steps at its seams taken out, in its own type.

    The steps are subtracted from the gradient, and the image is integrated again (Poisson equation with no flow through
    the frame, by the cosine transform); away from the seams the gradient stays as it is, and the mean stays.

    Parameters
    ----------
    pixels : uint8, uint16 or float array (H, W)
        The micrograph.
    rows, columns : tuple of int
        As :func:`find_seams` finds them in the calm image and in its transpose.
    """
    image = pixels.astype(np.float32)
    sources = np.zeros(image.shape, dtype=np.float64)
    for view, target, seams in ((image, sources, rows), (image.T, sources.T, columns)):
        for row, step in _found(view, seams):
            target[row] += step
            target[row + 1] -= step
    height, width = image.shape
    down = 2 * np.cos(np.pi * np.arange(height) / height) - 2
    across = 2 * np.cos(np.pi * np.arange(width) / width) - 2
    spectrum = dctn(sources, norm="ortho")
    spectrum[0, 0] = 0.0
    poles = down[:, None] + across
    poles[0, 0] = 1.0
    flat = image - idctn(spectrum / poles, norm="ortho")
    if pixels.dtype.kind == "f":
        return np.asarray(flat, dtype=pixels.dtype)
    limits = np.iinfo(pixels.dtype)
    return np.asarray(np.rint(np.clip(flat, limits.min, limits.max)), dtype=pixels.dtype)


def _found(image: Field, seams: tuple[int, ...]) -> list[tuple[int, Field]]:
    """(row, step of every column) of the rows over which each seam is spread; a row counts once."""
    if not seams:
        return []
    height, width = image.shape
    spread = sorted(
        {row for seam in seams for row in range(seam - BLURRED, seam + BLURRED + 1) if 0 <= row < height - 1}
    )
    nearest = np.minimum(np.arange(width) * _count(width) // width, _count(width) - 1)
    return [(row, _steps(image[row : row + 2])[0][nearest]) for row in spread]


def _count(width: int) -> int:
    return max(AROUND, width // BLOCK)


def _steps(image: Field) -> Field:
    """Step from every row to the next (H - 1, samples): medians of blocks of columns, and of their neighbours."""
    difference = np.diff(image, axis=0)
    blocks = np.array_split(difference, _count(image.shape[1]), axis=1)
    samples = np.stack([np.median(block, axis=1) for block in blocks], axis=1)
    return np.asarray(median_filter(samples, size=(1, AROUND), mode="nearest"), dtype=np.float32)
