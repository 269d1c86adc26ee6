"""Labelled micrographs as training sees them: pictures, and batches of crops drawn from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from matcurate.config import Strict
from matcurate.imaging.ignored import frame_within, looked_at, with_unknown
from matcurate.imaging.proxy import to_float, to_uint8
from matcurate.phase.augment import Augmentation, augmented, cut
from matcurate.phase.model import Levels
from matcurate.phase.ratios import Ratio, exact_ratio, guessed_ratio, no_ratio
from matcurate.types import UNKNOWN, BoolMask, LabelMap, Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A micrograph to learn from.

    ``grey`` (H, W), float32 in [0, 1]; ``labels`` (H, W), uint8 phase ids or ``UNKNOWN``.
    """

    name: str
    grey: NDArray[np.float32]
    labels: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.grey.shape != self.labels.shape or self.grey.ndim != 2 or not self.grey.size:
            raise ValueError(f"{self.name}: grey {self.grey.shape} and labels {self.labels.shape} must be one (H, W)")
        if not np.isfinite(self.grey).all():
            raise ValueError(f"{self.name}: grey values must be finite")


def grey_levels(pixels: Pixels) -> NDArray[np.float32]:
    """Grey values that models see of a micrograph (H, W): its 8-bit proxy as float32 in [0, 1]."""
    return to_float(to_uint8(pixels))


def picture(name: str, pixels: Pixels, labels: LabelMap, ignored: BoolMask | None = None) -> Picture:
    """Picture of pixels (H, W) of any type, and phase ids (H, W) below 255; without what is ignored (H, W), if any.

    Raises ValueError when an id does not fit or the sizes differ.
    """
    if labels.size and int(labels.max()) >= UNKNOWN:
        raise ValueError(f"{name}: phase id {int(labels.max())}; {UNKNOWN - 1} is the largest")
    inside = frame_within(ignored, labels.shape).inside
    known = with_unknown(labels.astype(np.uint8), ignored)[inside]
    return Picture(name, grey_levels(looked_at(pixels, ignored)), known.astype(np.uint8))


def resized(picture: Picture, scale: float) -> Picture:
    """A picture magnified: grey values smoothed where it shrinks, of the phases the nearest."""
    if scale == 1:
        return picture
    grey, labels = (torch.from_numpy(values)[None] for values in (picture.grey, picture.labels))
    size = scaled_shape(picture.grey.shape, scale)
    nearest = functional.resize(labels, size, interpolation=InterpolationMode.NEAREST_EXACT)
    return Picture(picture.name, functional.resize(grey, size, antialias=True)[0].numpy(), nearest[0].numpy())


def scaled_shape(shape: tuple[int, ...], scale: float) -> list[int]:
    """Rows and columns of (H, W) at a magnification, at least one of each."""
    return [max(1, round(side * scale)) for side in shape]


class SamplingSettings(Strict):
    """Sampling of crops, and of the phase ratio that the model gets with them."""

    crop: int = Field(default=256, ge=16, description="Edge length of a crop in pixels.")
    batch: int = Field(default=4, ge=1, description="Number of crops in one training step.")
    centred: float = Field(
        default=0.5, ge=0, le=1, description="Share of the crops centred on a pixel of a randomly chosen phase."
    )
    ratio_dropout: float = Field(default=0.3, ge=0, le=1, description="Share of the crops without a phase ratio.")
    ratio_accuracy: tuple[float, float] = Field(
        default=(1.0, 1.0), description="Range of the accuracy of the given phase ratio; 1 (the paper): exact."
    )
    ratio_of_picture: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the crops that get the phase ratio of their whole micrograph, as an expert gives it.",
    )
    augmentation: Augmentation = Augmentation()


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Crops (B, 1, c, c) in units of the segmenter, labels int64 (B, c, c), ratios given (B, n)."""

    images: Tensor
    labels: Tensor
    ratios: Tensor


class Normalising(Protocol):
    """What knows the units of a network's input."""

    def levels(self, grey: Tensor) -> Levels:
        """Levels that normalise a whole micrograph (H, W) of grey values in [0, 1]."""


class BatchSource(ABC):
    """Gives the batch of every step; ``frequencies`` (n,) are the area fractions of the phases in all it can give."""

    frequencies: Ratio

    @abstractmethod
    def batch(self, seed: int, step: int) -> Batch:
        """The batch of a step; the same seed and step give the same one."""


class Sampler(BatchSource):
    """Draws the batch of a step; the same seed and step give the same batch.

    ``pictures``: at least one. Raises ValueError when there is no picture, or an id of ``phases`` or more.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        phases: int,
        settings: SamplingSettings,
        segmenter: Normalising,
        scale: float = 1.0,
    ) -> None:
        if not pictures:
            raise ValueError("there must be at least one picture to learn from")
        self._ratios = [exact_ratio(item.labels, phases) for item in pictures]
        self.frequencies = np.mean(self._ratios, axis=0)
        self._pictures = [resized(item, scale) for item in pictures]
        self._phases = phases
        self._settings = settings
        self._levels: list[Levels] = [segmenter.levels(torch.from_numpy(item.grey)) for item in self._pictures]

    @property
    def ratios(self) -> Tensor:
        """Exact ratio of every picture, (N, n)."""
        return torch.from_numpy(np.array(self._ratios)).float()

    def batch(self, seed: int, step: int) -> Batch:
        """Crops of a step."""
        rng = np.random.default_rng((seed, step))
        images, labels, ratios = zip(*(self._one(rng) for _ in range(self._settings.batch)), strict=True)
        return Batch(torch.stack(images)[:, None], torch.stack(labels), torch.stack(ratios))

    def _one(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        settings, index = self._settings, int(rng.integers(len(self._pictures)))
        chosen, levels = self._pictures[index], self._levels[index]
        grey, labels = cut(
            chosen.grey, chosen.labels, self._centre(chosen, rng), settings.crop, settings.augmentation, rng
        )
        grey = augmented(grey, settings.augmentation, rng)
        whole = settings.ratio_of_picture > 0 and rng.random() < settings.ratio_of_picture
        exact = self._ratios[index] if whole else exact_ratio(labels.numpy(), self._phases)
        ratio = torch.from_numpy(self._given_ratio(exact, rng)).float()
        return (grey - levels.zero) / (levels.one - levels.zero), labels.long(), ratio

    def _centre(self, chosen: Picture, rng: np.random.Generator) -> tuple[int, int]:
        shape = chosen.labels.shape
        if rng.random() >= self._settings.centred:
            return int(rng.integers(shape[0])), int(rng.integers(shape[1]))
        phases = np.unique(chosen.labels)
        phase = rng.choice(phases[phases != UNKNOWN] if (phases != UNKNOWN).any() else phases)
        row, column = divmod(int(rng.choice(np.flatnonzero(chosen.labels == phase))), shape[1])
        return row, column

    def _given_ratio(self, exact: Ratio, rng: np.random.Generator) -> Ratio:
        given, accuracy = rng.random() >= self._settings.ratio_dropout, rng.uniform(*self._settings.ratio_accuracy)
        return guessed_ratio(exact, accuracy) if given else no_ratio(self._phases)
