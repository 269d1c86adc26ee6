"""Time Label Studio's brush codec, ours against label_studio_sdk's, on the same masks in the same run."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

import numpy as np
from label_studio_sdk.converter import brush
from scipy.ndimage import gaussian_filter

from matcurate.errors import ConfigError
from matcurate.labelstudio import CHANNELS, decode_rle, encode_rle
from matcurate.types import BoolMask, Progress, silent

SMOOTHING = {"smooth": 20.0, "fine": 2.0, "noisy": 0.0}
"""Two-phase masks: thresholded noise, smoothed with a Gaussian of this sigma in pixels."""
MAX_PIXELS = 1 << 26
REPEATS = 7
REPEATS_SDK = 3
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Times:
    """Medians in seconds; ``identical`` is bit for bit, both ways."""

    encode_seconds: float
    encode_seconds_sdk: float
    decode_seconds: float
    decode_seconds_sdk: float
    identical: bool


@dataclass(frozen=True, slots=True)
class MaskTimes(Times):
    """Times for one mask, and the bytes of its code."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class CodecReport(Times):
    """Medians over the masks of ``size`` (H, W)."""

    size: tuple[int, int]
    masks: tuple[MaskTimes, ...]


SECONDS = ("encode_seconds", "encode_seconds_sdk", "decode_seconds", "decode_seconds_sdk")


def bench_codec(size: tuple[int, int], seed: int = 0, *, progress: Progress = silent) -> CodecReport:
    """Encode and decode a smooth, a fine and a noisy two-phase mask of ``size`` (H, W).

    Raises ConfigError when there are no pixels, or too many for the SDK to finish.
    """
    if not 0 < size[0] * size[1] <= MAX_PIXELS:
        raise ConfigError(f"--size {size[0]}x{size[1]} is not 1 to {MAX_PIXELS} pixels; choose another")
    rng = np.random.default_rng(seed)
    masks = []
    for done, (name, sigma) in enumerate(SMOOTHING.items(), start=1):
        masks.append(_time(name, gaussian_filter(rng.standard_normal(size), sigma) > 0, size))
        progress(done, len(SMOOTHING), name)
    medians = {name: median(getattr(mask, name) for mask in masks) for name in SECONDS}
    return CodecReport(**medians, identical=all(mask.identical for mask in masks), size=size, masks=tuple(masks))


def _time(name: str, mask: BoolMask, size: tuple[int, int]) -> MaskTimes:
    grey = mask.astype(np.uint8) * 255
    encode_sdk, theirs = _median(REPEATS_SDK, lambda: brush.mask2rle(grey))  # type: ignore[no-untyped-call]
    encode, ours = _median(REPEATS, lambda: encode_rle(mask))
    decode_sdk, rgba = _median(REPEATS_SDK, lambda: brush.decode_rle(theirs))
    decode, decoded = _median(REPEATS, lambda: decode_rle(theirs, size))
    alpha = rgba.reshape(*mask.shape, CHANNELS)[:, :, 3]
    same = ours == theirs and np.array_equal(decoded, alpha > 0) and np.array_equal(decoded, mask)
    return MaskTimes(encode, encode_sdk, decode, decode_sdk, same, name, len(ours))


def _median(repeats: int, action: Callable[[], T]) -> tuple[float, T]:
    """Median wall time of ``action``, and what it returned last."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = action()
        seconds.append(time.perf_counter() - start)
    return median(seconds), result
