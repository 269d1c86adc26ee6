"""What lies over a micrograph or below it: scratches, letters, scale bars, data bars. The truth there is background."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from matcurate.imaging.changes.change import Shades, as_depth, covered, with_labels, with_pixels
from matcurate.imaging.dataset import LabelledMicrograph
from matcurate.imaging.proxy import to_float

Paint: TypeAlias = Callable[[ImageDraw.ImageDraw], None]
BLACK, WHITE = 0, 255
SCRATCH = 2.0
"""Width of a scratch in pixels."""
BAR = (0.05, 0.1)
"""Height of a data bar as part of the rows."""


def _painted(labelled: LabelledMicrograph, paint: Paint) -> LabelledMicrograph:
    """Lay drawn marks over a micrograph; their soft edges let it shine through.

    Painting on black and on white gives their opacity: 1 where both agree.
    """
    shades = to_float(labelled.micrograph.pixels)
    on_black, on_white = (_canvas(shades.shape, ground, paint) for ground in (BLACK, WHITE))
    clear = on_white - on_black
    return covered(labelled, shades * clear + on_black, clear < 1)


def _canvas(shape: tuple[int, ...], ground: int, paint: Paint) -> Shades:
    """Drawing on an even ground, in [0, 1]."""
    image = Image.new("L", (shape[1], shape[0]), ground)
    paint(ImageDraw.Draw(image))
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def scratched(labelled: LabelledMicrograph, rng: np.random.Generator, count: int) -> LabelledMicrograph:
    """Straight scratches right through the image, 2 pixels wide, black or white, and a dot of dirt."""
    height, width = labelled.micrograph.shape
    rows, columns = np.mgrid[:height, :width]
    direction = rng.uniform(0, np.pi)
    marks = []
    for _ in range(count):
        angle, down, right = direction + rng.normal(0, 0.3), rng.uniform(0, height), rng.uniform(0, width)
        marks.append(np.abs((rows - down) * np.cos(angle) - (columns - right) * np.sin(angle)) < SCRATCH / 2)
    marks.append(np.hypot(rows - rng.uniform(0, height), columns - rng.uniform(0, width)) < min(height, width) / 50)
    inks = rng.integers(0, 2, len(marks))
    shades = np.select(marks, [np.float32(ink) for ink in inks]).astype(np.float32)
    return covered(labelled, shades, np.logical_or.reduce(marks))


def lettered(labelled: LabelledMicrograph, rng: np.random.Generator) -> LabelledMicrograph:
    """Letter of a journal's panel in a corner, white on the image or black in a white box, and a note in the image."""
    height, width = labelled.micrograph.shape
    size = max(8, round(0.1 * min(height, width)))
    letter = f"({rng.choice(list('abcdef'))})"
    boxed = bool(rng.random() < 0.5)
    note = str(rng.choice(["200 °C", "as cast", "aged 8 h", "matrix", "10 wt%"]))
    place = (width * rng.uniform(0.3, 0.6), height * rng.uniform(0.3, 0.8))

    def paint(draw: ImageDraw.ImageDraw) -> None:
        corner = (size // 4, size // 4)
        if boxed:
            left, top, right, bottom = draw.textbbox(corner, letter, font=_font(size))
            draw.rectangle((0, 0, right + left, bottom + top // 2), fill=WHITE)
        draw.text(corner, letter, fill=BLACK if boxed else WHITE, font=_font(size))
        draw.text(place, note, fill=WHITE, font=_font(0.7 * size), stroke_width=max(1, size // 30), stroke_fill=BLACK)

    return _painted(labelled, paint)


def scale_barred(labelled: LabelledMicrograph, rng: np.random.Generator) -> LabelledMicrograph:
    """Scale bar with its length in a lower corner, white on the image or in a black box."""
    height, width = labelled.micrograph.shape
    length, thick, size = round(rng.uniform(0.15, 0.3) * width), max(2, height // 80), max(8, height // 18)
    left = round(0.04 * width) if rng.random() < 0.3 else round(0.96 * width) - length
    foot = round(0.95 * height)
    boxed = bool(rng.random() < 0.5)
    text = f"{rng.choice([50, 100, 200, 500])} nm"

    def paint(draw: ImageDraw.ImageDraw) -> None:
        if boxed:
            margin = size // 3
            top = foot - thick - round(1.3 * size) - margin
            draw.rectangle((left - margin, top, left + length + margin, foot + margin), fill=BLACK)
        draw.rectangle((left, foot - thick + 1, left + length - 1, foot), fill=WHITE)
        middle = (left + length / 2, foot - 1.5 * thick)
        draw.text(middle, text, fill=WHITE, font=_font(size), anchor="mb")

    return _painted(labelled, paint)


def data_barred(labelled: LabelledMicrograph, rng: np.random.Generator) -> LabelledMicrograph:
    """The instrument's data bar, white on black, added below."""
    pixels = labelled.micrograph.pixels
    height, width = labelled.micrograph.shape
    rows = max(1, round(rng.uniform(*BAR) * height))
    length = round(rng.uniform(0.12, 0.2) * width)
    words = (
        f"{rng.choice([5, 10, 15, 20])}.0 kV",
        f"WD {rng.uniform(4, 12):.1f} mm",
        f"x {rng.integers(2, 120) * 500:,}",
        str(rng.choice(["BSE", "SE2", "ETD", "InLens"])),
    )
    text = f"{rng.choice([50, 100, 200, 500])} nm"

    def paint(draw: ImageDraw.ImageDraw) -> None:
        left, font = round(0.97 * width) - length, _font(min(0.5 * rows, 0.034 * width))
        draw.text((0.02 * width, rows / 2), "    ".join(words), fill=WHITE, font=font, anchor="lm")
        draw.rectangle((left, round(0.75 * rows), left + length - 1, round(0.82 * rows)), fill=WHITE)
        draw.text((left + length / 2, 0.66 * rows), text, fill=WHITE, font=font, anchor="mb")

    bar = as_depth(_canvas((rows, width), BLACK, paint), pixels.dtype)
    image = as_depth(to_float(pixels), pixels.dtype)
    longer = with_pixels(labelled, np.concatenate([image, bar]))
    return with_labels(longer, lambda labels: np.pad(labels, ((0, rows), (0, 0))))


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own typeface, at a size in pixels."""
    return ImageFont.load_default(max(6.0, size))
