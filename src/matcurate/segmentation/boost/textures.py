"""What a texture looks like: feature maps of an image, by classical filters or by a backbone.

The classical one joins Gabor wavelets over octaves (energy at each scale and direction), uniform local binary patterns
and the grey level. It stands where the paper has a network trained on textures (FENet on DTD); a backbone's own
features come in through :class:`Features`.

References
----------
A. K. Jain, F. Farrokhnia, "Unsupervised texture segmentation using Gabor filters", Pattern Recognition 24 (1991).
T. Ojala, M. Pietikäinen, T. Mäenpää, "Multiresolution gray-scale and rotation invariant texture classification with
local binary patterns", IEEE TPAMI 24 (2002).
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from skimage.feature import local_binary_pattern
from skimage.filters import gabor_kernel

from matcurate.config import Strict
from matcurate.errors import ConfigError
from matcurate.promptable.protocol import Backbone, embeds
from matcurate.segmentation.denoising import to_levels
from matcurate.types import Pixels

FeatureMap = NDArray[np.float32]
"""Texture features (h, w, C): cell (i, j) is the part of the image around row (i + ½) H / h."""


FLOOR = 0.003
"""Amplitude below which a wavelet has no response, in shares of the grey range."""


class Features(Protocol):
    """A function from a micrograph to a feature map."""

    def __call__(self, pixels: Pixels) -> FeatureMap:
        """Features (h, w, C) of an image (H, W); h ≤ H and w ≤ W, both at least 1."""
        ...


class FilterBankSettings(Strict):
    """Of :class:`FilterBank`."""

    cell: int = Field(default=8, ge=1, description="Edge in pixels of the cells that responses are averaged over.")
    octaves: int = Field(default=4, ge=1, description="Scales; each halves the image.")
    frequencies: tuple[float, ...] = Field(default=(0.36, 0.25), description="Cycles for each pixel, at every scale.")
    directions: int = Field(default=4, ge=1)
    patterns: bool = Field(default=True, description="Local binary patterns of 8 neighbours.")
    grey: bool = Field(default=True, description="Mean grey level.")


class FilterBank:
    """Gabor wavelets, local binary patterns and grey level; needs no training."""

    def __init__(self, settings: FilterBankSettings = FilterBankSettings()) -> None:  # noqa: B008 - frozen
        self.settings = settings

    def __call__(self, pixels: Pixels) -> FeatureMap:
        """Features (⌈H / cell⌉, ⌈W / cell⌉, C): logarithms of amplitudes, shares of patterns, grey levels."""
        grey = to_levels(pixels.astype(np.float32)).astype(np.float32) / np.float32(255)
        height, width = grey.shape
        size = (-(-width // self.settings.cell), -(-height // self.settings.cell))
        maps = self._gabor(grey, size)
        if self.settings.patterns:
            maps += _patterns(grey, size)
        if self.settings.grey:
            maps.append(_cells(grey, size))
        return np.stack(maps, axis=-1).astype(np.float32)

    def _gabor(self, grey: FeatureMap, size: tuple[int, int]) -> list[FeatureMap]:
        maps = []
        for octave in range(self.settings.octaves):
            if octave:
                if min(grey.shape) < 16:
                    break
                grey = np.asarray(cv2.pyrDown(grey), dtype=np.float32)
            for frequency in self.settings.frequencies:
                for direction in range(self.settings.directions):
                    kernel = gabor_kernel(frequency, theta=np.pi * direction / self.settings.directions, bandwidth=0.8)
                    maps.append(_amplitude(grey, kernel, size))
        return maps


class BackboneFeatures:
    """The embedding that a backbone with an encoder, such as official SAM, makes of an image."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone

    def __call__(self, pixels: Pixels) -> FeatureMap:
        """Features (h, w, C); official SAM: 256 for each 16 × 16 pixels of the image scaled to 1024.

        Raises ConfigError when the backbone has no encoder.
        """
        if not embeds(self.backbone):
            raise ConfigError(f"backbone {self.backbone.name!r} has no features to show; use 'filters' textures")
        return self.backbone.open(pixels).features()


def _amplitude(grey: FeatureMap, kernel: NDArray[np.complex128], size: tuple[int, int]) -> FeatureMap:
    """Logarithm of the root mean square response in cells; ``size`` is (w, h)."""
    kernel = kernel - kernel.mean()  # blind to the grey level itself
    power = np.zeros(grey.shape, dtype=np.float32)
    for part in (kernel.real, kernel.imag):
        response = cv2.filter2D(grey, cv2.CV_32F, part.astype(np.float32), borderType=cv2.BORDER_REFLECT_101)
        power += np.asarray(response, dtype=np.float32) ** 2
    return np.asarray(np.log(_cells(power, size) + FLOOR**2) / 2, dtype=np.float32)


def _patterns(grey: FeatureMap, size: tuple[int, int]) -> list[FeatureMap]:
    """Shares of the ten rotation-invariant uniform patterns; averaged over a crop they are its histogram."""
    codes = local_binary_pattern(np.rint(grey * 255).astype(np.uint8), P=8, R=1.0, method="uniform")
    return [_cells((codes == code).astype(np.float32), size) for code in range(10)]


def _cells(values: FeatureMap, size: tuple[int, int]) -> FeatureMap:
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
