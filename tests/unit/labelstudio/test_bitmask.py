import base64
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from matcurate.errors import AnnotationError
from matcurate.labelstudio.bitmask import PREFIX, decode_bitmask, encode_bitmask


def png(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return PREFIX + base64.b64encode(buffer.getvalue()).decode()


def bomb(width: int, height: int) -> str:
    """A PNG that declares a size and holds no pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return PREFIX + base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunk).decode()


@given(st.tuples(st.integers(1, 20), st.integers(1, 33)).flatmap(lambda shape: arrays(np.bool_, shape)))
@settings(max_examples=50, deadline=None)
def test_decoding_undoes_encoding(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_bitmask(encode_bitmask(mask), mask.shape), mask)


def test_written_as_the_page_draws_it_black_on_transparent() -> None:
    mask = np.array([[0, 255, 0], [0, 0, 7]], np.uint8)
    data = base64.b64decode(encode_bitmask(mask).removeprefix("data:image/png;base64,"))
    rgba = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
    assert rgba[:, :, 3].tolist() == [[0, 255, 0], [0, 0, 255]]
    assert not rgba[:, :, :3].any()


def test_alpha_decides_and_without_alpha_what_is_not_black() -> None:
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[0, 1] = (0, 0, 0, 1)  # a faint edge of a brush stroke
    rgba[1, 2] = (255, 0, 0, 0)
    assert decode_bitmask(png(Image.fromarray(rgba)), (2, 3)).tolist() == [[False, True, False], [False] * 3]
    grey = np.array([[0, 9, 0], [0, 0, 255]], np.uint8)
    assert decode_bitmask(png(Image.fromarray(grey)), (2, 3)).tolist() == (grey > 0).tolist()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://example.org/mask.png", "address"),
        (PREFIX + "%%%", "not a whole PNG"),
        (PREFIX + base64.b64encode(b"GIF89a").decode(), "not a whole PNG"),
        (encode_bitmask(np.ones((9, 5), bool)), "5 x 9 pixels, the image 9 x 5"),
        (encode_bitmask(np.random.default_rng(0).random((5, 9)) > 0.5)[:-40] + "AAAA", "not a whole PNG"),
        (bomb(60_000, 60_000), "not a whole PNG"),
        (bomb(9, 5), "not a whole PNG"),
        (PREFIX + "A" * 80_000, "too many"),
    ],
    ids=["address", "not base64", "gif", "transposed", "cut short", "bomb", "no pixels", "over-long"],
)
def test_damaged_or_foreign_bitmasks_are_refused(url: str, reason: str) -> None:
    with pytest.raises(AnnotationError, match=reason):
        decode_bitmask(url, (5, 9))
