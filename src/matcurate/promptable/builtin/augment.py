"""Crops of a labelled picture, changed as another microscope, specimen or magnification would."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2.functional import gaussian_blur_image

from matcurate.promptable.builtin.recipe import Augmentation

LEAST_BLUR = 0.2
"""Gaussians narrower than this, in pixels, change nothing."""


def window(shape: tuple[int, int], crop: int, options: Augmentation, rng: np.random.Generator) -> tuple[int, int, int]:
    """Top, left and edge of a square of a picture of ``shape`` (H, W) that becomes a crop of ``crop`` pixels.

    The magnification crop / edge is drawn from the options, and is larger where the picture is too small for it.
    """
    low, high = np.log(options.scale)
    edge = min(max(1, round(crop / math.exp(rng.uniform(low, high)))), *shape)
    top, left = (int(rng.integers(0, side - edge + 1)) for side in shape)
    return top, left, edge


def resized(grey: NDArray[np.float32], crop: int) -> Tensor:
    """Grey values (n, n) as float32 (crop, crop), averaged where the picture shrinks."""
    image = torch.from_numpy(np.ascontiguousarray(grey))[None, None]
    size = (crop, crop)
    return functional.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)[0, 0]


def resized_ids(ids: NDArray[np.int32], crop: int) -> NDArray[np.int32]:
    """Ids (n, n) at the nearest pixels of a grid (crop, crop)."""
    nearest = ((np.arange(crop) + 0.5) * len(ids) / crop).astype(np.int64)
    return ids[nearest[:, None], nearest]


def disturbed(grey: Tensor, options: Augmentation, rng: np.random.Generator) -> Tensor:
    """Blur, gamma, contrast, noise and inversion of grey values in [0, 1] (H, W); the result may leave [0, 1]."""
    blur = rng.uniform(*options.blur)
    if blur > LEAST_BLUR:
        edge = 2 * math.ceil(3 * blur) + 1
        grey = gaussian_blur_image(grey[None], [edge, edge], [blur, blur])[0]
    grey = grey.clamp(0, 1) ** rng.uniform(*options.gamma)
    grey = grey.mean() + (grey - grey.mean()) * rng.uniform(*options.contrast)
    noise = rng.standard_normal(tuple(grey.shape), dtype=np.float32)
    grey = grey + float(rng.uniform(*options.noise)) * torch.from_numpy(noise)
    return 1 - grey if rng.random() < options.invert else grey


def turned(stack: Tensor, rng: np.random.Generator) -> Tensor:
    """One of the eight rotations and reflections of (..., n, n)."""
    quarter, mirror = int(rng.integers(4)), bool(rng.integers(2))
    stack = torch.rot90(stack, quarter, dims=(-2, -1))
    return stack.flip(-1) if mirror else stack
