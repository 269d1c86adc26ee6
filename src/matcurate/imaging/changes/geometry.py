"""Changes of the pixel grid: magnification, orientation, border. Pixels and label images change together."""

from dataclasses import replace

import numpy as np

from matcurate.imaging.changes.change import as_depth, with_labels, with_pixels
from matcurate.imaging.dataset import LabelledMicrograph
from matcurate.imaging.proxy import to_float
from matcurate.imaging.rescale import rescale_labels, rescale_pixels
from matcurate.types import Calibration


def scaled(labelled: LabelledMicrograph, rng: np.random.Generator, factor: float) -> LabelledMicrograph:
    """Other magnification: bilinear when larger, means over areas when smaller; labels are those under the centres."""
    micrograph = labelled.micrograph
    height, width = (max(1, round(factor * edge)) for edge in micrograph.shape)
    size = micrograph.calibration
    calibration = size and replace(size, nm_per_px=size.nm_per_px / factor)
    pixels = rescale_pixels(micrograph.pixels, (height, width))
    larger = replace(labelled, micrograph=replace(micrograph, pixels=pixels, calibration=calibration))
    return with_labels(larger, lambda labels: rescale_labels(labels, (height, width)))


def turned(labelled: LabelledMicrograph, rng: np.random.Generator) -> LabelledMicrograph:
    """Turned by 90 degrees against the clock."""
    size = labelled.micrograph.calibration
    calibration = size and Calibration(size.nm_per_px_y, 1 / size.aspect, size.source)
    pixels = np.ascontiguousarray(np.rot90(labelled.micrograph.pixels))
    turn = replace(labelled, micrograph=replace(labelled.micrograph, pixels=pixels, calibration=calibration))
    return with_labels(turn, lambda labels: np.ascontiguousarray(np.rot90(labels)))


def padded(labelled: LabelledMicrograph, rng: np.random.Generator, share: float) -> LabelledMicrograph:
    """White or black border, as wide as a share of the shorter edge; the truth there is background."""
    pixels = labelled.micrograph.pixels
    width = max(1, round(share * min(pixels.shape)))
    shades = np.pad(to_float(pixels), width, constant_values=np.float32(rng.integers(0, 2)))
    return with_labels(with_pixels(labelled, as_depth(shades, pixels.dtype)), lambda labels: np.pad(labels, width))
