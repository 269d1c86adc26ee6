"""A backbone without weights for tests: connected components on both sides of Otsu's threshold answer prompts.

Both sides, so that dark particles answer as well as bright ones. Give it to what takes a backbone, or put it into the
registry for a test with ``monkeypatch.setitem(BACKBONES, "threshold", lambda request: ThresholdBackbone())``.
"""

from __future__ import annotations

import hashlib

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from matcurate.promptable.nested import box_iou
from matcurate.promptable.prompts import BACKGROUND, FOREGROUND, checked_boxes, pixel_prompts
from matcurate.promptable.protocol import PointLabels, Traits
from matcurate.types import Candidate, FloatArray, Pixels

QUALITY = 0.9
"""Of a component that answers a point."""


class ThresholdBackbone:
    """Components of at least ``min_area`` pixels that fill at most ``max_share`` of the image."""

    traits = Traits("rule")

    def __init__(self, min_area: int = 4, max_share: float = 0.95) -> None:
        self.min_area, self.max_share = min_area, max_share

    @property
    def name(self) -> str:
        return "threshold"

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"threshold {self.min_area} {self.max_share}".encode()).hexdigest()

    def open(self, pixels: Pixels) -> ThresholdPredictor:
        if pixels.ndim != 2 or pixels.size == 0:
            raise ValueError(f"pixels must be a non-empty (H, W) array, got shape {pixels.shape}")
        if not np.isfinite(pixels).all():
            raise ValueError("pixels must be finite")
        return ThresholdPredictor(pixels, self.min_area, self.max_share)


class ThresholdPredictor:
    """Answers of one image; one component for each prompt at most."""

    def __init__(self, pixels: Pixels, min_area: int, max_share: float) -> None:
        grey = pixels.astype(np.float64)
        bright = grey > threshold_otsu(grey) if grey.min() < grey.max() else np.zeros(grey.shape, dtype=np.bool_)
        above, count = ndimage.label(bright)
        below, more = ndimage.label(~bright)
        self.numbers = np.where(bright, above, below + count) - 1
        """Component (H, W) of each pixel."""
        self.made: list[Candidate | None] = []
        """Component as a candidate; None where it is too small or too large."""
        for number, place in enumerate(ndimage.find_objects(self.numbers + 1, count + more)):
            mask = self.numbers[place] == number
            fits = min_area <= mask.sum() <= max_share * grey.size
            self.made.append(Candidate(place[0].start, place[1].start, mask, QUALITY) if fits else None)

    @property
    def shape(self) -> tuple[int, int]:
        height, width = self.numbers.shape
        return height, width

    def predict(self, points: FloatArray, labels: PointLabels) -> list[tuple[Candidate, ...]]:
        pixels, kinds = pixel_prompts(points, labels, self.shape)
        homes = self.numbers.ravel()[pixels]
        answers: list[tuple[Candidate, ...]] = []
        for home, kind in zip(homes, kinds, strict=True):
            wanted, refused = set(home[kind == FOREGROUND].tolist()), set(home[kind == BACKGROUND].tolist())
            made = self.made[wanted.pop()] if len(wanted) == 1 and not wanted & refused else None
            answers.append((made,) if made else ())
        return answers

    def predict_boxes(self, boxes: FloatArray) -> list[tuple[Candidate, ...]]:
        answers: list[tuple[Candidate, ...]] = []
        answering = [candidate for candidate in self.made if candidate]
        own = np.array([candidate.box for candidate in answering], dtype=np.float64).reshape(-1, 4).T
        for box in checked_boxes(boxes, self.shape):
            fit = box_iou(own, box)
            best = int(fit.argmax()) if fit.size else 0
            fits = fit.size > 0 and fit[best] >= 0.3
            answers.append((answering[best].rated(float(fit[best]) * QUALITY),) if fits else ())
        return answers
