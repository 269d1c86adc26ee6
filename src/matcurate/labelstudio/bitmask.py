"""Label Studio's bitmask regions: a PNG in a data URL whose opaque pixels are the mask.

The page draws them with black on a transparent canvas of the image's size (``imageDataURL``) and takes every
pixel that is not fully transparent; so do we.
"""

from __future__ import annotations

import base64
import binascii
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from matcurate.errors import AnnotationError
from matcurate.types import BoolMask

PREFIX = "data:image/png;base64,"
REDRAW = "draw the region again"


def encode_bitmask(mask: NDArray[np.bool_] | NDArray[np.uint8]) -> str:
    """Write a mask (H, W) as a data URL of a PNG: black and opaque where non-zero, transparent elsewhere."""
    alpha = np.where(mask != 0, np.uint8(255), np.uint8(0))
    image = Image.fromarray(np.stack([np.zeros_like(alpha), alpha], axis=-1))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return PREFIX + base64.b64encode(buffer.getvalue()).decode("ascii")


def decode_bitmask(url: str, shape: tuple[int, int]) -> BoolMask:
    """Read a bitmask region as a mask (H, W) of the micrograph's ``shape``.

    Pixels with alpha > 0 belong to the mask, without alpha those that are not black. Raises AnnotationError when the
    address is no PNG data URL, is damaged, or has another size than the image, which is checked before decoding.
    """
    height, width = shape
    if not url.startswith(PREFIX):
        raise AnnotationError(f"the bitmask is not a '{PREFIX}…' address; {REDRAW}")
    if len(url) > 8 * height * width + 65536:
        raise AnnotationError(
            f"the bitmask has {len(url)} characters, too many for {width} x {height} pixels; {REDRAW}"
        )
    try:
        data = base64.b64decode(url[len(PREFIX) :], validate=True)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.size != (width, height):
                size = f"{image.width} x {image.height}"
                raise AnnotationError(f"the bitmask has {size} pixels, the image {width} x {height}; {REDRAW}")
            return _opaque(image)
    except (binascii.Error, UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise AnnotationError(f"the bitmask is not a whole PNG; {REDRAW}") from error


def _opaque(image: Image.Image) -> BoolMask:
    opaque: BoolMask
    if image.has_transparency_data:
        opaque = np.asarray(image.convert("RGBA"))[:, :, 3] > 0
    else:
        opaque = np.any(np.asarray(image.convert("RGB")), axis=2)
    return opaque
