"""Where a synthetic micrograph is drawn: its size, device and randomness; random fields and blurring on it."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn.functional import conv1d, interpolate, max_pool2d, pad

BLOCK = 16
"""Edge of the pixel blocks that share one list of nearest seeds."""


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """Size in pixels, device and the two sources of randomness, which start from one generator.

    ``rng`` draws parameters and positions; ``noise`` draws whole images, on ``device``.
    """

    height: int
    width: int
    rng: np.random.Generator
    noise: torch.Generator
    device: torch.device

    def __post_init__(self) -> None:
        if min(self.height, self.width) < BLOCK:
            raise ValueError(f"size must be at least {BLOCK} x {BLOCK}, got {self.height} x {self.width}")

    @classmethod
    def of(cls, size: tuple[int, int], rng: np.random.Generator, device: str = "cpu") -> "Canvas":
        """Canvas of ``size`` (H, W) whose image noise is seeded from ``rng``."""
        place = torch.device(device)
        noise = torch.Generator(device=place).manual_seed(int(rng.integers(2**63)))
        return cls(size[0], size[1], rng, noise, place)

    def aside(self, purpose: int) -> "Canvas":
        """Canvas with its own parameters, so that a rare disturbance changes no draw of the picture it does not hit."""
        return replace(self, rng=np.random.default_rng([self.noise.initial_seed(), purpose]))

    @property
    def unit(self) -> int:
        """Pixels that sizes of objects are shares of: the longer side, at most 512."""
        return min(max(self.height, self.width), 512)

    def pixels_at(self, points: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of the pixels nearest to points (N, 2), which may lie outside."""
        held = np.clip(points, 0, (self.height - 1, self.width - 1)).astype(np.int64)
        return held[:, 0], held[:, 1]

    def uniform(self, low: float, high: float) -> float:
        """One parameter."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """Toss a coin."""
        return bool(self.rng.random() < probability)

    def white(self, height: int, width: int) -> Tensor:
        """White Gaussian noise (height, width), zero mean, unit variance."""
        return torch.randn(height, width, generator=self.noise, device=self.device)

    def tensor(self, values: NDArray[np.float64]) -> Tensor:
        """Float32 tensor on the device."""
        return torch.as_tensor(values.astype(np.float32), device=self.device)

    def coordinates(self) -> Tensor:
        """(row, column) of every pixel, float (2, H, W)."""
        rows = torch.arange(self.height, device=self.device, dtype=torch.float32)
        columns = torch.arange(self.width, device=self.device, dtype=torch.float32)
        return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))

    def from_axis(self) -> Tensor:
        """Distance in pixels from an axis that is drawn near the middle, as of a tomogram; float (H, W)."""
        rows, columns = self.coordinates()
        short = min(self.height, self.width)
        y, x = (size / 2 + self.uniform(-0.03, 0.03) * short for size in (self.height, self.width))
        return torch.hypot(rows - y, columns - x)


def smooth_field(canvas: Canvas, length: float, stretch: tuple[float, float] = (1.0, 1.0)) -> Tensor:
    """Gaussian random field (H, W) with correlation exp(-r²/4 length²), zero mean, unit variance.

    White noise is filtered by a Gaussian of standard deviation ``length`` pixels, times ``stretch`` along rows and
    columns.
    """
    sigmas = (length * stretch[0], length * stretch[1])
    coarse = max(1.0, min(sigmas) / 3)  # a smooth field needs no more than three samples per length
    heights, widths = (
        next_fast_len(math.ceil(size / coarse) + 4 + 2 * math.ceil(3 * sigma / coarse), real=True)
        for size, sigma in zip((canvas.height, canvas.width), sigmas, strict=True)
    )
    field = _filtered(canvas.white(heights, widths), sigmas[0] / coarse, sigmas[1] / coarse)
    field = (field - field.mean()) / field.std().clamp_min(1e-12)
    if coarse > 1:
        size = (round(heights * coarse), round(widths * coarse))
        field = interpolate(field[None, None], size=size, mode="bicubic", align_corners=False)[0, 0]
    return field[: canvas.height, : canvas.width]


def band_field(canvas: Canvas, wavelength: float, width: float, stretch: tuple[float, float] = (1.0, 1.0)) -> Tensor:
    """Gaussian random field (H, W) with one dominant wavelength in pixels, zero mean, unit variance (Cahn 1965).

    As spinodal decomposition leaves it (J. Chem. Phys. 42, 93). ``width`` is that of the ring in Fourier space (0.1
    regular, 0.6 irregular), ``stretch`` multiplies the wavelength along rows and columns.
    """
    margin = math.ceil(wavelength * max(stretch))
    heights, widths = (next_fast_len(size + margin, real=True) for size in (canvas.height, canvas.width))
    white = canvas.white(heights, widths)
    rows = torch.fft.fftfreq(white.shape[0], device=canvas.device)[:, None] * stretch[0]
    columns = torch.fft.rfftfreq(white.shape[1], device=canvas.device)[None] * stretch[1]
    radius = torch.sqrt(rows**2 + columns**2) * wavelength
    ring = torch.exp(-0.5 * ((radius - 1) / width) ** 2)
    ring[0, 0] = 0
    field: Tensor = torch.fft.irfft2(torch.fft.rfft2(white) * ring, s=white.shape)
    field = field[: canvas.height, : canvas.width]
    return (field - field.mean()) / field.std().clamp_min(1e-12)


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """Blur a float image (H, W); borders are mirrored."""
    if sigma <= 0:
        return image
    radius = max(1, math.ceil(3 * sigma))
    at = torch.arange(-radius, radius + 1, device=image.device, dtype=image.dtype)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = (kernel / kernel.sum())[None, None]
    for _ in range(2):
        mode = "reflect" if radius < image.shape[1] else "replicate"
        padded = pad(image[:, None], (radius, radius), mode=mode)
        image = conv1d(padded, kernel)[:, 0].T.contiguous()
    return image


def dilated(mask: Tensor, radius: int) -> Tensor:
    """Bool mask (H, W) grown by a square of edge 2 radius + 1."""
    grown = max_pool2d(mask[None, None].float(), 2 * radius + 1, stride=1, padding=radius)
    return grown[0, 0] > 0


def _filtered(white: Tensor, sigma_rows: float, sigma_columns: float) -> Tensor:
    rows = torch.fft.fftfreq(white.shape[0], device=white.device)[:, None] * sigma_rows
    columns = torch.fft.rfftfreq(white.shape[1], device=white.device)[None] * sigma_columns
    response = torch.exp(-2 * math.pi**2 * (rows**2 + columns**2))
    filtered: Tensor = torch.fft.irfft2(torch.fft.rfft2(white) * response, s=white.shape)
    return filtered
