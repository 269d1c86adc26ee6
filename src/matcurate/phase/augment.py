"""The paper's augmentations: flip, rotate, scale, intensity, gamma, contrast; through torchvision."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from matcurate.config import Strict

Range = tuple[float, float]
RIM = 4
"""Pixels more than a rotation needs, since it mixes its outermost ones with nothing."""


class Augmentation(Strict):
    """Random changes of a crop; each value is drawn uniformly from its range for every crop."""

    flip: float = Field(default=0.5, ge=0, le=1, description="Probability of a horizontal flip.")
    upside_down: float = Field(default=0.5, ge=0, le=1, description="Probability of a vertical flip.")
    rotation: float = Field(default=180.0, ge=0, le=180, description="Largest rotation in degrees, in both directions.")
    scale: Range = Field(default=(0.8, 1.25), description="Range of the magnification; drawn on a logarithmic scale.")
    intensity: Range = Field(default=(0.85, 1.15), description="Range of the factor on grey values.")
    gamma: Range = Field(default=(0.8, 1.25), description="Range of the exponent of grey values.")
    contrast: Range = Field(
        default=(0.8, 1.25), description="Range of the factor on the distance of grey values from their mean."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Augmentation:
        for name in ("scale", "intensity", "gamma", "contrast"):
            low, high = getattr(self, name)
            if not 0 < low <= high < math.inf:
                raise ValueError(f"{name} must be two positive numbers, the smaller first, got {low} and {high}")
        return self


def cut(
    grey: NDArray[np.float32],
    labels: NDArray[np.uint8],
    centre: tuple[int, int],
    crop: int,
    options: Augmentation,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Cut a scaled, rotated and flipped square about ``centre`` (row, column), which lies inside the picture.

    ``grey`` (H, W) in [0, 1]; ``labels`` (H, W), phase ids. Returns float32 and uint8 tensors (crop, crop). The square
    is moved inside as far as the picture allows; beyond its borders the picture is continued by reflection.
    """
    edge = max(1, round(crop / math.exp(rng.uniform(*np.log(options.scale)))))
    angle = float(rng.uniform(-options.rotation, options.rotation))
    flips = rng.random() < options.flip, rng.random() < options.upside_down
    turned = math.radians(angle)
    outer = math.ceil(edge * (abs(math.cos(turned)) + abs(math.sin(turned)))) + (RIM if angle else 0)
    rows, columns = (_inside(middle, edge, outer, side) for middle, side in zip(centre, grey.shape, strict=True))
    # Labels rotate and shrink with the nearest pixel; both travel as images of one channel.
    image = torch.from_numpy(grey[np.ix_(rows, columns)])[None]
    mask = torch.from_numpy(labels[np.ix_(rows, columns)])[None]
    if angle:
        image = functional.rotate(image, angle, interpolation=InterpolationMode.BILINEAR)
        mask = functional.rotate(mask, angle, interpolation=InterpolationMode.NEAREST)
        image, mask = (functional.center_crop(tensor, [edge, edge]) for tensor in (image, mask))
    if edge != crop:
        image = functional.resize(image, [crop, crop], antialias=True)
        mask = functional.resize(mask, [crop, crop], interpolation=InterpolationMode.NEAREST_EXACT)
    for chosen, axis in zip(flips, (-1, -2), strict=True):
        if chosen:
            image, mask = image.flip(axis), mask.flip(axis)
    return image[0], mask[0]


def augmented(grey: Tensor, options: Augmentation, rng: np.random.Generator) -> Tensor:
    """Intensity, contrast and gamma of grey values (H, W) in [0, 1]; the result lies there too."""
    image = functional.adjust_brightness(grey[None], float(rng.uniform(*options.intensity)))
    image = functional.adjust_contrast(image, float(rng.uniform(*options.contrast)))
    changed: Tensor = functional.adjust_gamma(image, float(rng.uniform(*options.gamma)))[0]
    return changed


def _inside(middle: int, edge: int, outer: int, side: int) -> NDArray[np.int64]:
    """Indices of ``outer`` samples about ``middle``; of them ``edge`` lie inside [0, side) if they can."""
    half = edge // 2
    moved = min(max(middle, half), max(side - edge + half, half)) if edge <= side else side // 2
    positions = np.arange(outer) + moved - outer // 2
    if side == 1:
        return np.zeros(outer, np.int64)
    period = 2 * side - 2
    folded: NDArray[np.int64] = np.abs((positions + side - 1) % period - (side - 1))
    return folded
