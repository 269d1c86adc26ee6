"""Reading: depths, colours, pages, damage and folders."""

import io
import logging
import os
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from matcurate.errors import UnreadableImageError
from matcurate.imaging.micrograph import Micrograph
from matcurate.imaging.read import decode_micrograph, find_images, read_micrograph
from matcurate.types import Calibration

SHAPE = (96, 160)


@pytest.fixture
def ramp8() -> np.ndarray:
    return (np.add.outer(np.arange(96) * 2, np.arange(160)) % 256).astype(np.uint8)


@pytest.fixture
def ramp16() -> np.ndarray:
    return np.add.outer(np.arange(96) * 600, np.arange(160) * 50).astype(np.uint16)


@pytest.fixture
def colour() -> np.ndarray:
    red, green, blue = (np.full(SHAPE, value, np.uint8) for value in (200, 100, 50))
    return np.dstack([red, green, blue])  # 0.299*200 + 0.587*100 + 0.114*50 = 124.2


def pillow(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(values: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def pixels(data: bytes, page: int = 0) -> np.ndarray:
    return decode_micrograph(data, "x", page).pixels


def test_eight_bit_png_and_bmp_are_kept(ramp8: np.ndarray) -> None:
    for kind in ("PNG", "BMP"):
        got = pixels(pillow(Image.fromarray(ramp8), kind))
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(got, ramp8)


def test_sixteen_bit_png_is_kept_grey_and_colour(ramp16: np.ndarray) -> None:
    np.testing.assert_array_equal(pixels(imagecodecs.png_encode(ramp16)), ramp16)
    assert pixels(imagecodecs.png_encode(ramp16)).dtype == np.uint16
    equal_channels = imagecodecs.png_encode(np.dstack([ramp16] * 3))
    np.testing.assert_array_equal(pixels(equal_channels), ramp16)  # Pillow alone would cut it to 8 bits


def test_jpeg_is_grey_within_its_losses(ramp8: np.ndarray) -> None:
    smooth = (ramp8 // 4 + 60).astype(np.uint8)
    got = pixels(pillow(Image.fromarray(np.sort(smooth)), "JPEG", quality=95))
    assert np.abs(got.astype(int) - np.sort(smooth)).max() < 8


def test_colour_becomes_luma_by_hand(colour: np.ndarray) -> None:
    for data in (
        pillow(Image.fromarray(colour), "PNG"),
        pillow(Image.fromarray(colour), "BMP"),
        tiff(colour, photometric="rgb"),
        tiff(np.moveaxis(colour, -1, 0), photometric="rgb", planarconfig="separate"),
    ):
        assert set(np.unique(pixels(data))) <= {124, 125} and pixels(data).shape == SHAPE
    assert pixels(tiff(colour.astype(np.float32), photometric="rgb"))[0, 0] == pytest.approx(124.2)
    assert pixels(tiff(colour.astype(np.uint16) * 257, photometric="rgb"))[0, 0] == 31919  # 124.2 * 257


def test_alpha_is_left_out(ramp8: np.ndarray) -> None:
    see_through = np.dstack([ramp8, ramp8, ramp8, 255 - ramp8])
    np.testing.assert_array_equal(pixels(pillow(Image.fromarray(see_through), "PNG")), ramp8)
    grey_alpha = Image.fromarray(np.dstack([ramp8, 255 - ramp8]), "LA")
    np.testing.assert_array_equal(pixels(pillow(grey_alpha, "PNG")), ramp8)
    for samples in (see_through, np.dstack([ramp8, 255 - ramp8])):
        kind = "rgb" if samples.shape[2] == 4 else "minisblack"
        data = tiff(samples, photometric=kind, extrasamples=["unassalpha"], planarconfig="contig")
        np.testing.assert_array_equal(pixels(data), ramp8)


def test_palette_png_shows_its_colours_not_its_indices() -> None:
    indices = (np.add.outer(np.arange(96), np.arange(160)) % 4).astype(np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette([v for grey in (5, 90, 170, 250) for v in (grey,) * 3])
    np.testing.assert_array_equal(pixels(pillow(image, "PNG")), np.array([5, 90, 170, 250])[indices])


def test_palette_tiff_shows_its_colours_but_imagej_luts_keep_the_values(ramp8: np.ndarray) -> None:
    inverse = np.stack([np.arange(255, -1, -1) * 257] * 3).astype(np.uint16)
    np.testing.assert_array_equal(pixels(tiff(ramp8, photometric="palette", colormap=inverse)), 255 - ramp8)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, ramp8, photometric="palette", colormap=inverse, description="ImageJ=1.54f\nimages=1\n")
    np.testing.assert_array_equal(pixels(buffer.getvalue()), ramp8)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd"])
@pytest.mark.parametrize("tile", [None, (32, 48)])
def test_tiff_compressions_and_tiles(ramp16: np.ndarray, compression: str | None, tile: tuple[int, int] | None) -> None:
    got = pixels(tiff(ramp16, compression=compression, tile=tile))
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, ramp16)


def test_big_endian_and_bigtiff(ramp16: np.ndarray) -> None:
    for options in ({"byteorder": ">"}, {"bigtiff": True}):
        got = pixels(tiff(ramp16, **options))
        assert got.dtype == np.uint16 and got.dtype.isnative
        np.testing.assert_array_equal(got, ramp16)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int16", "uint32", "float16"])
def test_other_tiff_types_become_float32_unscaled(dtype: str) -> None:
    values = np.add.outer(np.arange(96), np.arange(160)).astype(dtype)
    if values.dtype.kind != "u":
        values -= np.asarray(30, dtype)
    got = pixels(tiff(values))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, values.astype(np.float32))


def test_bilevel_becomes_black_and_white() -> None:
    checks = np.indices(SHAPE).sum(0) % 2 == 0
    bilevel = tiff(checks, photometric="minisblack")
    for data in (bilevel, pillow(Image.fromarray(checks), "PNG"), pillow(Image.fromarray(checks), "BMP")):
        np.testing.assert_array_equal(pixels(data), checks * np.uint8(255))


def test_white_is_zero_is_inverted(ramp8: np.ndarray, ramp16: np.ndarray) -> None:
    np.testing.assert_array_equal(pixels(tiff(ramp8, photometric="miniswhite")), 255 - ramp8)
    np.testing.assert_array_equal(pixels(tiff(ramp16, photometric="miniswhite")), 65535 - ramp16)
    checks = np.indices(SHAPE).sum(0) % 2 == 0
    np.testing.assert_array_equal(pixels(tiff(checks, photometric="miniswhite")), ~checks * np.uint8(255))
    signed = ramp16.astype(np.float32)
    np.testing.assert_array_equal(pixels(tiff(signed, photometric="miniswhite")), -signed)


def test_pages_are_counted_and_read_apart(tmp_path: Path, ramp16: np.ndarray) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack([ramp16, ramp16 + 1, ramp16 + 2]), photometric="minisblack")
    second = read_micrograph(path, 1)
    assert (second.page, second.pages, second.name, second.shape) == (1, 3, "stack.tif", SHAPE)
    np.testing.assert_array_equal(second.pixels, ramp16 + 1)
    for page in (3, -1):
        with pytest.raises(UnreadableImageError, match=rf"stack.tif: no page {page}, it has 3"):
            read_micrograph(path, page)


def test_thumbnails_are_no_pages(ramp8: np.ndarray) -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(ramp8[::4, ::4], subfiletype=1)
        writer.write(ramp8)
    micrograph = decode_micrograph(buffer.getvalue(), "x")
    assert micrograph.pages == 1
    np.testing.assert_array_equal(micrograph.pixels, ramp8)


def test_imagej_stack_with_one_header_gives_all_pages(ramp16: np.ndarray) -> None:
    stack = np.stack([ramp16, ramp16 + 7]).astype(">u2")
    description = "ImageJ=1.54f\nimages=2\nslices=2\n"
    one_page = tiff(stack[0].view(), byteorder=">", description=description, metadata=None)
    offset = tifffile.TiffFile(io.BytesIO(one_page)).pages[0].dataoffsets[0]
    data = one_page[: offset + stack[0].nbytes] + stack[1].tobytes()
    assert decode_micrograph(data, "x").pages == 2
    np.testing.assert_array_equal(pixels(data, 0), ramp16)
    np.testing.assert_array_equal(pixels(data, 1), ramp16 + 7)
    with pytest.raises(UnreadableImageError, match="truncated"):
        pixels(data[:-1], 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_browsers_do(orientation: int) -> None:
    grey = np.zeros(SHAPE, np.uint8)
    grey[:24, :40] = 250  # the top left corner of what the camera stored
    exif = Image.Exif()
    exif[274] = orientation
    data = pillow(Image.fromarray(grey), "JPEG", exif=exif, quality=95)
    shown = pixels(data)
    assert shown.shape == (SHAPE if orientation < 5 else SHAPE[::-1])
    row, column = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}[orientation]
    corners = shown[:: shown.shape[0] - 1, :: shown.shape[1] - 1] > 128
    assert corners[row, column] and corners.sum() == 1


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_huge_header_is_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(png_header(40_000, 40_000))
    monkeypatch.setattr(imagecodecs, "png_decode", lambda data: pytest.fail("decoded"))
    with pytest.raises(UnreadableImageError) as caught:
        read_micrograph(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message and "CURATE_MAX_MEGAPIXELS" in message
    assert "40000 x 40000" in message and "1600 megapixels" in message and "400 megapixels" in message


def test_huge_tiff_header_is_refused_before_decoding(ramp8: np.ndarray) -> None:
    data = bytearray(tiff(ramp8))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        for name in ("ImageWidth", "ImageLength"):
            at = file.pages[0].tags[name].valueoffset
            data[at : at + 4] = struct.pack("<I", 40_000)
    with pytest.raises(UnreadableImageError, match="40000 x 40000 pixels"):
        decode_micrograph(bytes(data), "x.tif")


def test_the_limit_counts_pixels(ramp8: np.ndarray) -> None:
    data = pillow(Image.fromarray(ramp8), "PNG")  # 15 360 pixels
    assert decode_micrograph(data, "x", max_megapixels=0.01536).shape == SHAPE
    with pytest.raises(UnreadableImageError, match="megapixels"):
        decode_micrograph(data, "x", max_megapixels=0.01535)


def damaged_kinds() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (24, 40), dtype=np.uint8)
    return {
        "png": pillow(Image.fromarray(noise), "PNG"),
        "jpg": pillow(Image.fromarray(noise), "JPEG"),
        "bmp": pillow(Image.fromarray(noise), "BMP"),
        "tif": tiff(noise),
        "lzw": tiff(noise, compression="lzw"),
        "tiles": tiff(noise, tile=(16, 16), compression="packbits"),
        "jpegtiff": tiff(noise, compression="jpeg"),
    }


@pytest.mark.parametrize("kind", damaged_kinds())
def test_every_truncation_is_refused_in_one_line(kind: str) -> None:
    data = damaged_kinds()[kind]
    assert decode_micrograph(data, kind).shape == (24, 40)
    cuts = {*range(0, len(data), 7), *range(len(data) - 40, len(data))}
    with tifffile.TiffFile(io.BytesIO(data)) if data[:2] == b"II" else io.BytesIO() as file:
        if isinstance(file, tifffile.TiffFile):  # cuts behind the last strip lose no pixel
            page = file.pages[0]
            end = max(a + n for a, n in zip(page.dataoffsets, page.databytecounts, strict=True))
            cuts = {cut for cut in cuts if cut < end}
    for cut in sorted(cuts):
        with pytest.raises(UnreadableImageError) as caught:
            decode_micrograph(data[:cut], f"{kind}-{cut}")
        assert f"{kind}-{cut}:" in str(caught.value) and "\n" not in str(caught.value)


def test_flipped_bytes_never_escape_as_another_error() -> None:
    rng = np.random.default_rng(1)
    for kind, data in damaged_kinds().items():
        for _ in range(60):
            broken = bytearray(data)
            broken[int(rng.integers(4, len(data)))] ^= int(rng.integers(1, 256))
            try:
                assert decode_micrograph(bytes(broken), kind, max_megapixels=1).pixels.ndim == 2
            except UnreadableImageError as error:
                assert str(error).startswith(f"{kind}:")


def png_chunk(kind: bytes, body: bytes, *, wrong: int = 0) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ wrong)


def test_chunks_without_pixels_are_left_out_and_damaged_ones_refused(
    ramp8: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    data = pillow(Image.fromarray(ramp8), "PNG")
    profile = png_chunk(b"iCCP", b"name\0\0" + zlib.compress(b"not a profile"))
    np.testing.assert_array_equal(pixels(data[:33] + profile + data[33:]), ramp8)
    end = len(data) - 12
    np.testing.assert_array_equal(pixels(data[:end] + png_chunk(b"tEXt", b"a\0b", wrong=1) + data[end:]), ramp8)
    at = data.index(b"IDAT")
    broken = data[: at + 40] + bytes([data[at + 40] ^ 1]) + data[at + 41 :]
    with pytest.raises(UnreadableImageError, match="checksum of its chunk IDAT"):
        pixels(broken)
    assert capfd.readouterr() == ("", "")


def test_damage_leaves_no_log_lines(ramp8: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(UnreadableImageError):
        decode_micrograph(tiff(ramp8)[:200], "x")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"", "empty"), (b"hello, not an image", "not a PNG"), (b"\xff\xd8\xffgarbage", "truncated")],
)
def test_no_image_says_so(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(data)
    with pytest.raises(UnreadableImageError, match=says) as caught:
        read_micrograph(path)
    assert str(path) in str(caught.value)


def test_nan_and_infinity_are_refused() -> None:
    for bad in (np.nan, np.inf):
        values = np.ones(SHAPE, np.float32)
        values[3, 5] = bad
        with pytest.raises(UnreadableImageError, match=r"x\.tif: holds NaN or infinite"):
            decode_micrograph(tiff(values), "x.tif")
    beyond_float32 = np.full(SHAPE, 1e300)
    with pytest.raises(UnreadableImageError, match="infinite"):
        decode_micrograph(tiff(beyond_float32), "x.tif")


def test_channels_that_are_no_colours_are_pages() -> None:
    spectrum = np.arange(7, dtype=np.uint8) * np.ones((96, 160, 1), np.uint8)
    for planar in ("contig", "separate"):
        stored = spectrum if planar == "contig" else np.moveaxis(spectrum, -1, 0)
        micrograph = decode_micrograph(tiff(stored, photometric="minisblack", planarconfig=planar), "x", 5)
        assert (micrograph.pages, micrograph.page_name) == (7, "channel 5")
        np.testing.assert_array_equal(micrograph.pixels, np.full(SHAPE, 5))
    assert decode_micrograph(tiff(np.moveaxis(spectrum, -1, 0)[:2], planarconfig="separate"), "x").pages == 2


def test_three_samples_that_call_themselves_grey_are_colours(colour: np.ndarray, ramp16: np.ndarray) -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(colour, photometric="minisblack", planarconfig="contig")
        writer.write(ramp16)
    assert decode_micrograph(buffer.getvalue(), "x").pages == 2
    assert set(np.unique(pixels(buffer.getvalue(), 0))) <= {124, 125}
    np.testing.assert_array_equal(pixels(buffer.getvalue(), 1), ramp16)


def test_a_colour_map_of_eight_bits_shows_the_same_picture(ramp8: np.ndarray) -> None:
    eight_bits = np.stack([np.arange(256)] * 3).astype(np.uint16)
    for colormap in (eight_bits, eight_bits * 257):
        np.testing.assert_array_equal(pixels(tiff(ramp8, photometric="palette", colormap=colormap)), ramp8)


def few_bits(values: np.ndarray, bits: int) -> bytes:
    """A grey TIFF of ``bits`` bits, most significant first, rows padded to bytes."""
    columns = ((values[..., None] >> np.arange(bits - 1, -1, -1)) & 1).reshape(len(values), -1).astype(np.uint8)
    packed = np.packbits(columns, axis=1)
    data = bytearray(tiff(packed, photometric="minisblack", rowsperstrip=len(values)))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        tags = file.pages[0].tags
        for name, value in (("ImageWidth", values.shape[1]), ("BitsPerSample", bits)):
            tag = tags[name]
            data[tag.valueoffset : tag.valueoffset + 2] = struct.pack("<H", value)
    return bytes(data)


@pytest.mark.parametrize(("bits", "factor"), [(2, 85), (4, 17)])
def test_grey_of_few_bits_fills_the_range(bits: int, factor: int) -> None:
    values = np.add.outer(np.arange(96), np.arange(160)) % (1 << bits)
    got = pixels(few_bits(values, bits))
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, values * factor)


def test_grey_of_twelve_bits_fills_the_range() -> None:
    values = np.add.outer(np.arange(96) * 40, np.arange(160)) % 4096
    got = pixels(few_bits(values, 12))
    assert got.dtype == np.uint16 and got[0, 1] == 16
    np.testing.assert_array_equal(got, (values * 65535 + 2047) // 4095)


def test_prints_in_cmyk_are_refused_in_one_line() -> None:
    cmyk = np.zeros((96, 160, 4), np.uint8)
    for data in (tiff(cmyk, photometric="separated"), pillow(Image.fromarray(cmyk, "CMYK"), "JPEG")):
        with pytest.raises(UnreadableImageError, match=r"x: .*CMYK.*convert it"):
            decode_micrograph(data, "x")
    with pytest.raises(UnreadableImageError, match="real number"):
        decode_micrograph(tiff(np.ones(SHAPE, np.complex64)), "x")


def test_the_preview_beside_olympus_data_is_no_page(ramp16: np.ndarray, colour: np.ndarray) -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(ramp16, extratags=[(33471, "s", 0, "[Camera]\r\nName=x\r\n", True)])
        writer.write(colour, compression="jpeg", photometric="rgb")
    micrograph = decode_micrograph(buffer.getvalue(), "x")
    assert micrograph.pages == 1
    np.testing.assert_array_equal(micrograph.pixels, ramp16)


def test_a_header_that_claims_far_more_than_there_is_does_not_fill_the_memory(ramp8: np.ndarray) -> None:
    data = bytearray(tiff(ramp8, compression="zlib"))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            tag = file.pages[0].tags[name]
            data[tag.valueoffset : tag.valueoffset + 4] = struct.pack("<I", 20_000)[: 4 if tag.dtype == 4 else 2].ljust(
                4, b"\0"
            )
    with pytest.raises(UnreadableImageError, match=r"claims 400000000 bytes"):
        decode_micrograph(bytes(data), "x.tif")


def test_path_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreadableImageError, match="a folder"):
        read_micrograph(tmp_path)
    with pytest.raises(UnreadableImageError, match=r"none\.png: no such file"):
        read_micrograph(tmp_path / "none.png")

    def refuse(self: Path, mode: str) -> None:
        raise error

    monkeypatch.setattr(Path, "open", refuse)
    error: OSError = PermissionError(13, "Permission denied")
    with pytest.raises(UnreadableImageError, match=r"x\.png: no permission"):
        read_micrograph(tmp_path / "x.png")
    error = OSError(5, "Input/output error")
    with pytest.raises(UnreadableImageError, match="Input/output error"):
        read_micrograph(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("values", "page", "says"),
    [
        (np.zeros((2, 3, 4), np.uint8), 0, "2-D"),
        (np.zeros((0, 3), np.uint8), 0, "non-empty"),
        (np.zeros((2, 3), np.int32), 0, "int32"),
        (np.array([[np.nan]], np.float32), 0, "finite"),
        (np.zeros((2, 3), np.uint8), 1, "page"),
    ],
)
def test_micrographs_check_themselves(values: np.ndarray, page: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Micrograph(values, Calibration(2.0), "x", page)


def test_find_images_walks_sorted_and_skips_what_is_no_micrograph(tmp_path: Path) -> None:
    names = [
        "b.png",
        "a.TIF",
        "sub/c.jpeg",
        ".hidden.png",
        ".cache/d.png",
        "notes.txt",
        "b.overlay.png",
        "b.phases.png",
        "b.morphology.png",
    ]
    for name in [
        *names,
        "b.instances.tif",
        "set/images/e.bmp",
        "set/masks/e.png",
        "set/instances/e.tif",
        "masks/f.png",
    ]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    found, problems = find_images([tmp_path / "notes.txt", tmp_path, tmp_path / "b.png"])
    expected = ["notes.txt", "a.TIF", "b.png", "masks/f.png", "set/images/e.bmp", "sub/c.jpeg"]
    assert [str(path.relative_to(tmp_path)) for path in found] == expected
    assert problems == []


def test_find_images_reports_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "a.png").touch()
    (tmp_path / "locked").mkdir()
    (tmp_path / "empty").mkdir()
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    paths = [tmp_path / name for name in ("missing", "locked", "empty", "good")]
    found, problems = find_images(paths)
    assert found == [tmp_path / "good" / "a.png"]
    assert [problem.split(":")[0] for problem in problems] == [str(path) for path in paths[:3]]
    assert "no such file" in problems[0] and "Permission denied" in problems[1] and "no images" in problems[2]


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.png").touch()
    (tmp_path / "walk").mkdir()
    (tmp_path / "walk" / "link").symlink_to(tmp_path / "data")
    (tmp_path / "walk" / "loop").symlink_to(tmp_path / "walk")
    assert find_images([tmp_path / "walk"]) == ([tmp_path / "walk" / "link" / "a.png"], [])
