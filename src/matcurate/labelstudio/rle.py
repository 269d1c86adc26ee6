"""Label Studio's brush run-length code (thi.ng ``rle-pack``), vectorised.

A stream of bits, most significant first: the number of words (32 bits), the word size minus one (5), four
length sizes minus one (4 each), then records. A record is one bit (1: a run, 0: literal words), the index of
a length size (2), the length minus one, and the word (a run) or the words (literals). Label Studio codes a
mask as flat RGBA bytes, four equal words per pixel; the fourth, alpha, decides.

References
----------
https://github.com/thi-ng/umbrella/blob/develop/packages/rle-pack/src/index.ts
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from matcurate.errors import AnnotationError
from matcurate.types import BoolMask

RleStream = Sequence[int] | bytes
Ints = NDArray[np.int64]

REDRAW = "draw the region again"
CHANNELS = 4
HEADER_BITS = 32 + 5 + 4 * 4
WORD_BITS = 8
LENGTH_BITS = np.array([3, 4, 8, 16], dtype=np.int64)
LONGEST_RUN = 1 << 16
MOST_BITS_PER_WORD = 3 + 16 + 32
STRETCH_BITS = 1 << 16
"""Bits decoded at a time: bounds the memory, and stays in the processor's cache."""
DOUBLINGS = 4
"""The chain of records is walked 2**4 records at a time."""


def encode_rle(mask: NDArray[np.bool_] | NDArray[np.uint8]) -> list[int]:
    """Code a mask as Label Studio's brush RLE, bit for bit as ``label_studio_sdk`` does.

    Parameters
    ----------
    mask : bool or uint8 array (H, W)
        Non-zero pixels are painted with alpha 255.

    Returns
    -------
    list of int
        Bytes 0..255.

    Raises
    ------
    ValueError
        When the mask is empty, not two-dimensional, or over 2**30 pixels (the format counts with 32 bits).
    """
    if mask.ndim != 2 or not 0 < mask.size < 1 << 30:
        raise ValueError(f"mask must have shape (H, W) and 1 to 2**30 pixels, got {mask.shape}")
    flat = np.ascontiguousarray(mask, dtype=np.bool_).ravel()
    last = np.append(np.flatnonzero(flat[1:] != flat[:-1]), flat.size - 1)
    lengths, values = _split_long(CHANNELS * np.diff(last, prepend=-1), flat[last])
    kind = np.digitize(lengths, [9, 17, 257])
    length_bits = LENGTH_BITS[kind]
    head = (4 | kind) << length_bits | (lengths - 1)
    codes = np.concatenate([_header_codes(CHANNELS * flat.size), head << WORD_BITS | values * 255])
    sizes = np.concatenate([[32, HEADER_BITS - 32], 3 + length_bits + WORD_BITS])
    packed: list[int] = _pack(codes, sizes).tolist()
    return packed


def decode_rle(rle: RleStream, shape: tuple[int, int]) -> BoolMask:
    """Decode Label Studio's brush RLE.

    Every pixel with alpha > 0 belongs to the mask, as in the page: the browser's brush leaves grey,
    anti-aliased edges, and Label Studio colours all of them when it shows the region again.

    Parameters
    ----------
    rle : sequence of int or bytes
        As written by the SDK or by the browser: any word size (1 to 32) and any length sizes.
    shape : (H, W)
        Size of the micrograph.

    Returns
    -------
    bool array (H, W)

    Raises
    ------
    AnnotationError
        When the stream is damaged, cut short, or declares another number of pixels than H x W.
    """
    stream = _Stream.open(rle, CHANNELS * shape[0] * shape[1])
    ends, painted = _runs(stream, stream.chain())
    # words 3, 7, 11 … are alpha: e // 4 of them lie before word e
    return np.repeat(painted, np.diff(ends // CHANNELS, prepend=0)).reshape(shape)


def _header_codes(words: int) -> Ints:
    sizes = 0
    for bits in LENGTH_BITS.tolist():
        sizes = sizes << 4 | bits - 1
    return np.array([words, (WORD_BITS - 1) << 16 | sizes], dtype=np.int64)


def _split_long(lengths: Ints, values: BoolMask) -> tuple[Ints, BoolMask]:
    """Split runs over 65536 into as many of 65536 as fit and a rest of 1 to 65536."""
    if lengths.max() <= LONGEST_RUN:
        return lengths, values
    pieces = (lengths + LONGEST_RUN - 1) // LONGEST_RUN
    split = np.full(pieces.sum(), LONGEST_RUN, dtype=np.int64)
    split[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * LONGEST_RUN
    return split, np.repeat(values, pieces)


def _pack(codes: Ints, sizes: Ints) -> NDArray[np.uint8]:
    """Write ``codes`` of ``sizes`` (1..32) bits one after the other; 1 to 8 zero bits end the stream."""
    ends = np.cumsum(sizes)
    starts = ends - sizes
    word = starts >> 5
    placed = codes.astype(np.uint64) << (64 - (starts & 31) - sizes).astype(np.uint64)
    count = int(ends[-1] // 32 + 2)
    # the bits of codes that share a word are disjoint: their sum, exact in float64, is their union
    words = np.bincount(word, weights=placed >> np.uint64(32), minlength=count)
    words += np.bincount(word + 1, weights=placed & np.uint64(0xFFFFFFFF), minlength=count)
    return words.astype(">u4").view(np.uint8)[: int(ends[-1] // 8 + 1)]


@dataclass(frozen=True, slots=True, eq=False)
class _Stream:
    """A stream whose header has been read."""

    windows: NDArray[np.integer]
    """(bytes,) big-endian 32 bits from every byte on."""
    bits: int
    words: int
    word_bits: int
    length_bits: Ints

    @classmethod
    def open(cls, rle: RleStream, words: int) -> _Stream:
        try:
            # bytes(1 << 40) would ask for a terabyte
            data = bytes(rle if isinstance(rle, list | tuple | bytes) else iter(rle))
        except (TypeError, ValueError) as error:
            raise AnnotationError(
                "the brush RLE holds something else than bytes 0..255; draw the region again"
            ) from error
        if not HEADER_BITS < 8 * len(data) <= HEADER_BITS + 8 + MOST_BITS_PER_WORD * words:
            raise AnnotationError(f"the brush RLE has {len(data)} bytes, too few or too many; {REDRAW}")
        header = int.from_bytes(data[:7], "big") >> (56 - HEADER_BITS)
        declared = header >> (HEADER_BITS - 32)
        if declared != words:
            raise AnnotationError(
                f"the brush RLE holds {declared / CHANNELS:g} pixels, the image {words // CHANNELS}; {REDRAW}"
            )
        padded = np.frombuffer(data + bytes(8), dtype=np.uint8).astype(np.uint32)
        windows = padded[:-3] << 24 | padded[1:-2] << 16 | padded[2:-1] << 8 | padded[3:]
        sizes = np.array([(header >> shift & 15) + 1 for shift in (12, 8, 4, 0)], dtype=np.int64)
        return cls(windows, 8 * len(data), words, (header >> 16 & 31) + 1, sizes)

    def read(self, position: Ints, bits: int) -> Ints:
        """Read ``bits`` (1..25) at every position; beyond the end there are zeros."""
        shift = (32 - bits - (position & 7)).astype(np.uint32)
        found: Ints = ((self.windows[position >> 3] >> shift) & np.uint32((1 << bits) - 1)).astype(np.int64)
        return found

    def is_set(self, position: Ints) -> BoolMask:
        """Whether the word at every position is not zero."""
        first = min(self.word_bits, 16)
        found: BoolMask = self.read(position, first) != 0
        if self.word_bits > first:
            found |= self.read(position + first, self.word_bits - first) != 0
        return found

    def chain(self) -> Ints:
        """Positions of all records in order, padding at the end included.

        A record's place follows from the one before it. So, stretch by stretch: look up how far a record
        would reach from *every* bit, square that map until one hop spans 2**DOUBLINGS records, hop along, and
        fill in the records between by the shorter hops.
        """
        reach = _reach_table(tuple(self.length_bits.tolist()), self.word_bits)
        stretches: list[Ints] = []
        position = HEADER_BITS
        while position < self.bits:
            origin = position & ~7
            window = self.windows[origin >> 3 : min((origin + STRETCH_BITS) >> 3, self.bits >> 3), None]
            jumps = reach.take((window << np.arange(8, dtype=np.uint32)) >> np.uint32(13)).ravel()
            records = _follow(jumps, position - origin)
            stretches.append(records + origin)
            position = origin + int(records[-1]) + int(jumps[records[-1]])
        return np.concatenate(stretches)


@lru_cache(maxsize=8)
def _reach_table(length_bits: tuple[int, ...], word_bits: int) -> NDArray[np.int32]:
    """Bits a record takes, for every value of its first 19 bits: (2**19,)."""
    head = np.arange(1 << 19)
    size = np.array(length_bits)[head >> 16 & 3]
    length = ((head & 0xFFFF) >> (16 - size)) + 1
    reach: NDArray[np.int32] = (3 + size + word_bits * np.where(head >> 18, 1, length)).astype(np.int32)
    return reach


def _follow(jumps: NDArray[np.int32], start: int) -> Ints:
    """Every place visited from ``start`` on by ``place += jumps[place]``, up to the end of ``jumps``."""
    end = len(jumps)
    hop = np.minimum(np.arange(end) + jumps, end)
    hops = [np.append(hop, end)]
    for _ in range(DOUBLINGS):
        hops.append(hops[-1].take(hops[-1]))
    anchors = []
    place = start
    while place < end:
        anchors.append(place)
        place = int(hops[-1][place])
    places = np.array(anchors, dtype=np.int64)
    for hop in reversed(hops[:-1]):
        places = np.stack([places, hop[places]], axis=1).ravel()
    return places[places < end]


def _runs(stream: _Stream, records: Ints) -> tuple[Ints, BoolMask]:
    """Ends (in words, increasing, the last is all words) of runs, and whether their word is non-zero."""
    head = stream.read(records, 19)
    is_run = head >= 1 << 18
    size = stream.length_bits[head >> 16 & 3]
    length = ((head & 0xFFFF) >> (16 - size)) + 1
    ends = np.cumsum(length)
    count = int(np.searchsorted(ends, stream.words)) + 1
    if count > len(ends):
        raise AnnotationError(f"the brush RLE is cut short; {REDRAW}")
    is_run, length, ends = is_run[:count], length[:count], ends[:count]
    length[-1] -= ends[-1] - stream.words
    ends[-1] = stream.words
    first = records[:count] + 3 + size[:count]
    if first[-1] + stream.word_bits * (1 if is_run[-1] else int(length[-1])) > stream.bits:
        raise AnnotationError(f"the brush RLE is cut short; {REDRAW}")
    if is_run.all():
        return ends, stream.is_set(first)
    pieces = np.where(is_run, 1, length)
    index = np.repeat(np.arange(count), pieces)
    nth = np.arange(len(index)) - (np.cumsum(pieces) - pieces)[index]
    steps = np.where(is_run, length, 1)[index]
    return np.cumsum(steps), stream.is_set(first[index] + stream.word_bits * nth)
