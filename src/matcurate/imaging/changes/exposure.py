"""Changes of grey levels alone: focus, detector, illumination, file format. The label images stay as they are."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from skimage.util import random_noise

from matcurate.imaging.changes.change import Apply, Shades, as_depth, with_pixels
from matcurate.imaging.dataset import LabelledMicrograph
from matcurate.imaging.proxy import to_float

SHADE = 0.3
"""Share of the range that the illumination takes: as much as two phases of a superalloy differ, or more."""
LAMP = 0.6
"""Standard deviation of the lit spot, in diagonals of the image."""
DETECTOR_BLACK, DETECTOR_WHITE = 600, 3400
"""Grey levels of black and white of a 12-bit camera that writes 16-bit files."""


def _shades(alter: Callable[[Shades, np.random.Generator], Shades]) -> Apply:
    """Change of grey values in [0, 1]; the depth is kept."""

    def apply(labelled: LabelledMicrograph, rng: np.random.Generator) -> LabelledMicrograph:
        pixels = labelled.micrograph.pixels
        return with_pixels(labelled, as_depth(alter(to_float(pixels), rng), pixels.dtype))

    return apply


def blurred(sigma: float) -> Apply:
    """Out of focus: Gaussian blur with a standard deviation in pixels."""
    return _shades(lambda shades, rng: np.asarray(cv2.GaussianBlur(shades, (0, 0), sigma), dtype=np.float32))


def noisy(levels: float) -> Apply:
    """Short dwell time: Gaussian noise with a standard deviation in levels of 255."""
    return _shades(
        lambda shades, rng: random_noise(shades, "gaussian", rng=rng, var=(levels / 255) ** 2).astype(np.float32)
    )


def salted(share: float) -> Apply:
    """Dead and hot pixels: a share of the pixels becomes black or white."""
    return _shades(lambda shades, rng: random_noise(shades, "s&p", rng=rng, amount=share).astype(np.float32))


def faint(factor: float) -> Apply:
    """Little contrast: grey differences from the mean are multiplied by a factor."""
    return _shades(lambda shades, rng: shades.mean() + np.float32(factor) * (shades - shades.mean()))


def corrected_by_gamma(exponent: float) -> Apply:
    """Display curve: grey values are raised to an exponent."""
    return _shades(lambda shades, rng: shades ** np.float32(exponent))


def inverted() -> Apply:
    """Negative: bright becomes dark."""
    return _shades(lambda shades, rng: 1 - shades)


def compressed(quality: int) -> Apply:
    """JPEG file of a quality from 0 to 100, opened again."""

    def through_file(shades: Shades, rng: np.random.Generator) -> Shades:
        _, file = cv2.imencode(".jpg", as_depth(shades, np.dtype(np.uint8)), [cv2.IMWRITE_JPEG_QUALITY, quality])
        return to_float(np.asarray(cv2.imdecode(file, cv2.IMREAD_GRAYSCALE), dtype=np.uint8))

    return _shades(through_file)


def shaded() -> Apply:
    """Uneven illumination: a broad spot of light around one corner, added without cutting off black or white."""

    def light(shades: Shades, rng: np.random.Generator) -> Shades:
        height, width = shades.shape
        row, column = (int(edge) for edge in rng.integers(0, 2, 2))
        down = np.arange(height)[:, None] - row * (height - 1)
        right = np.arange(width) - column * (width - 1)
        spot = np.exp(-(down**2 + right**2) / (2 * (LAMP * np.hypot(height, width)) ** 2))
        spot = (spot - spot.min()) / max(np.ptp(spot), 1e-12)
        return np.asarray((1 - SHADE) * shades + SHADE * spot, dtype=np.float32)

    return _shades(light)


def deep() -> Apply:
    """16-bit file of a 12-bit camera, which uses a sixteenth of the range; grey values between the 8-bit levels."""

    def apply(labelled: LabelledMicrograph, rng: np.random.Generator) -> LabelledMicrograph:
        shades = to_float(labelled.micrograph.pixels)
        between = rng.uniform(-0.5, 0.5, shades.shape) / 255
        levels = DETECTOR_BLACK + (DETECTOR_WHITE - DETECTOR_BLACK) * (shades + between)
        return with_pixels(labelled, np.rint(levels).astype(np.uint16))

    return apply
