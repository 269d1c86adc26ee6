from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from label_studio_sdk.converter import brush

from matcurate.errors import AnnotationError
from matcurate.labelstudio import decode_rle, encode_rle
from matcurate.labelstudio import rle as codec

SIDES = st.tuples(st.integers(1, 40), st.integers(1, 60))
MASKS = SIDES.flatmap(lambda shape: arrays(np.bool_, shape))


def bits(*parts: tuple[int, int]) -> list[int]:
    """Pack (value, number of bits) pairs the slow way."""
    text = "".join(f"{value:0{width}b}" for value, width in parts)
    text += "0" * (-len(text) % 8)
    return [int(text[i : i + 8], 2) for i in range(0, len(text), 8)]


def header(words: int, word_bits: int = 8, sizes: tuple[int, ...] = (3, 4, 8, 16)) -> list[tuple[int, int]]:
    return [(words, 32), (word_bits - 1, 5), *((size - 1, 4) for size in sizes)]


def browser(words: list[int], word_bits: int = 8, sizes: tuple[int, ...] = (3, 4, 8, 16)) -> list[int]:
    """thi.ng/rle-pack's encode(), as the page runs it: runs, and literal chunks where neighbours differ."""
    parts = header(len(words), word_bits, sizes)
    starts = [0, *(i for i in range(1, len(words)) if words[i] != words[i - 1]), len(words)]
    chunk: list[int] = []

    def size_of(length: int) -> tuple[int, int]:
        kind = next(k for k in range(4) if length - 1 < 1 << sizes[k])
        return kind, sizes[kind]

    def flush() -> None:
        if chunk:
            kind, size = size_of(len(chunk))
            parts.extend([(0, 1), (kind, 2), (len(chunk) - 1, size), *((word, word_bits) for word in chunk)])
            chunk.clear()

    for start, stop in pairwise(starts):
        if stop - start == 1 and len(chunk) < 1 << sizes[3]:
            chunk.append(words[start])
            continue
        flush()
        for first in range(start, stop, 1 << sizes[3]):
            length = min(1 << sizes[3], stop - first)
            kind, size = size_of(length)
            parts.extend([(1, 1), (kind, 2), (length - 1, size), (words[start], word_bits)])
    flush()
    return bits(*parts)


def test_a_small_mask_worked_out_by_hand() -> None:
    # one row of three pixels, the middle one painted: 12 words = 4 x 0, 4 x 255, 4 x 0
    mask = np.array([[False, True, False]])
    run = [(1, 1), (0, 2), (3, 3)]
    expected = bits(*header(12), *run, (0, 8), *run, (255, 8), *run, (0, 8))
    # 53 + 3 x 14 = 95 bits; one zero bit fills the twelfth byte
    assert encode_rle(mask) == expected
    assert len(expected) == 12
    np.testing.assert_array_equal(decode_rle(expected, (1, 3)), mask)


@given(MASKS)
@settings(max_examples=150, deadline=None)
def test_encoding_is_the_sdks_bit_for_bit(mask: np.ndarray) -> None:
    assert encode_rle(mask) == brush.mask2rle(mask.astype(np.uint8) * 255)


@given(MASKS)
@settings(max_examples=100, deadline=None)
def test_decoding_is_the_sdks_and_undoes_encoding(mask: np.ndarray) -> None:
    stream = encode_rle(mask)
    alpha = brush.decode_rle(stream).reshape(*mask.shape, 4)[:, :, 3]
    np.testing.assert_array_equal(alpha, mask * 255)
    np.testing.assert_array_equal(decode_rle(stream, mask.shape), mask)


@given(SIDES.flatmap(lambda shape: arrays(np.uint8, (*shape, 4), elements=st.sampled_from([0, 0, 0, 3, 100, 255]))))
@settings(max_examples=100, deadline=None)
def test_colours_and_grey_edges_decode_to_alpha_above_zero(rgba: np.ndarray) -> None:
    expected = rgba[:, :, 3] > 0
    words = rgba.ravel().tolist()
    np.testing.assert_array_equal(decode_rle(brush.encode_rle(rgba.ravel()), rgba.shape[:2]), expected)
    np.testing.assert_array_equal(decode_rle(browser(words), rgba.shape[:2]), expected)


@pytest.mark.parametrize(
    ("word_bits", "sizes"), [(1, (1, 2, 3, 4)), (8, (16, 1, 5, 7)), (20, (3, 4, 8, 16)), (32, (2, 3, 4, 5))]
)
def test_other_word_and_length_sizes(word_bits: int, sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(7)
    words = rng.choice([0, 0, 0, 1, (1 << word_bits) - 1, 1 << (word_bits - 1)], size=(6, 11, 4))
    words[2:4] = 1
    # length sizes must grow for the reference writer to find the smallest; any order is legal in the stream
    stream = browser(words.ravel().tolist(), word_bits, tuple(sizes))
    np.testing.assert_array_equal(decode_rle(stream, (6, 11)), words[:, :, 3] > 0)


@pytest.mark.parametrize("shape", [(1, 1), (128, 512), (129, 509), (1, 70001)])
@pytest.mark.parametrize("value", [False, True])
def test_runs_longer_than_one_record(shape: tuple[int, int], value: bool) -> None:
    mask = np.full(shape, value)
    stream = encode_rle(mask)
    assert stream == brush.mask2rle(mask.astype(np.uint8) * 255)
    np.testing.assert_array_equal(decode_rle(stream, shape), mask)


@pytest.mark.parametrize("period", [1, 2, 3, 7, 64])
def test_stripes_over_several_stretches(period: int) -> None:
    # regular patterns give periodic streams; over 65536 bits they are decoded in several stretches
    mask = (np.arange(160) // period % 2 == 0)[None, :].repeat(300, axis=0)
    stream = encode_rle(mask)
    if period == 1:
        assert 8 * len(stream) > 3 * codec.STRETCH_BITS
    np.testing.assert_array_equal(decode_rle(stream, mask.shape), mask)


def test_bytes_and_uint8_masks_are_taken_too() -> None:
    mask = np.zeros((4, 9), np.uint8)
    mask[1, 2:5] = [1, 128, 255]
    stream = encode_rle(mask)
    assert stream == encode_rle(mask > 0)
    np.testing.assert_array_equal(decode_rle(bytes(stream), (4, 9)), mask > 0)


def test_a_transposed_size_with_the_same_pixels_is_a_matter_of_the_region() -> None:
    mask = np.zeros((2, 3), bool)
    mask[0, 2] = True
    turned = decode_rle(encode_rle(mask), (3, 2))
    assert turned.tolist() == [[False, False], [True, False], [False, False]]


@pytest.mark.parametrize("shape", [(0, 4), (3,), (2, 2, 2)])
def test_masks_without_pixels_or_rows_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        encode_rle(np.zeros(shape, bool))


def hostile() -> list[tuple[str, object, str]]:
    good = encode_rle(np.eye(6, 9, dtype=bool))
    return [
        ("empty", [], "0 bytes"),
        ("header only", good[:6], "6 bytes"),
        ("cut short", good[:-4], "cut short"),
        ("cut in the last word", good[: len(good) - 2], "cut short"),
        ("huge declared length", bits(*header(2**32 - 1), (1, 1), (3, 2), (65535, 16), (255, 8)), "pixels"),
        ("another image's", encode_rle(np.ones((6, 8), bool)), "48 pixels, the image 54"),
        ("literals to nowhere", bits(*header(216), (0, 1), (3, 2), (65535, 16), (255, 8)), "cut short"),
        ("endless padding", [*good, *[0] * 10_000], "bytes"),
        ("no bytes", [0, 1, 256, *good], "bytes 0..255"),
        ("negative", [-1, *good], "bytes 0..255"),
        ("floats", [0.5] * 20, "bytes 0..255"),
        ("text", "abc", "bytes 0..255"),
        ("none", None, "bytes 0..255"),
        ("a number asking for memory", 1 << 40, "bytes 0..255"),
    ]


@pytest.mark.parametrize(("stream", "reason"), [case[1:] for case in hostile()], ids=[case[0] for case in hostile()])
def test_damaged_streams_are_refused_with_a_reason(stream: object, reason: str) -> None:
    with pytest.raises(AnnotationError, match=reason):
        decode_rle(stream, (6, 9))  # type: ignore[arg-type]


@given(st.binary(max_size=60), SIDES)
@settings(max_examples=200, deadline=None)
def test_any_bytes_decode_or_are_refused(noise: bytes, shape: tuple[int, int]) -> None:
    stream = (4 * shape[0] * shape[1]).to_bytes(4, "big") + noise
    try:
        mask = decode_rle(stream, shape)
    except AnnotationError:
        return
    assert mask.shape == shape
