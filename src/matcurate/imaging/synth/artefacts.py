"""Disturbances of some pictures only: charging of insulating features, curtains of ion milling."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas
from matcurate.imaging.synth.fields import gaussian_blur, smooth_field


def charged(canvas: Canvas, grey: Tensor) -> Tensor:
    """Charging of some of the brightest features: a glow, a bright streak along the scan (to the right), a dark trail.

    ``grey`` (H, W) is ideal, brighter where edges emit more. Returns the grey step (H, W) in units of its strength,
    within [-0.5, 1.5].
    """
    smooth = gaussian_blur(grey, 2.0)
    ordered = smooth.flatten().sort().values
    middle, brightest = ordered[len(ordered) // 2], ordered[int(0.995 * (len(ordered) - 1))]
    threshold = middle + (0.5 * (brightest - middle)).clamp_min(0.04)  # whole features, not the grain of a flat surface
    patches = smooth_field(canvas, canvas.uniform(15, 40)) - canvas.uniform(0.0, 1.0)  # not all of them are insulated
    source = gaussian_blur((smooth > threshold).float(), 0.8) * torch.sigmoid(5 * patches)
    jitter = 1 + 0.35 * gaussian_blur(canvas.white(canvas.height, 1), 0.6)  # from line to line
    streak = _trail(source, canvas.uniform(8, 40)) * jitter.clamp(0, 2)
    shadow = _trail(source, canvas.uniform(40, 120))
    glow = gaussian_blur(source, canvas.uniform(4, 12))
    return (0.7 * source + 1.2 * glow + 0.8 * streak - 0.7 * (1 - source) * shadow).clamp(-0.5, 1.5)


def _trail(source: Tensor, length: float) -> Tensor:
    """What a feature leaves behind it along the rows, fading with exp(-distance / length), in [0, 1]; float (H, W)."""
    reach = math.ceil(5 * length)
    fade = torch.exp(-torch.arange(reach, device=source.device) / length)
    size = source.shape[1] + reach
    trail: Tensor = torch.fft.irfft(torch.fft.rfft(source, size) * torch.fft.rfft(fade, size), size)
    return 1 - torch.exp(-trail[:, : source.shape[1]].clamp_min(0) / (0.15 * length))


def curtains(canvas: Canvas) -> Tensor:
    """Vertical stripes of ion milling, fine on broad, stronger downstream; zero mean, unit variance; float (H, W)."""
    length = 0.5 * canvas.height
    stripes = torch.zeros(canvas.height, canvas.width, device=canvas.device)
    for width, share in ((0.9, 0.6), (canvas.uniform(3, 6), 0.8), (canvas.uniform(12, 30), 0.6)):
        stripes = stripes + share * smooth_field(canvas, width, (max(1.0, length / width), 1.0))
    downstream = torch.linspace(canvas.uniform(0.3, 1), 1, canvas.height, device=canvas.device)[:, None]
    stripes = stripes * downstream
    return (stripes - stripes.mean()) / stripes.std().clamp_min(1e-12)
