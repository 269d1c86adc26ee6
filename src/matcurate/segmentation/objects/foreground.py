"""The foreground from its probability: its outline is decided by the grey levels on both of its sides."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from matcurate.segmentation.baselines import bright_class, corrected_side
from matcurate.segmentation.denoising import Field
from matcurate.segmentation.objects.strips import strips
from matcurate.segmentation.polarity import foreground_side
from matcurate.types import BoolMask, Pixels, Side

SMOOTHING = 0.8
"""Standard deviation in pixels of the Gaussian before grey levels decide about single pixels."""
WINDOW = 24.0
"""Standard deviation in pixels of the Gaussian window of the grey levels of both sides."""
COARSE = 4
"""Pixels along each axis that share one mean of that window."""
ROUNDS = 3
MARGIN = 200
"""Rows beyond a strip of a large image that are processed with it: some twice the reach of the window."""
CLIPPED = 3.0
"""Largest absolute value of what the grey level of one pixel adds to its log-odds."""
BAND = 4
"""Width in pixels of the band on each side of an outline whose grey levels are compared."""
NEAR = 8.0
"""Standard deviation in pixels of the Gaussian that removes uneven grey from that band."""
LEAST_VARIANCE = 1e-6
"""Of the grey levels beside an outline, over that of the image; below it there is only rounding error."""
SURE = 0.93
"""Expected intersection over union from which the network's outline is taken as it is."""
GAIN = 0.05
"""Gain in separability from which an outline is moved to the grey levels."""
UNSURE = 0.85
"""Expected intersection over union below which the network's foreground is compared with that of a plain threshold."""
BETTER, MUCH_BETTER = 0.1, 0.3
"""Gain in separability from which a plain threshold is the second suggestion, and from which it is the first."""


@dataclass(frozen=True, slots=True, eq=False)
class Foreground:
    """A foreground (H, W), and a second suggestion.

    ``alternative`` is given where the grey levels indicate another foreground than the network.
    """

    mask: BoolMask
    alternative: BoolMask | None = None


def find_foreground(probability: Field, pixels: Pixels, side: Side | None) -> Foreground:
    """Foreground of a micrograph (H, W) from its probability.

    It is the network's where that is confident. Else its outline is moved to the grey levels, if these are separated
    better there. Where the network is unsure and a threshold, free of uneven illumination, separates the grey levels
    much better than both, the threshold is taken; where it separates them better, it is the second suggestion. The
    limits were chosen on micrographs and generated pictures that nothing was learned from (docs/methods/builtin.md).
    ``side`` is the foreground's, where the user states it.
    """
    network = probability > 0.5
    expected = expected_iou(probability, network)
    if expected >= SURE:
        return Foreground(network)
    # Outlines are judged on the grey levels as they are: those of a threshold of smooth noise would fit smooth noise.
    grey = _standardised(pixels)
    best, highest = network, outline_separability(grey, network)
    moved = by_local_grey(probability, _blurred(grey, SMOOTHING)) > 0.5
    if (separability := outline_separability(grey, moved)) > highest + GAIN:
        best, highest = moved, separability
    if expected >= UNSURE:
        return Foreground(best)
    classes = bright_class(pixels)
    gain = outline_separability(grey, classes) - highest
    if gain <= BETTER:
        return Foreground(best)
    foreground_is = side or (corrected_side(pixels) if gain > MUCH_BETTER else foreground_side(pixels, network))
    plain = classes if foreground_is == "bright" else ~classes
    return Foreground(plain, best) if gain > MUCH_BETTER else Foreground(best, plain)


def expected_iou(probability: Field, foreground: BoolMask) -> float:
    """Class-mean intersection over union of a foreground (H, W) that is expected by its probability (H, W)."""
    values = []
    for mask, right in ((foreground, probability), (~foreground, 1 - probability)):
        if mask.any():
            hit, total = float(right.sum(where=mask, dtype=np.float64)), float(right.sum(dtype=np.float64))
            values.append(hit / (np.count_nonzero(mask) + total - hit))
    return float(np.clip(np.mean(values), 0, 1))


def by_local_grey(probability: Field, grey: Field) -> Field:
    """Probability (H, W) after comparing the grey level (H, W) of each pixel with those of both sides around it.

    Each side's grey levels are described by their mean and variance in a Gaussian window, weighted by the probability
    of the side. A pixel's log-odds change by its likelihood ratio under the two, clipped.
    """
    floor = max(1e-4 * _variance(grey), 1e-12)
    result = np.empty(grey.shape, dtype=np.float32)
    for strip in strips(result.shape, MARGIN):
        result[strip.inner] = _followed(probability[strip.outer], grey[strip.outer], floor)[strip.own]
    return result


def _followed(probability: Field, grey: Field, floor: float) -> Field:
    prior = np.clip(probability, 1e-3, 1 - 1e-3)
    start = np.log(prior / (1 - prior))
    current = prior
    for _ in range(ROUNDS):
        ratio = _likelihood(grey, current, floor)
        ratio -= _likelihood(grey, 1 - current, floor)
        current = 1 / (1 + np.exp(-(start + np.clip(ratio, -CLIPPED, CLIPPED))))
    return np.asarray(current, dtype=np.float32)


def outline_separability(grey: Field, mask: BoolMask) -> float:
    """Separability of the grey levels at an outline: variance between its two sides over the whole, in [0, 1].

    Grey levels are taken relative to their surroundings, so that shading does not count; 0 where there is no outline.
    """
    mean = np.float32(grey.mean(dtype=np.float64))
    parts = [
        _beside(grey[strip.outer] - mean, mask[strip.outer], strip.own)
        for strip in strips(mask.shape, BAND + round(4 * NEAR))
    ]
    values, sides = (np.concatenate(column) for column in zip(*parts, strict=True))
    share = float(sides.mean()) if len(sides) else 0.0
    if share in (0.0, 1.0):
        return 0.0
    whole = float(values.var(dtype=np.float64))
    if whole <= LEAST_VARIANCE * _variance(grey):
        return 0.0
    gap = float(values[sides].mean(dtype=np.float64)) - float(values[~sides].mean(dtype=np.float64))
    return min(1.0, share * (1 - share) * gap**2 / whole)


def _beside(grey: Field, mask: BoolMask, rows: slice) -> tuple[Field, BoolMask]:
    """Grey levels (N,) beside the outline in some rows, less their surroundings', and whether they lie inside."""
    square = np.ones((2 * BAND + 1, 2 * BAND + 1), np.uint8)
    inside = mask.astype(np.uint8)
    band = (cv2.dilate(inside, square) > 0) & (cv2.erode(inside, square) == 0)
    weight = np.maximum(_blurred(band.astype(np.float32), NEAR), 1e-6)
    surrounding = _blurred(np.where(band, grey, 0), NEAR) / weight
    here = band[rows]
    return (grey - surrounding)[rows][here], mask[rows][here]


def _likelihood(grey: Field, weight: Field, floor: float) -> Field:
    """Log-likelihood (H, W) of each grey level, up to a constant, under the normal distribution around it."""
    total = np.maximum(_windowed(weight), 1e-4)
    mean = _windowed(weight * grey) / total
    square = _windowed(weight * grey * grey) / total
    variance = np.maximum(square - mean * mean, floor)
    return np.asarray(-0.5 * ((grey - mean) ** 2 / variance + np.log(variance)), dtype=np.float32)


def _windowed(values: Field) -> Field:
    """Gaussian mean (H, W) in the window, computed on every fourth pixel: nothing in it is finer."""
    height, width = values.shape
    size = (max(1, -(-width // COARSE)), max(1, -(-height // COARSE)))
    small = cv2.GaussianBlur(cv2.resize(values, size, interpolation=cv2.INTER_AREA), (0, 0), WINDOW / COARSE)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _standardised(pixels: Pixels) -> Field:
    mean, spread = (float(value) for value in np.ravel(cv2.meanStdDev(pixels)))
    # Grey levels far from 0 would leave nothing of a small variance, were the mean taken off in single precision.
    grey = np.empty(pixels.shape, dtype=np.float32)
    np.subtract(pixels, mean, out=grey, dtype=np.float64, casting="same_kind")
    grey /= spread or 1.0
    return grey


def _variance(grey: Field) -> float:
    return float(cv2.meanStdDev(grey)[1].item()) ** 2  # NumPy would make an array of differences in double precision


def _blurred(values: Field, deviation: float) -> Field:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), deviation), dtype=np.float32)
