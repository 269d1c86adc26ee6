"""Test lines laid over a label map in four directions, and the chords they are cut into (Heyn's lineal intercept)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcurate.morphology.numbering import Floats

DIRECTIONS = (0, 90, 45, 135)
"""Angles of the test lines in degrees, counter-clockwise from the rows; the last two where pixels are square."""


@dataclass(frozen=True, slots=True, eq=False)
class Intercepts:
    """What the test lines meet in the directions :data:`DIRECTIONS`: their length inside labels, and chords, each (4,).

    Lengths are in widths of a pixel. A change from one label to another ends one chord and begins another, each half of
    which counts; so a chord that the edge of the image cuts counts one half, as in ASTM E112. ``aspect`` is the height
    of a pixel over its width.
    """

    length: Floats
    chords: Floats
    aspect: float = 1.0

    @property
    def per_length(self) -> float:
        """Chords per width of a pixel of line, the mean over all directions; 0 where no line meets a label.

        Each of the four directions stands for the angles nearest to it, a quarter of all where pixels are square.
        """
        ratio = np.divide(self.chords, self.length, out=np.zeros(len(self.length)), where=self.length > 0)
        diagonal = np.arctan(self.aspect) / np.pi
        return float(ratio @ np.array([diagonal, 0.5 - diagonal, 0.25, 0.25]))


def count_intercepts(labels: NDArray[np.integer], aspect: float = 1.0) -> Intercepts:
    """Lay lines through all pixels (H, W), row by row, column by column and along both diagonals; 0 is outside.

    Neighbouring pixels of different ids have a boundary between them; ``aspect`` is the height of a pixel over its
    width.
    """
    steps = (1.0, aspect, np.hypot(1.0, aspect), np.hypot(1.0, aspect))
    length, chords = np.zeros(4), np.zeros(4)
    for index, (first, second) in enumerate(_neighbours(labels)):
        inside = np.count_nonzero(first) + np.count_nonzero(second)
        changed = first != second
        ends = np.count_nonzero(changed & (first > 0)) + np.count_nonzero(changed & (second > 0))
        length[index], chords[index] = steps[index] * inside / 2, ends / 2
    return Intercepts(length, chords, aspect)


def _neighbours(labels: NDArray[np.integer]) -> tuple[tuple[NDArray[np.integer], NDArray[np.integer]], ...]:
    """Every pixel and the next one along each of the four directions."""
    return (
        (labels[:, :-1], labels[:, 1:]),
        (labels[:-1], labels[1:]),
        (labels[1:, :-1], labels[:-1, 1:]),
        (labels[:-1, :-1], labels[1:, 1:]),
    )
