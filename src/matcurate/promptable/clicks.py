"""One object from an expert's clicks and boxes: the backbone's best answer, and a plain rule where it has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from skimage.filters import threshold_otsu
from skimage.measure import label

from matcurate.imaging.stretch import stretched
from matcurate.promptable.prompts import BACKGROUND, FOREGROUND, checked_boxes, pixel_prompts
from matcurate.promptable.protocol import PointLabels, PromptPredictor, Traits
from matcurate.types import BoolMask, Candidate, FloatArray, Pixels

PLAIN_QUALITY = 0.01
"""Quality of an answer by the plain rule, which does not know how good it is."""


def best_mask(candidates: Sequence[Candidate], shape: tuple[int, int]) -> BoolMask:
    """The candidate of the best quality as a mask (H, W); empty where there is none."""
    if not candidates:
        return np.zeros(shape, dtype=np.bool_)
    return max(candidates, key=lambda candidate: candidate.quality).paint(shape)


@dataclass(frozen=True, eq=False)
class ClickedImage:
    """An encoded image that answers an expert's prompts with one mask; ``plain`` answers where ``predictor`` does not.

    ``plain`` None: an object that the predictor does not see stays without a mask.
    """

    predictor: PromptPredictor
    plain: PlainPredictor | None

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image."""
        return self.predictor.shape

    def clicked(self, points: FloatArray, labels: PointLabels) -> BoolMask:
        """Mask (H, W) of the object at points (N, 2) of (x, y), labels (N,): 1 belongs to it, 0 does not."""
        places, kinds = np.asarray(points)[None], np.asarray(labels)[None]
        mask = best_mask(self.predictor.predict(places, kinds)[0], self.shape)
        if mask.any() or self.plain is None:
            return mask
        return best_mask(self.plain.predict(places, kinds)[0], self.shape)

    def boxed(self, box: FloatArray) -> BoolMask:
        """Mask (H, W) of the object in a box (4,) of (x0, y0, x1, y1)."""
        boxes = np.asarray(box)[None]
        mask = best_mask(self.predictor.predict_boxes(boxes)[0], self.shape)
        if mask.any() or self.plain is None:
            return mask
        return best_mask(self.plain.predict_boxes(boxes)[0], self.shape)


class PlainPredictor:
    """Answers prompts by Otsu's threshold (Otsu 1979, doi:10.1109/TSMC.1979.4310076): the connected region clicked on.

    ``pixels`` is an image (H, W) of uint8, uint16 or float.
    """

    def __init__(self, pixels: Pixels) -> None:
        self._grey = np.rint(stretched(pixels) * 255).astype(np.uint8)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image."""
        height, width = self._grey.shape
        return height, width

    @cached_property
    def regions(self) -> NDArray[np.int32]:
        """Numbers (H, W) from 1 of the connected regions on either side of the threshold."""
        return np.asarray(label(_bright(self._grey), background=-1, connectivity=1), dtype=np.int32)

    def predict(self, points: FloatArray, labels: PointLabels) -> list[tuple[Candidate, ...]]:
        """Regions that hold foreground points without those that hold background points, one answer to each prompt.

        A region that holds both is divided: every pixel goes with the nearest point. Arguments and errors as of
        :meth:`PromptPredictor.predict`.
        """
        pixels, kinds = pixel_prompts(points, labels, self.shape)
        return [self._answer(*prompt) for prompt in zip(pixels, kinds, strict=True)]

    def predict_boxes(self, boxes: FloatArray) -> list[tuple[Candidate, ...]]:
        """Of each box (x0, y0, x1, y1), what lies on the other side of its own threshold than most of its rim.

        Errors as of :meth:`PromptPredictor.predict_boxes`.
        """
        answers = []
        for top, left, bottom, right in checked_boxes(boxes, self.shape).tolist():
            rows = slice(int(top), max(int(np.ceil(bottom)), int(top) + 1))
            columns = slice(int(left), max(int(np.ceil(right)), int(left) + 1))
            bright = _bright(self._grey[rows, columns])
            rim = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
            mask = np.zeros(self.shape, dtype=np.bool_)
            mask[rows, columns] = bright ^ (rim.mean() >= 0.5)
            answers.append(_candidates(mask))
        return answers

    def _answer(self, pixels: NDArray[np.int64], kinds: NDArray[np.int64]) -> tuple[Candidate, ...]:
        regions = self.regions.ravel()
        wanted, refused = pixels[kinds == FOREGROUND], pixels[kinds == BACKGROUND]
        if not len(wanted):
            return ()
        mask = np.isin(self.regions, regions[wanted])
        divided = np.isin(self.regions, np.intersect1d(regions[wanted], regions[refused]))
        mask &= divided | ~np.isin(self.regions, regions[refused])
        if divided.any():
            mask &= ~divided | (self._distance(wanted) < self._distance(refused))
        return _candidates(mask)

    def _distance(self, pixels: NDArray[np.int64]) -> NDArray[np.float64]:
        away = np.ones(self.shape, dtype=np.bool_)
        away.ravel()[pixels] = False
        return np.asarray(distance_transform_edt(away))


class PlainBackbone:
    """The plain rule behind the interface of a backbone: what every other one is to be compared with."""

    name = "otsu"
    digest = "otsu 1"
    traits = Traits("rule")

    def open(self, pixels: Pixels) -> PlainPredictor:
        """Keep the grey levels of an image (H, W)."""
        return PlainPredictor(pixels)


def _bright(grey: NDArray[np.uint8]) -> BoolMask:
    """Which pixels (H, W) are above Otsu's threshold; none where all are equal."""
    return np.asarray(grey > threshold_otsu(grey) if grey.min() < grey.max() else np.zeros_like(grey, dtype=np.bool_))


def _candidates(mask: BoolMask) -> tuple[Candidate, ...]:
    if not mask.any():
        return ()
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return (Candidate(int(rows[0]), int(columns[0]), part, PLAIN_QUALITY),)
