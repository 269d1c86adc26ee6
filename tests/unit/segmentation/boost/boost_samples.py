"""Small scenes for the booster's tests."""

import numpy as np

from matcurate.types import Candidate

SHAPE = (96, 160)


def box(top: int, left: int, bottom: int, right: int, quality: float = 0.9) -> Candidate:
    """A full rectangle."""
    return Candidate(top, left, np.ones((bottom - top, right - left), dtype=np.bool_), quality)


def stripes(period: int, shape: tuple[int, int] = SHAPE, across: bool = False) -> np.ndarray:
    """Sinusoidal stripes in [60, 180] of this period; ``across`` turns them by 90 degrees."""
    along = np.arange(shape[0])[:, None] if across else np.arange(shape[1])[None]
    return np.broadcast_to(120 + 60 * np.sin(2 * np.pi * along / period), shape)


def two_textures() -> tuple[np.ndarray, np.ndarray]:
    """Upright stripes left, level ones right, of one mean grey, with a little noise: pixels and the truth (1, 2)."""
    truth = np.where(np.arange(SHAPE[1]) < 70, 1, 2)[None].repeat(SHAPE[0], axis=0)
    noise = np.random.default_rng(5).normal(0, 4, SHAPE)
    pixels = np.where(truth == 1, stripes(6), stripes(6, across=True)) + noise
    return np.rint(pixels).astype(np.uint8), truth
