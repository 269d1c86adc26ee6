"""Label images survive files; what is no label image is refused."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from matcurate.errors import DatasetError
from matcurate.imaging.labels import (
    decode_labels,
    encode_labels,
    label_suffix,
    read_labels,
    smallest_labels,
    write_labels,
)
from matcurate.types import Calibration


def ids_up_to(top: int) -> np.ndarray:
    labels = np.zeros((96, 160), np.int64)
    labels[10:20, 30:90] = top
    labels[50:, 3] = 1
    return labels


@pytest.mark.parametrize(
    ("top", "dtype", "suffix"),
    [
        (0, np.uint8, ".png"),
        (255, np.uint8, ".png"),
        (256, np.uint16, ".png"),
        (65535, np.uint16, ".png"),
        (65536, np.uint32, ".tif"),
        (2**32 - 1, np.uint32, ".tif"),
    ],
)
def test_ids_survive_in_the_smallest_format(top: int, dtype: type, suffix: str) -> None:
    labels = ids_up_to(top)
    again = decode_labels(encode_labels(labels))
    assert again.dtype == dtype and label_suffix(labels) == suffix
    np.testing.assert_array_equal(again, labels)


@given(arrays(np.uint32, st.tuples(st.integers(1, 9), st.integers(1, 13)), elements=st.integers(0, 2**32 - 1)))
@settings(max_examples=60, deadline=None)
def test_any_ids_survive_tiff(labels: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_labels(encode_labels(labels, ".tif")), labels)


def test_written_files_hold_what_their_suffix_says(tmp_path: Path) -> None:
    labels = ids_up_to(300)
    for name in ("a.png", "a.tif", "a.TIFF"):
        write_labels(tmp_path / name, labels)
        np.testing.assert_array_equal(read_labels(tmp_path / name), labels)
    assert np.asarray(Image.open(tmp_path / "a.png")).max() == 300
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages[0].dtype == np.uint16 and file.pages[0].compression == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.TIFF", "a.png", "a.tif"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_labels(path, ids_up_to(3))
    with pytest.raises(DatasetError, match=r"a\.png: label id 65536 does not fit"):
        write_labels(path, ids_up_to(65536))
    assert read_labels(path).max() == 3


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (ids_up_to(1) - 1, "-1 to 0"),
        (ids_up_to(2**32), "4294967296"),
        (np.ones((96, 160)), "float64"),
        (np.ones((96, 160, 3), np.uint8), "2-D"),
        (np.ones((0, 160), np.uint8), "2-D"),
    ],
)
def test_what_is_no_label_image_is_not_written(labels: np.ndarray, says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        smallest_labels(labels)


def test_a_png_of_labels_states_no_pixel_size() -> None:
    with pytest.raises(DatasetError, match="no pixel size"):
        encode_labels(np.ones((3, 5), dtype=np.uint8), ".png", Calibration(20.0))


def test_other_suffixes_are_refused() -> None:
    with pytest.raises(DatasetError, match="jpg"):
        encode_labels(ids_up_to(3), ".jpg")


def test_bool_masks_become_zero_and_one() -> None:
    mask = ids_up_to(1).astype(bool)
    np.testing.assert_array_equal(decode_labels(encode_labels(mask)), mask.astype(np.uint8))
    for kind in ("PNG", "TIFF"):
        buffer = io.BytesIO()
        Image.fromarray(mask).save(buffer, kind)
        assert decode_labels(buffer.getvalue()).max() == 1
        np.testing.assert_array_equal(decode_labels(buffer.getvalue()), mask)


def test_signed_tiff_ids_of_other_programs_are_read() -> None:
    for dtype in (np.int32, np.int64, np.uint64):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, ids_up_to(70_000).astype(dtype))
        np.testing.assert_array_equal(decode_labels(buffer.getvalue()), ids_up_to(70_000))


def encoded(image: Image.Image | np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    if isinstance(image, np.ndarray):
        tifffile.imwrite(buffer, image, **options)
    else:
        image.save(buffer, kind, **options)
    return buffer.getvalue()


GREY = Image.fromarray(ids_up_to(9).astype(np.uint8))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (encoded(GREY.convert("RGB")), "colour"),
        (encoded(GREY.convert("LA")), "transparent"),
        (encoded(GREY, "JPEG"), "not a PNG or TIFF"),
        (b"", "not a PNG or TIFF"),
        (encoded(ids_up_to(3).astype(np.float32) / 2), "fractions"),
        (encoded(np.full((96, 160), np.nan, np.float32)), "NaN"),
        (encoded(ids_up_to(3).astype(np.int16) - 2), "ids from -2 to 1"),
        (encoded(np.full((96, 160), 2.0**33)), "renumber them"),
        (encoded(np.ones((96, 160, 3), np.uint8), photometric="rgb"), "no label image"),
        (encoded(np.ones((2, 96, 160), np.uint8), photometric="minisblack"), "2 pages"),
        (encoded(GREY)[:-5], "end is missing"),
        (encoded(GREY)[:60], "truncated"),
        (encoded(np.ones((96, 160), np.uint8))[:-5], "missing"),
    ],
)
def test_what_is_no_label_image_is_refused_in_one_line(data: bytes, says: str) -> None:
    with pytest.raises(DatasetError, match=says) as caught:
        decode_labels(data, "mask-7")
    assert str(caught.value).startswith("mask-7:") and "\n" not in str(caught.value)


@pytest.mark.parametrize(("bits", "top"), [(1, 1), (2, 3), (4, 9), (8, 200)])
def test_indices_of_a_palette_are_ids_whatever_their_colours(bits: int, top: int) -> None:
    image = Image.fromarray(ids_up_to(top).astype(np.uint8), mode="P")
    image.putpalette([channel for index in range(2**bits) for channel in (index * 37 % 256, 255 - index, 7)])
    png = encoded(image, bits=bits)
    assert png[24] == bits and png[25] == 3
    np.testing.assert_array_equal(decode_labels(png), ids_up_to(top))
    np.testing.assert_array_equal(decode_labels(encoded(image, "TIFF")), ids_up_to(top))


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_png_of_few_bits_holds_ids_as_they_are(bits: int) -> None:
    values = np.arange(2**bits, dtype=np.uint8).repeat(10)[None].repeat(3, axis=0)
    packed = np.packbits(np.unpackbits(values[..., None], axis=2)[..., -bits:].reshape(3, -1), axis=1)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", values.shape[1], 3, bits, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    chunks = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts]
    np.testing.assert_array_equal(decode_labels(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)), values)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_whole_floats_are_ids(dtype: type) -> None:
    top = 900 if dtype == np.float16 else 70_000
    np.testing.assert_array_equal(decode_labels(encoded(ids_up_to(top).astype(dtype))), ids_up_to(top))


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
def test_minus_one_is_a_line(dtype: type) -> None:
    ids = ids_up_to(300)
    ids[40] = -1
    read = decode_labels(encoded(ids.astype(dtype)))
    assert read.dtype == np.uint16 and not read[40].any()
    np.testing.assert_array_equal(read, np.where(ids < 0, 0, ids))


def test_both_edges_of_a_pixel_are_stated() -> None:
    data = encode_labels(ids_up_to(3), ".tif", Calibration(20.0, aspect=1.6))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert 'PhysicalSizeX="20.0"' in file.ome_metadata and 'PhysicalSizeY="32.0"' in file.ome_metadata
        per_cm = [page_tag.value for page_tag in (file.pages[0].tags[name] for name in ("XResolution", "YResolution"))]
    assert [1e7 * bottom / top for top, bottom in per_cm] == pytest.approx([20.0, 32.0])


def test_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file"):
        read_labels(tmp_path / "none.png")
