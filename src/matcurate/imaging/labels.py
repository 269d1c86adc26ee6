"""Label images: class or instance ids in lossless PNG (8, 16 bits) or TIFF (16, 32 bits).

Other tools write ids in other ways, which are read but not written: as indices of a palette (PASCAL VOC, GIMP), as
whole floats (ImageJ's 32-bit images, MATLAB), and with -1 on the lines between objects
(OpenCV's watershed), which is read as 0.
"""

import io
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from matcurate.errors import DatasetError, UnreadableImageError
from matcurate.files import replace_file
from matcurate.imaging.calibration import NM_PER_UNIT
from matcurate.imaging.files import decoding, opened
from matcurate.imaging.formats.raster import PNG_MAGIC, require_png_end
from matcurate.imaging.formats.tiff import TIFF_MAGIC, require_all_segments
from matcurate.types import Calibration, LabelMap

_PNG_DEPTH, _PNG_COLOUR = 24, 25  # byte positions in the header (PNG specification, IHDR)
_PNG_GREY, _PNG_PALETTE = 0, 3
LARGEST_ID = 2**32 - 1
LINE = -1
"""What watershed programs write on the lines between objects; read as background."""


def smallest_labels(labels: NDArray[Any]) -> LabelMap:
    """Ids (H, W) in the smallest of uint8, uint16 and uint32 that holds them.

    Raises DatasetError when they are not a non-empty 2-D array of integers in [0, 2**32 - 1].
    """
    if labels.ndim != 2 or labels.size == 0 or labels.dtype.kind not in "bui":
        raise DatasetError(
            f"label images are 2-D arrays of whole numbers, got {labels.dtype} {labels.shape}; convert them first"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > LARGEST_ID:
        raise DatasetError(f"label ids must lie in [0, {LARGEST_ID}], got {low} to {high}; renumber them")
    dtype = np.uint8 if high <= 255 else np.uint16 if high <= 65535 else np.uint32
    return np.ascontiguousarray(labels, dtype=dtype)


def label_suffix(labels: NDArray[Any]) -> str:
    """File suffix of what :func:`encode_labels` makes: ``.png`` for ids up to 65535, else ``.tif``."""
    return ".tif" if smallest_labels(labels).dtype == np.uint32 else ".png"


def encode_labels(labels: NDArray[Any], suffix: str | None = None, calibration: Calibration | None = None) -> bytes:
    """Encode ids (H, W) in [0, 2**32 - 1] without loss: PNG of 8 or 16 bits, TIFF of 16 or 32 (zlib).

    ``suffix`` is ``.png``, ``.tif`` or ``.tiff``, by default :func:`label_suffix`. A TIFF states ``calibration`` as
    OME-XML and in the resolution tags, where Fiji and ``curate measure`` find it. Raises DatasetError for negative ids,
    floats, ids too large for the format, another suffix, or a pixel size for a PNG.
    """
    small = smallest_labels(labels)
    suffix = suffix or label_suffix(small)
    if suffix == ".png":
        if calibration is not None:
            raise DatasetError("a PNG label image states no pixel size; write a .tif")
        if small.dtype == np.uint32:
            raise DatasetError(f"label id {int(small.max())} does not fit into a 16-bit PNG; write a .tif")
        return bytes(imagecodecs.png_encode(small, level=6))
    if suffix not in (".tif", ".tiff"):
        raise DatasetError(f"label images are .png or .tif, not {suffix!r}; change the suffix")
    buffer = io.BytesIO()
    wide = small.astype(np.uint16) if small.dtype == np.uint8 else small
    tifffile.imwrite(buffer, wide, compression="zlib", photometric="minisblack", **_stated(wide, calibration))
    return buffer.getvalue()


def _stated(labels: LabelMap, calibration: Calibration | None) -> dict[str, Any]:
    """Arguments by which tifffile states a pixel size; the same file for the same ids."""
    if calibration is None:
        return {"metadata": None}
    edges = {"X": calibration.nm_per_px, "Y": calibration.nm_per_px_y}
    metadata: dict[str, Any] = {"axes": "YX", "UUID": str(UUID(bytes=sha256(labels.tobytes()).digest()[:16]))}
    for axis, edge in edges.items():
        metadata |= {f"PhysicalSize{axis}": edge, f"PhysicalSize{axis}Unit": "nm"}
    per_cm = tuple(NM_PER_UNIT["cm"] / edge for edge in edges.values())
    return {"ome": True, "metadata": metadata, "resolution": per_cm, "resolutionunit": "CENTIMETER"}


def decode_labels(data: bytes, name: str = "label image") -> LabelMap:
    """Ids (H, W) of a grey or palette PNG, or of a TIFF of whole numbers with one page; ``name`` is for messages.

    uint8, uint16 or uint32 as stored; signed and float ones become the smallest of these. Indices of a palette are ids;
    -1 becomes 0. Raises DatasetError for colour images, floats that are not whole, ids below -1, and damaged files.
    """
    try:
        with decoding(name):
            if data.startswith(PNG_MAGIC):
                return _decode_png(data, name)
            if data.startswith(TIFF_MAGIC):
                return _decode_tiff(data, name)
    except UnreadableImageError as error:
        raise DatasetError(str(error)) from error
    raise DatasetError(f"{name}: not a PNG or TIFF label image; save class ids as 8- or 16-bit grey PNG")


def write_labels(path: Path, labels: NDArray[Any], calibration: Calibration | None = None) -> None:
    """Write ids (H, W) in the format of the path's suffix, whole or not at all; errors as :func:`encode_labels`."""
    try:
        data = encode_labels(labels, path.suffix.lower(), calibration)
    except DatasetError as error:
        raise DatasetError(f"{path}: {error}") from error
    replace_file(path, data)


def read_labels(path: Path) -> LabelMap:
    """Ids (H, W) of a label image; DatasetError as :func:`decode_labels`, and when the file cannot be read."""
    try:
        with opened(path) as handle:
            data = handle.read()
    except UnreadableImageError as error:
        raise DatasetError(str(error)) from error
    return decode_labels(data, str(path))


def _decode_png(data: bytes, name: str) -> LabelMap:
    depth, colour = data[_PNG_DEPTH], data[_PNG_COLOUR]
    if colour not in (_PNG_GREY, _PNG_PALETTE):
        raise DatasetError(f"{name}: a colour or transparent PNG has no ids; save the ids as 8- or 16-bit grey PNG")
    require_png_end(data)
    if colour == _PNG_GREY and depth >= 8:
        return np.asarray(imagecodecs.png_decode(data))
    # libpng would turn a palette into its colours
    values = np.asarray(PngImageFile(io.BytesIO(data))).astype(np.uint8)
    if colour == _PNG_GREY and depth in (2, 4):
        values //= 255 // (2**depth - 1)  # Pillow stretches 0..3 and 0..15 to 0..255
    return values


def _decode_tiff(data: bytes, name: str) -> LabelMap:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        if len(file.pages) != 1:
            raise DatasetError(f"{name}: {len(file.pages)} pages; a label image has one, split it")
        page = file.pages.first
        require_all_segments(page, len(data))
        labels = page.asarray()
    if labels.dtype == np.bool_:
        return labels.astype(np.uint8)
    if labels.ndim != 2 or labels.dtype.kind not in "uif":
        raise DatasetError(
            f"{name}: {labels.dtype} {labels.shape} is no label image; save ids >= 0 in one channel of whole numbers"
        )
    if labels.dtype.kind == "u" and labels.dtype.itemsize <= 4:
        return labels.astype(labels.dtype.newbyteorder("="))
    return _whole_ids(labels, name)


def _whole_ids(labels: NDArray[Any], name: str) -> LabelMap:
    """Ids of signed, float or very wide values (H, W); :data:`LINE` becomes 0."""
    if labels.dtype.kind == "f" and not (np.isfinite(labels).all() and (labels == np.rint(labels)).all()):
        raise DatasetError(f"{name}: holds fractions or NaN, which are no ids; save whole numbers")
    low, high = labels.min().item(), labels.max().item()
    if low < LINE or high > LARGEST_ID:
        raise DatasetError(f"{name}: ids from {low:g} to {high:g}; renumber them from 0 (-1 may mark lines)")
    return smallest_labels(np.where(labels == LINE, 0, labels).astype(np.int64))
