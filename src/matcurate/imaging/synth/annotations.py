"""What is printed over micrographs in journals: panel letters, scale bars, arrows, data bars, borders, insets.

Every function prints onto a sheet: float32 array (H, W) of grey levels in [0, 1], NaN where nothing is printed.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Sheet = NDArray[np.float32]
Drawn = NDArray[np.uint8]

FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX)
CAP_HEIGHT = 22
"""Height in pixels of a capital of these fonts at scale 1."""
LENGTHS = (1, 2, 5, 10, 20, 50, 100, 200, 300, 400, 500)
INKED = 100
"""Coverage of a pixel, of 255, from which it counts as printed."""


def blank_sheet(size: tuple[int, int]) -> Sheet:
    """Sheet of ``size`` (H, W) with nothing printed on it."""
    return np.full(size, np.nan, dtype=np.float32)


def annotate(rng: np.random.Generator, sheet: Sheet) -> None:
    """Print what a figure panel usually has: at least a letter or a scale bar."""
    chances: tuple[tuple[Callable[[np.random.Generator, Sheet], None], float], ...] = (
        (print_inset, 0.1),
        (print_data_bar, 0.2),
        (print_scale_bar, 0.75),
        (print_arrows, 0.15),
        (print_label, 0.15),
        (print_border, 0.2),
    )
    for annotation, chance in chances:
        if rng.random() < chance:
            annotation(rng, sheet)
    if rng.random() < 0.8 or np.isnan(sheet).all():
        print_letter(rng, sheet)


def print_letter(rng: np.random.Generator, sheet: Sheet) -> None:
    """Print the letter of the panel in a corner, bare or on a patch."""
    letter = str(rng.choice(list("abcdefghABCDEF")))
    text = str(rng.choice([letter, f"({letter})", f"{letter})", f"{letter}{rng.integers(1, 4)}"]))
    word = _word(rng, text, rng.uniform(0.045, 0.12) * min(sheet.shape))
    left = rng.random() < 0.8
    _place(rng, sheet, word, (0.0 if rng.random() < 0.9 else 1.0, 0.0 if left else 1.0), patch=rng.random() < 0.3)


def print_label(rng: np.random.Generator, sheet: Sheet) -> None:
    """Print the name of a specimen anywhere along the rim."""
    name = "".join(rng.choice(list("ABCDEFGHNOPSTZ"), rng.integers(2, 6)))
    text = str(
        rng.choice([name, f"{name}-{rng.integers(1, 20)}", f"{rng.integers(1, 99)} wt%", f"{rng.integers(1, 12)} h"])
    )
    word = _word(rng, text, rng.uniform(0.035, 0.07) * min(sheet.shape))
    _place(rng, sheet, word, (float(rng.integers(0, 2)), rng.uniform(0, 1)), patch=rng.random() < 0.3)


def print_scale_bar(rng: np.random.Generator, sheet: Sheet) -> None:
    """Print a scale bar near a lower corner, mostly with its length above, below or beside it."""
    height, width = sheet.shape
    length, thick = max(3, round(rng.uniform(0.08, 0.32) * width)), max(1, round(rng.uniform(0.004, 0.022) * height))
    bar: Drawn = np.full((thick, length), 255, dtype=np.uint8)
    if rng.random() < 0.15 and thick > 1:  # ends
        bar = np.zeros((4 * thick, length), dtype=np.uint8)
        bar[3 * thick // 2 : 5 * thick // 2] = bar[:, :2] = bar[:, -2:] = 255
    if rng.random() < 0.85:
        unit = str(rng.choice(["nm", " nm", "um", " um"]))
        text = _word(rng, f"{rng.choice(LENGTHS)}{unit}", rng.uniform(0.03, 0.075) * min(sheet.shape))
        gap = np.zeros((max(1, round(0.01 * height)), 1), dtype=np.uint8)
        bar = _stacked([text, gap, bar] if rng.random() < 0.8 else [bar, gap, text])
    corner = (1.0, 1.0 if rng.random() < 0.65 else 0.0)
    _place(rng, sheet, bar, corner, patch=rng.random() < 0.2)


def print_arrows(rng: np.random.Generator, sheet: Sheet) -> None:
    """Print one to three arrows or circles that point something out."""
    height, width = sheet.shape
    tone, thick = _tone(rng), max(1, round(rng.uniform(0.003, 0.009) * min(sheet.shape)))
    drawn = np.zeros(sheet.shape, dtype=np.uint8)
    for _ in range(rng.integers(1, 4)):
        tip = int(rng.uniform(0.1, 0.9) * width), int(rng.uniform(0.1, 0.9) * height)
        reach, angle = rng.uniform(0.05, 0.15) * min(sheet.shape), rng.uniform(0, 2 * math.pi)
        tail = int(tip[0] + reach * math.cos(angle)), int(tip[1] + reach * math.sin(angle))
        if rng.random() < 0.8:
            cv2.arrowedLine(drawn, tail, tip, 255, thick, cv2.LINE_AA, tipLength=float(rng.uniform(0.25, 0.5)))
        else:
            cv2.circle(drawn, tip, max(2, int(reach / 2)), 255, thick, cv2.LINE_AA)
    sheet[drawn > INKED] = tone


def print_data_bar(rng: np.random.Generator, sheet: Sheet) -> None:
    """Print the bar of a microscope over the foot of the picture, light on dark or the reverse."""
    height, width = sheet.shape
    rows = max(8, round(rng.uniform(0.045, 0.12) * height))
    rows = min(rows, height // 3)
    paper, ink = (0.0, 1.0) if rng.random() < 0.7 else (1.0, 0.0)
    drawn = np.zeros((rows, width), dtype=np.uint8)
    words = [
        f"{rng.choice([5, 10, 15, 20, 200])}.0 kV",
        f"x{rng.integers(1, 120)},000",
        f"WD {rng.uniform(2, 12):.1f}mm",
        str(rng.choice(["SEI", "SE(U)", "InLens", "BSE", "TLD", "LEI"])),
        f"{rng.integers(10, 28)}/{rng.integers(1, 13)}/20{rng.integers(8, 24):02d}",
    ]
    font, scale = int(rng.choice(FONTS[:2])), 0.4 * rows / CAP_HEIGHT
    left = round(0.02 * width)
    for word in words:
        (span, _), _ = cv2.getTextSize(word, font, scale, 1)
        if left + span > 0.7 * width:
            break
        cv2.putText(drawn, word, (left, round(0.7 * rows)), font, scale, 255, 1, cv2.LINE_AA)
        left += span + round(0.03 * width)
    start, end = round(rng.uniform(0.72, 0.8) * width), round(rng.uniform(0.86, 0.97) * width)
    if rng.random() < 0.5:  # eleven ticks
        for tick in np.linspace(start, end, 11).astype(int):
            drawn[rows // 4 : rows // 2, tick] = 255
    else:
        drawn[rows // 3 : rows // 3 + max(1, rows // 12), start:end] = 255
    strength = drawn.astype(np.float32) / 255
    sheet[height - rows :] = paper + (ink - paper) * strength


def print_border(rng: np.random.Generator, sheet: Sheet) -> None:
    """Print a white or black border along one to four sides, as panels stand side by side."""
    tone = 1.0 if rng.random() < 0.8 else 0.0
    for side in rng.permutation(4)[: rng.integers(1, 5)]:
        turned = np.rot90(sheet, int(side))  # a view
        turned[: max(1, round(rng.uniform(0.005, 0.05) * turned.shape[0]))] = tone


def print_inset(rng: np.random.Generator, sheet: Sheet) -> None:
    """Print a framed inset in a corner: a histogram, or a diffraction pattern."""
    height, width = (max(8, round(rng.uniform(0.2, 0.36) * size)) for size in sheet.shape)
    if rng.random() < 0.6:
        inset: Sheet = np.ones((height, width), dtype=np.float32)
        counts = np.exp(-0.5 * np.linspace(-2.5, 2.5, 9) ** 2) * rng.uniform(0.6, 1, 9)
        for number, count in enumerate(counts):
            left = round((0.1 + 0.09 * number) * width)
            top = round((0.88 - 0.7 * count) * height)
            inset[top : round(0.88 * height), left : left + max(1, round(0.07 * width))] = 0.45
        inset[round(0.88 * height) :][:1] = 0.0
    else:
        rows, columns = np.ogrid[:height, :width]
        radius = np.hypot(rows - height / 2, columns - width / 2) / min(height, width)
        halo = 0.9 * np.exp(-radius / 0.06) + 0.35 * np.exp(-(((radius % 0.14) - 0.07) ** 2) / 0.0004)
        inset = np.clip(halo, 0, 1).astype(np.float32)
    inset[[0, -1]], inset[:, [0, -1]] = 0.0, 0.0
    down = 0 if rng.random() < 0.5 else sheet.shape[0] - height
    right = 0 if rng.random() < 0.3 else sheet.shape[1] - width
    sheet[down : down + height, right : right + width] = inset


def _word(rng: np.random.Generator, text: str, height: float) -> Drawn:
    """Coverage (h, w), 0 to 255, of a word whose capitals are about ``height`` pixels high."""
    height = max(height, 5.0)
    if rng.random() < 0.6:
        font = ImageFont.load_default(max(7, round(1.35 * height)))
        left, top, right, bottom = (int(side) for side in font.getbbox(text, stroke_width=0))
        bold = int(rng.integers(0, 1 + max(1, round(height / 16))))
        picture = Image.new("L", (right - left + 2 * bold + 2, bottom - top + 2 * bold + 2))
        ImageDraw.Draw(picture).text((1 + bold - left, 1 + bold - top), text, fill=255, font=font, stroke_width=bold)
        return np.asarray(picture, dtype=np.uint8)
    font_number, scale = int(rng.choice(FONTS)), height / CAP_HEIGHT
    thick = max(1, round(scale * rng.uniform(1.0, 3.0)))
    (width, rise), drop = cv2.getTextSize(text, font_number, scale, thick)
    drawn = np.zeros((rise + drop + 2 * thick, width + 2 * thick), dtype=np.uint8)
    cv2.putText(drawn, text, (thick, rise + thick), font_number, scale, 255, thick, cv2.LINE_AA)
    return drawn


def _stacked(parts: list[Drawn]) -> Drawn:
    """Put parts below each other, centred; uint8 (h, w)."""
    width = max(part.shape[1] for part in parts)
    rows = [np.pad(p, ((0, 0), ((width - p.shape[1]) // 2, (width - p.shape[1] + 1) // 2))) for p in parts]
    return np.concatenate(rows)


def _place(rng: np.random.Generator, sheet: Sheet, drawn: Drawn, at: tuple[float, float], patch: bool) -> None:
    """Print ``drawn`` at a relative place (0: top or left, 1: bottom or right), on a patch of paper if asked for."""
    limit = np.array(sheet.shape)
    margin = int(rng.uniform(0.0, 0.05) * min(sheet.shape))
    if patch:
        drawn = np.pad(drawn, max(2, drawn.shape[0] // 8))
    drawn = drawn[: limit[0], : limit[1]]
    room = limit - drawn.shape
    top, left = (
        int(np.clip(share * space, min(margin, space), max(space - margin, 0)))
        for share, space in zip(at, room, strict=True)
    )
    view = sheet[top : top + drawn.shape[0], left : left + drawn.shape[1]]
    tone = _tone(rng)
    if patch:
        view[:] = 1.0 - round(tone)
    view[drawn > INKED] = tone


def _tone(rng: np.random.Generator) -> float:
    """Grey of the ink: white, black, or that of a coloured one."""
    return float(rng.choice([1.0, 0.0, rng.uniform(0.3, 0.8)], p=[0.5, 0.4, 0.1]))
