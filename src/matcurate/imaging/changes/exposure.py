"""Changes of grey levels alone: focus, detector, illumination, file format. The label images stay as they are.

Every function takes grey values (H, W) in [0, 1], a source of randomness, and how strong the change is.
"""

import cv2
import numpy as np
from skimage.util import random_noise

from matcurate.imaging.changes.change import Shades, as_depth, with_pixels
from matcurate.imaging.dataset import LabelledMicrograph
from matcurate.imaging.proxy import to_float

SHADE = 0.3
"""Share of the range that the illumination takes: as much as two phases of a superalloy differ, or more."""
LAMP = 0.6
"""Standard deviation of the lit spot, in diagonals of the image."""
DETECTOR_BLACK, DETECTOR_WHITE = 600, 3400
"""Grey levels of black and white of a 12-bit camera that writes 16-bit files."""


def blurred(shades: Shades, rng: np.random.Generator, sigma: float) -> Shades:
    """Out of focus: Gaussian blur with a standard deviation in pixels."""
    return np.asarray(cv2.GaussianBlur(shades, (0, 0), sigma), dtype=np.float32)


def noisy(shades: Shades, rng: np.random.Generator, levels: float) -> Shades:
    """Short dwell time: Gaussian noise with a standard deviation in levels of 255."""
    return np.asarray(random_noise(shades, "gaussian", rng=rng, var=(levels / 255) ** 2), dtype=np.float32)


def salted(shades: Shades, rng: np.random.Generator, share: float) -> Shades:
    """Dead and hot pixels: a share of the pixels becomes black or white."""
    return np.asarray(random_noise(shades, "s&p", rng=rng, amount=share), dtype=np.float32)


def faint(shades: Shades, rng: np.random.Generator, factor: float) -> Shades:
    """Little contrast: grey differences from the mean are multiplied by a factor."""
    return np.asarray(shades.mean() + np.float32(factor) * (shades - shades.mean()))


def corrected_by_gamma(shades: Shades, rng: np.random.Generator, exponent: float) -> Shades:
    """Display curve: grey values are raised to an exponent."""
    return np.asarray(shades ** np.float32(exponent))


def inverted(shades: Shades, rng: np.random.Generator) -> Shades:
    """Negative: bright becomes dark."""
    return 1 - shades


def compressed(shades: Shades, rng: np.random.Generator, quality: int) -> Shades:
    """JPEG file of a quality from 0 to 100, opened again."""
    _, file = cv2.imencode(".jpg", as_depth(shades, np.dtype(np.uint8)), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return to_float(np.asarray(cv2.imdecode(file, cv2.IMREAD_GRAYSCALE), dtype=np.uint8))


def shaded(shades: Shades, rng: np.random.Generator) -> Shades:
    """Uneven illumination: a broad spot of light around one corner, added without cutting off black or white."""
    height, width = shades.shape
    row, column = (int(edge) for edge in rng.integers(0, 2, 2))
    down = np.arange(height)[:, None] - row * (height - 1)
    right = np.arange(width) - column * (width - 1)
    spot = np.exp(-(down**2 + right**2) / (2 * (LAMP * np.hypot(height, width)) ** 2))
    spot = (spot - spot.min()) / max(np.ptp(spot), 1e-12)
    return np.asarray((1 - SHADE) * shades + SHADE * spot, dtype=np.float32)


def deep(labelled: LabelledMicrograph, rng: np.random.Generator) -> LabelledMicrograph:
    """16-bit file of a 12-bit camera, which uses a sixteenth of the range; grey values between the 8-bit levels."""
    shades = to_float(labelled.micrograph.pixels)
    between = rng.uniform(-0.5, 0.5, shades.shape) / 255
    levels = DETECTOR_BLACK + (DETECTOR_WHITE - DETECTOR_BLACK) * (shades + between)
    return with_pixels(labelled, np.rint(levels).astype(np.uint16))
