"""What is drawn over micrographs: scratches by polishing; letters, arrows, scale bars and data bars by software."""

import string

import cv2
import numpy as np
from numpy.typing import NDArray

from matcurate.types import BoolMask

Grey = NDArray[np.float32]
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_PLAIN)


def scratched(grey: Grey, rng: np.random.Generator) -> BoolMask:
    """Draw thin lines and dots into an image (H, W) in [0, 1], in place. Returns where (H, W)."""
    height, width = grey.shape
    drawn = np.zeros(grey.shape, dtype=np.uint8)
    for _ in range(int(rng.integers(1, 5))):
        y, x, angle = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(0, np.pi)
        length = rng.uniform(0.2, 1.5) * max(height, width)
        ends = [
            (round(x + side * length * np.cos(angle)), round(y + side * length * np.sin(angle))) for side in (-1, 1)
        ]
        cv2.line(drawn, ends[0], ends[1], 1, int(rng.integers(1, 4)), cv2.LINE_8)
    for _ in range(int(rng.integers(0, 4))):
        centre = int(rng.integers(width)), int(rng.integers(height))
        cv2.circle(drawn, centre, int(rng.integers(1, 7)), 1, cv2.FILLED)
    where = drawn > 0
    grey[where] = np.clip(grey[where] + (1.0 if rng.random() < 0.5 else -1.0) * rng.uniform(0.1, 0.9), 0, 1)
    return where


def lettered(grey: Grey, rng: np.random.Generator) -> BoolMask:
    """Draw letters, arrows or scale bars into an image (H, W) in [0, 1], in place. Returns what they cover (H, W)."""
    height, width = grey.shape
    covered = np.zeros(grey.shape, dtype=np.uint8)
    level = float(rng.choice([0.0, 1.0], p=[0.4, 0.6]))
    for _ in range(int(rng.integers(1, 4))):
        sort = rng.random()
        at = int(rng.integers(0, width - 8)), int(rng.integers(8, height))
        if sort < 0.5:
            _write(grey, covered, text_of(rng), at, rng, level)
        elif sort < 0.75:
            length, thick = int(rng.uniform(0.1, 0.5) * width), int(rng.integers(2, 9))
            for canvas, value in ((grey, level), (covered, 1)):
                cv2.rectangle(canvas, at, (at[0] + length, at[1] + thick), value, cv2.FILLED)
            if rng.random() < 0.8:
                _write(grey, covered, scale_text(rng), (at[0], at[1] - 4), rng, level)
        else:
            tip = int(rng.integers(0, width)), int(rng.integers(0, height))
            thick = int(rng.integers(1, 5))
            for canvas, value in ((grey, level), (covered, 1)):
                cv2.arrowedLine(canvas, at, tip, value, thick, cv2.LINE_8, tipLength=0.3)
    return covered > 0


def barred(grey: Grey, rng: np.random.Generator) -> BoolMask:
    """Draw a data bar with text, or a flat border, along an edge of an image (H, W), in place. Returns where (H, W)."""
    height, width = grey.shape
    covered = np.zeros(grey.shape, dtype=np.bool_)
    level = float(rng.choice([0.0, 1.0, rng.uniform(0, 1)], p=[0.5, 0.35, 0.15]))
    thick = int(rng.uniform(0.04, 0.25) * height)
    if rng.random() < 0.35:  # white or black ground between the panels of a figure
        for edge in (slice(0, thick), slice(-thick, None)):
            if rng.random() < 0.6:
                covered[edge] = True
            if rng.random() < 0.4:
                covered[:, edge] = True
        grey[covered] = level
        return covered
    rows = slice(-thick, None) if rng.random() < 0.85 else slice(0, thick)
    strip = np.full((thick, width), level, dtype=np.float32)
    ink = 1.0 - level if level in (0.0, 1.0) else float(rng.choice([0.0, 1.0]))
    x = -int(rng.integers(0, 40))
    marks = np.zeros(strip.shape, dtype=np.uint8)
    while x < width:
        _write(strip, marks, text_of(rng), (x, int(rng.uniform(0.5, 1.0) * thick)), rng, ink, size=thick / 60)
        x += int(rng.integers(30, 120))
    if rng.random() < 0.7:
        left, length = int(rng.integers(0, width)), int(rng.uniform(0.1, 0.4) * width)
        middle = int(rng.uniform(0.2, 0.7) * thick)
        cv2.rectangle(strip, (left, middle), (left + length, middle + max(1, thick // 12)), ink, cv2.FILLED)
    grey[rows] = strip
    covered[rows] = True
    return covered


def text_of(rng: np.random.Generator) -> str:
    """A label as figures and data bars carry: ``(a)``, ``15.0 kV``, a word."""
    sort = rng.random()
    letter = str(rng.choice(list(string.ascii_letters)))
    if sort < 0.35:
        return f"({letter})" if rng.random() < 0.6 else letter
    if sort < 0.6:
        return f"{rng.uniform(0.1, 300):.4g} {rng.choice(['kV', 'mm', 'kx', 'um', 'nm', 'pA', 'SE', 'BSE', 's'])}"
    count = int(rng.integers(2, 9))
    return "".join(rng.choice(list(string.ascii_letters + string.digits + "-_ =."), count))


def scale_text(rng: np.random.Generator) -> str:
    """The length beside a scale bar."""
    return f"{rng.choice([1, 2, 5, 10, 20, 50, 100, 200, 500])} {rng.choice(['um', 'nm', 'mm'])}"


def _write(
    grey: Grey,
    covered: NDArray[np.uint8],
    text: str,
    at: tuple[int, int],
    rng: np.random.Generator,
    level: float,
    size: float | None = None,
) -> None:
    scale = float(rng.uniform(0.3, 1.6)) if size is None else max(0.25, size * float(rng.uniform(0.5, 1.3)))
    thick = max(1, round(scale * float(rng.uniform(0.8, 2.2))))
    font = int(rng.choice(FONTS))
    if size is None and rng.random() < 0.25:  # on a plate of its own
        (wide, tall), below = cv2.getTextSize(text, font, scale, thick)
        corners = (at[0] - 3, at[1] - tall - 3), (at[0] + wide + 3, at[1] + below + 3)
        cv2.rectangle(grey, *corners, 1.0 - level, cv2.FILLED)
        cv2.rectangle(covered, *corners, 1, cv2.FILLED)
    cv2.putText(grey, text, at, font, scale, level, thick, cv2.LINE_AA)
    cv2.putText(covered, text, at, font, scale, 1, thick + 1, cv2.LINE_8)
