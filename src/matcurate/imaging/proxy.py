"""Display and model versions of grey pixels of any depth."""

import io

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from matcurate.types import Pixels

DARK_PERCENTILE, BRIGHT_PERCENTILE = 0.1, 99.9


def to_float(pixels: Pixels) -> NDArray[np.float32]:
    """Grey values (H, W) in [0, 1], float32, for models; uint8 is divided by 255.

    16-bit and float values have no known black and white (a 12-bit camera fills a sixteenth of uint16), so they are
    stretched linearly from the 0.1 to the 99.9 percentile and clipped, exactly as on the page the expert sees; an image
    that is constant between these percentiles becomes 0.5 there, 0 below and 1 above.
    """
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, dtype=np.float32) / np.float32(255)
    dark, bright = np.percentile(pixels, (DARK_PERCENTILE, BRIGHT_PERCENTILE))
    values = pixels.astype(np.float64)
    if not bright > dark:
        return np.asarray(0.5 + 0.5 * np.sign(values - dark), dtype=np.float32)
    return np.asarray(np.clip((values - dark) / (bright - dark), 0.0, 1.0), dtype=np.float32)


def to_uint8(pixels: Pixels) -> NDArray[np.uint8]:
    """8-bit proxy (H, W) for the page: uint8 unchanged, else the values of :func:`to_float` times 255, rounded."""
    if pixels.dtype == np.uint8:
        return pixels
    return np.asarray(np.rint(to_float(pixels) * np.float32(255)), dtype=np.uint8)


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Lossless PNG of a uint8 image (H, W) or (H, W, 3)."""
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(image), level=6))


def encode_image(pixels: Pixels) -> tuple[bytes, str]:
    """Lossless file of grey pixels in their depth: (bytes, suffix), PNG for uint8 and uint16, TIFF for float32."""
    if pixels.dtype != np.float32:
        return bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels), level=6)), ".png"
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, compression="zlib", photometric="minisblack", metadata=None)
    return buffer.getvalue(), ".tif"
