"""Data bars as microscopes write them: text, scale bar and logo on a flat ground, above or below the micrograph."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from matcurate.imaging.changes.change import as_depth
from matcurate.imaging.proxy import to_float
from matcurate.types import Pixels

Scale = Literal["line", "split", "ends", "ticks", "block"]
NICE = (1, 2, 5)
MICRO = "um"
"""As many microscopes write it; Pillow's own typeface has no Greek."""


@dataclass(frozen=True, slots=True)
class BarLayout:
    """How the data bar of one microscope looks: grey levels of ground and text (of 255), lines of text, scale bar.

    ``scale`` is a thin line, one with its length in its middle, one with ends, eleven ticks, or a thick block;
    ``share`` the rows of the bar over those of the micrograph; ``top`` puts it above. ``cells``, ``framed`` and
    ``ruled`` draw lines between the entries, around the bar, and between bar and micrograph. ``logo`` is a name in a
    box of the inverse colours.
    """

    name: str
    paper: int
    ink: int
    words: tuple[tuple[str, ...], ...]
    scale: Scale = "line"
    share: float = 0.07
    top: bool = False
    cells: bool = False
    framed: bool = False
    ruled: bool = False
    logo: str = ""


FEI = (("HV", "mag", "WD", "det", "spot", "HFW"), ("15.00 kV", "10 000 x", "9.8 mm", "ETD", "3.0", "29.8 " + MICRO))
ZEISS = (
    ("EHT =  5.00 kV", "Signal A = InLens", "Date :13 Dec 2017"),
    ("WD =  4.0 mm", "Mag =  8.02 K X", "Time :12:38:57"),
)
JEOL = (("SEI", "15.0kV", "X25,000", "WD 8.1mm"),)
HITACHI = (("SU8010 10.0kV 8.4mm x100k SE(U) 7/10/2018",),)
TESCAN = (
    ("SEM HV: 20.0 kV", "WD: 9.96 mm", "MIRA3 TESCAN"),
    ("View field: 41.5 " + MICRO, "Det: SE"),
    ("SEM MAG: 5.00 kx", "Date(m/d/y): 05/21/15"),
)
PLAIN = (("20 kV", "x 5,000", "BSE", "2021-03-04"),)

LAYOUTS: tuple[BarLayout, ...] = (
    BarLayout("fei", 0, 255, FEI, "split", share=0.075, cells=True, framed=True),
    BarLayout("zeiss", 255, 0, ZEISS, "ends", share=0.09, logo="ZEISS"),
    BarLayout("jeol", 0, 255, JEOL, "block", share=0.067),
    BarLayout("hitachi", 0, 255, HITACHI, "ticks", share=0.065),
    BarLayout("tescan", 40, 255, TESCAN, "ends", share=0.12, cells=True, ruled=True),
    BarLayout("black", 0, 255, PLAIN, share=0.05),
    BarLayout("white", 255, 0, PLAIN, "block", share=0.06),
    BarLayout("grey", 150, 10, PLAIN, "ends", share=0.08, ruled=True),
    BarLayout("fei_top", 255, 0, FEI, "split", share=0.075, top=True, cells=True, framed=True),
    BarLayout("black_top", 0, 255, PLAIN, "block", share=0.055, top=True),
    BarLayout("white_top", 255, 0, ZEISS, "ends", share=0.08, top=True, ruled=True),
    BarLayout("grey_top", 110, 255, HITACHI, "ticks", share=0.07, top=True),
)
"""Eight below and four above the micrograph."""


@dataclass(frozen=True, slots=True, eq=False)
class BarredMicrograph:
    """A micrograph with a data bar, (H, W), and the length of the scale bar in pixels and as printed.

    ``top`` and ``bottom`` are the first row of the micrograph and the one after its last.
    """

    pixels: Pixels
    top: int
    bottom: int
    length_px: float
    length_nm: float


def with_databar(pixels: Pixels, layout: BarLayout, nm_per_px: float) -> BarredMicrograph:
    """Add a data bar to a micrograph (H, W); its own pixels stay as they are, stretched in depth as models see them."""
    height, width = pixels.shape
    rows = max(16, round(layout.share * height))
    length_nm = _nice_length(0.2 * width * nm_per_px)
    length_px = round(length_nm / nm_per_px)
    bar = as_depth(_drawn(layout, rows, width, length_px, length_nm), pixels.dtype)
    image = as_depth(to_float(pixels), pixels.dtype)
    parts = [bar, image] if layout.top else [image, bar]
    top = rows if layout.top else 0
    return BarredMicrograph(np.concatenate(parts), top, top + height, length_px, length_nm)


def _nice_length(longest: float) -> float:
    """Longest length of 1, 2 or 5 times a power of ten that is no longer than this, in nm."""
    power = 10.0 ** np.floor(np.log10(longest))
    return float(max(step * power for step in NICE if step * power <= longest))


def length_text(length_nm: float) -> str:
    """A length as it is printed: ``500 nm``, ``2 um``."""
    return f"{length_nm:g} nm" if length_nm < 1000 else f"{length_nm / 1000:g} {MICRO}"


def _drawn(layout: BarLayout, rows: int, width: int, length_px: int, length_nm: float) -> NDArray[np.float32]:
    image = Image.new("L", (width, rows), layout.paper)
    draw = ImageDraw.Draw(image)
    thin = max(1, rows // 40)
    right = round(0.97 * width)
    left = right - length_px
    end = left - round(0.04 * width)
    if layout.logo:
        _draw_logo(draw, layout, rows, right)
        left, right, end = left - round(0.1 * width), right - round(0.1 * width), end - round(0.1 * width)
    _draw_words(draw, layout, rows, end, thin)
    _draw_scale(draw, layout, rows, (left, right), length_nm)
    if layout.framed:
        draw.rectangle((0, 0, width - 1, rows - 1), outline=layout.ink, width=thin)
    if layout.ruled:
        edge = rows - thin if layout.top else 0
        draw.rectangle((0, edge, width - 1, edge + thin - 1), fill=layout.ink)
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def _draw_words(draw: ImageDraw.ImageDraw, layout: BarLayout, rows: int, end: int, thin: int) -> None:
    """Entries in columns of one width, in type that is as large as bar and columns allow."""
    columns = max(len(line) for line in layout.words)
    cell = end / columns
    longest = max((entry for line in layout.words for entry in line), key=len)
    size = min(0.62 * rows / len(layout.words), 1.55 * cell / len(longest))
    font = ImageFont.load_default(max(7.0, size))
    for number, line in enumerate(layout.words):
        middle = (number + 0.5) * rows / len(layout.words)
        for column, entry in enumerate(line):
            draw.text((column * cell + 0.05 * cell, middle), entry, fill=layout.ink, font=font, anchor="lm")
    if layout.cells:
        for column in range(1, columns + 1):
            at = round(column * cell)
            draw.rectangle((at, 0, at + thin - 1, rows - 1), fill=layout.ink)


def _draw_scale(
    draw: ImageDraw.ImageDraw, layout: BarLayout, rows: int, ends: tuple[int, int], length_nm: float
) -> None:
    """Scale bar from the first to before the second column, its length above it; below eleven ticks."""
    left, right = ends
    font = ImageFont.load_default(max(8.0, 0.4 * rows))
    ticks = layout.scale == "ticks"
    foot = 0.93 * rows if ticks else 0.56 * rows
    draw.text(((left + right) / 2, foot), length_text(length_nm), fill=layout.ink, font=font, anchor="mb")
    thick = max(3, rows // 8) if layout.scale == "block" else max(1, rows // 30)
    line = round(0.72 * rows)
    if ticks:
        for tick in np.linspace(left, right - 1, 11).round():
            draw.rectangle((tick, round(0.15 * rows), tick, round(0.38 * rows)), fill=layout.ink)
        return
    if layout.scale == "split":
        line, text = round(0.4 * rows), draw.textlength(length_text(length_nm), font=font)
        for first, last in ((left, (left + right - text) / 2 - 4), ((left + right + text) / 2 + 4, right - 1)):
            draw.rectangle((first, line, last, line + thick - 1), fill=layout.ink)
        return
    draw.rectangle((left, line, right - 1, line + thick - 1), fill=layout.ink)
    if layout.scale == "ends":
        for end in (left, right - thick):
            draw.rectangle((end, line - 3 * thick, end + thick - 1, line + 4 * thick), fill=layout.ink)


def _draw_logo(draw: ImageDraw.ImageDraw, layout: BarLayout, rows: int, right: int) -> None:
    size = 0.3 * rows
    font = ImageFont.load_default(max(7.0, size))
    width = draw.textlength(layout.logo, font=font)
    draw.rectangle((right - width - size / 2, 0.1 * rows, right, 0.9 * rows), fill=layout.ink)
    draw.text((right - width / 2 - size / 4, 0.5 * rows), layout.logo, fill=layout.paper, font=font, anchor="mm")
