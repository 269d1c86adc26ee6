"""Changes of the pixel grid: magnification, orientation, border. Pixels and label images change together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from matcurate.imaging.changes.change import Apply, as_depth, with_labels, with_pixels
from matcurate.imaging.dataset import LabelledMicrograph
from matcurate.imaging.proxy import to_float
from matcurate.imaging.rescale import rescale_labels, rescale_pixels
from matcurate.types import Calibration


def scaled(factor: float) -> Apply:
    """Other magnification: bilinear when larger, means over areas when smaller; labels are those under the centres."""

    def apply(labelled: LabelledMicrograph, rng: np.random.Generator) -> LabelledMicrograph:
        micrograph = labelled.micrograph
        height, width = (max(1, round(factor * edge)) for edge in micrograph.shape)
        size = micrograph.calibration
        calibration = size and replace(size, nm_per_px=size.nm_per_px / factor)
        pixels = rescale_pixels(micrograph.pixels, (height, width))
        larger = replace(labelled, micrograph=replace(micrograph, pixels=pixels, calibration=calibration))
        return with_labels(larger, lambda labels: rescale_labels(labels, (height, width)))

    return apply


def turned() -> Apply:
    """Turned by 90 degrees against the clock."""

    def apply(labelled: LabelledMicrograph, rng: np.random.Generator) -> LabelledMicrograph:
        turn = with_pixels(labelled, np.ascontiguousarray(np.rot90(labelled.micrograph.pixels)))
        size = labelled.micrograph.calibration
        calibration = size and Calibration(size.nm_per_px_y, 1 / size.aspect, size.source)
        turn = replace(turn, micrograph=replace(turn.micrograph, calibration=calibration))
        return with_labels(turn, lambda labels: np.ascontiguousarray(np.rot90(labels)))

    return apply


def padded(share: float) -> Apply:
    """White or black border, as wide as a share of the shorter edge; the truth there is background."""

    def apply(labelled: LabelledMicrograph, rng: np.random.Generator) -> LabelledMicrograph:
        pixels = labelled.micrograph.pixels
        width = max(1, round(share * min(pixels.shape)))
        shades = np.pad(to_float(pixels), width, constant_values=np.float32(rng.integers(0, 2)))
        wide = with_pixels(labelled, as_depth(shades, pixels.dtype))
        return with_labels(wide, lambda labels: np.pad(labels, width))

    return apply
