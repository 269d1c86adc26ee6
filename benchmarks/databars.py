"""Data bars that are found, and alarms where there is none.

    python benchmarks/databars.py FOLDER... [--segment N]

Of every image in the folders: what is taken for a data bar, a border or a scale bar (an alarm, where the image has
none). Then each generated layout is added to every image without one, plain, as 16 bit, as JPEG and reduced: rows count
as found within 2 pixels. With ``--segment`` the phase fraction of the first N images is compared with that of the same
with a bar.
"""

import argparse
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from matcurate.config import load_settings
from matcurate.imaging.ignored import find_ignored, frame_within
from matcurate.imaging.proxy import to_uint8
from matcurate.imaging.read import find_images, read_micrograph
from matcurate.imaging.synth.databars import LAYOUTS, BarLayout, with_databar
from matcurate.segmentation.build import build_segmenter
from matcurate.types import Pixels

NM_PER_PX = 10.0
CLOSE = 2.0
"""Pixels by which rows may be off."""
REDUCED = 0.6


def jpeg(pixels: Pixels) -> Pixels:
    """The image after JPEG of quality 85."""
    buffer = io.BytesIO()
    Image.fromarray(to_uint8(pixels)).save(buffer, "JPEG", quality=85)
    return np.asarray(Image.open(buffer))


def reduced(pixels: Pixels) -> Pixels:
    """The image at 0.6 of its size."""
    image = Image.fromarray(to_uint8(pixels))
    size = round(image.width * REDUCED), round(image.height * REDUCED)
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


@dataclass(frozen=True, slots=True)
class Kind:
    """A way of storing an image: its depth before the bar is added, and what is done to it then."""

    name: str
    depth: Callable[[Pixels], Pixels]
    stored: Callable[[Pixels], Pixels]
    scale: float = 1.0


KINDS = (
    Kind("plain", lambda pixels: pixels, lambda pixels: pixels),
    Kind("16 bit", lambda pixels: pixels.astype(np.uint16) * 16, lambda pixels: pixels),
    Kind("JPEG 85", lambda pixels: pixels, jpeg),
    Kind("reduced", lambda pixels: pixels, reduced, REDUCED),
)


def is_found(pixels: Pixels, layout: BarLayout, kind: Kind) -> bool:
    """Whether the rows of a bar that was added to an image are found."""
    barred = with_databar(kind.depth(pixels), layout, NM_PER_PX)
    stored = kind.stored(barred.pixels)
    frame = frame_within(find_ignored(stored), stored.shape)
    off = abs(frame.top - kind.scale * barred.top), abs(frame.bottom - kind.scale * barred.bottom)
    return max(off) <= CLOSE


def main() -> None:
    """Print the alarms, and the share of found bars for each layout."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--segment", type=int, default=0, help="images whose phase fraction is compared")
    parser.add_argument("--every", type=int, default=1, help="add bars to each such image only")
    chosen = parser.parse_args()
    files, _ = find_images(chosen.folders)
    clean, bars, marks = [], 0, 0
    for file in files:
        pixels = to_uint8(read_micrograph(file).pixels)
        ignored = find_ignored(pixels)
        if ignored is None:
            clean.append((file.stem, pixels))
            continue
        frame = frame_within(ignored, pixels.shape)
        whole = (frame.top, frame.left) == (0, 0) and (frame.bottom, frame.right) == pixels.shape
        bars, marks = bars + (not whole), marks + whole
        beside = frame.top, pixels.shape[0] - frame.bottom, frame.left, pixels.shape[1] - frame.right
        print(f"{file.stem}: rows above {beside[0]}, below {beside[1]}, columns left {beside[2]}, right {beside[3]}")
    print(f"{len(files)} images: data bar or border on {bars}, scale bar alone on {marks}, nothing on {len(clean)}")
    print("layout", *(kind.name for kind in KINDS), sep="\t")
    some = clean[:: chosen.every]
    for layout in LAYOUTS:
        counts = [sum(is_found(pixels, layout, kind) for _, pixels in some) for kind in KINDS]
        print(layout.name, *(f"{count}/{len(some)}" for count in counts), sep="\t")
    segmenter = build_segmenter(load_settings(), "phases", "builtin")
    for name, pixels in clean[: chosen.segment]:
        plain = segmenter.segment(pixels).phase_fractions.get(1, 0.0)
        worst = 0.0
        for layout in LAYOUTS:
            barred = with_databar(pixels, layout, NM_PER_PX).pixels
            found = segmenter.segment(barred, ignored=find_ignored(barred))
            worst = max(worst, abs(found.phase_fractions.get(1, 0.0) - plain))
        print(f"{name}: phase fraction {plain:.4f}, largest difference with a bar {worst:.4f}")


if __name__ == "__main__":
    main()
