"""Random fields and blurring on tensors."""

from __future__ import annotations

import math

import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn.functional import conv1d, interpolate, max_pool2d, pad

from matcurate.imaging.synth.canvas import Canvas


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
