"""Draw what each rule of the booster does, as in docs/methods/boost.md.

python benchmarks/boost_figure.py --out docs/images/boost.jpg
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from matcurate.config import load_preset
from matcurate.imaging import SyntheticMicrograph, ambiguous_masks, stem_layers
from matcurate.imaging.overlay import PHASE_COLOURS, outlines
from matcurate.promptable.builtin.shipped import shipped
from matcurate.segmentation.boost.booster import Boosted, Booster
from matcurate.segmentation.boost.removal import Rule
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.types import BoolMask

SIZE = (288, 384)
MATERIALS = 3
SCENES = (("nuisance masks", 18), ("MatSAM on the built-in network", 12))
"""Where the raw masks of each row come from, and the seed of its picture."""
STAYS = "stays"
FATES: dict[str, str] = dict(
    zip((STAYS, *get_args(Rule)), ("#FFFFFF", "#E69F00", "#56B4E9", "#CC79A7", "#F0E442", "#D55E00"), strict=True)
)
TINT = 0.35
TEXT = 22
"""Height in pixels of a line of text."""
Picture = NDArray[np.uint8]


def row(source: str, seed: int) -> Picture:
    """Raw masks by what became of them, masks that stay by their vote, and materials, (h, 3 w, 3)."""
    drawn = stem_layers(SIZE, MATERIALS, np.random.default_rng(seed))
    raw = ambiguous_masks(drawn.instances, np.random.default_rng(seed))
    if source != SCENES[0][0]:
        raw = MatSam(shipped("cpu"), load_preset("layers", MatSamPreset, "presets")).propose(drawn.pixels)
    found = Booster().boost(drawn.pixels, raw, MATERIALS, rng=np.random.default_rng(0))
    panels = (fates(drawn, found), votes(drawn, found), materials(drawn, found))
    titles = (
        f"{source}: {len(raw)}",
        f"masks that stay, by their vote: {len(found.kept)}",
        "materials; truth in white",
    )
    return np.vstack(
        [np.hstack([titled(each, text) for each, text in zip(panels, titles, strict=True)]), legend(found)]
    )


def fates(drawn: SyntheticMicrograph, found: Boosted) -> Picture:
    """Every raw mask in the colour of the rule that removed it; small ones on top."""
    ends = [(mask, STAYS) for mask in found.kept] + [(each.candidate, each.rule) for each in found.removed]
    picture = grey(drawn)
    for mask, fate in sorted(ends, key=lambda end: -end[0].area):
        draw(picture, mask.paint(SIZE), rgb(FATES[fate]), 0.0 if fate == STAYS else TINT)
    return picture


def votes(drawn: SyntheticMicrograph, found: Boosted) -> Picture:
    """Masks that stay in the colour of the material that their crops voted for."""
    picture = grey(drawn)
    for mask, number in zip(found.kept, found.voted, strict=True):
        draw(picture, mask.paint(SIZE), rgb(PHASE_COLOURS[number - 1] if number else FATES[STAYS]), TINT)
    return picture


def materials(drawn: SyntheticMicrograph, found: Boosted) -> Picture:
    """What comes of it, with the outlines of the true materials."""
    picture = grey(drawn)
    for number in range(1, found.materials + 1):
        tint(picture, found.phases == number, rgb(PHASE_COLOURS[number - 1]), TINT)
    picture[outlines(drawn.phases)] = 255
    return picture


def legend(found: Boosted) -> Picture:
    """Rules in their colours, with the number of masks."""
    strip = np.zeros((TEXT, 3 * SIZE[1], 3), dtype=np.uint8)
    counts = Counter({STAYS: len(found.kept)}) + Counter(each.rule for each in found.removed)
    for place, (fate, colour) in enumerate(FATES.items()):
        write(strip, f"{fate}: {counts[fate]}", (6 + place * strip.shape[1] // len(FATES), 15), rgb(colour))
    return strip


def grey(drawn: SyntheticMicrograph) -> Picture:
    """Dimmed grey picture (H, W, 3), for colours to be seen on."""
    return np.repeat((0.8 * drawn.pixels.astype(np.float32)).astype(np.uint8)[..., None], 3, axis=2)


def draw(picture: Picture, mask: BoolMask, colour: tuple[int, ...], share: float) -> None:
    """Tint a region and outline it."""
    tint(picture, mask, colour, share)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, colour, 2)


def tint(picture: Picture, mask: BoolMask, colour: tuple[int, ...], share: float) -> None:
    """Mix a colour into a region."""
    picture[mask] = np.rint((1 - share) * picture[mask] + share * np.array(colour)).astype(np.uint8)


def titled(picture: Picture, text: str) -> Picture:
    """Picture under a line of text."""
    strip = np.zeros((TEXT, picture.shape[1], 3), dtype=np.uint8)
    write(strip, text, (6, 15), rgb(FATES[STAYS]))
    return np.vstack([strip, picture])


def write(picture: Picture, text: str, at: tuple[int, int], colour: tuple[int, ...]) -> None:
    """Write at (x, y) in pixels."""
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)


def rgb(colour: str) -> tuple[int, ...]:
    """Levels of ``#RRGGBB``."""
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    sheet = np.vstack([row(source, seed) for source, seed in SCENES])
    cv2.imwrite(str(parser.parse_args(arguments).out), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()
