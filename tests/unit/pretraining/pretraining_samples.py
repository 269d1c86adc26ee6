"""A small recipe, and pictures written by hand."""

from collections.abc import Callable
from functools import cache

import numpy as np

from matcurate.pretraining.pictures import Mixture, Picture
from matcurate.pretraining.recipe import Augmentation, Recipe
from tests.unit.small_objects import TINY

UNCHANGED = {"scale": (1, 1), "gamma": (1, 1)} | dict.fromkeys(
    (
        *("native", "rotation", "drawn", "blurred", "noisy", "faint", "inverted", "shaded", "compressed", "peppered"),
        *("scratched", "lettered", "barred"),
    ),
    0,
)


def augmentation(**changes: object) -> Augmentation:
    """Nothing is changed but by ``changes``; quarter turns and reflections stay."""
    return Augmentation.model_validate(UNCHANGED | changes)


def recipe(**changes: object) -> Recipe:
    settings = {
        "name": "tiny",
        "network": TINY,
        "crop": 64,
        "batch": 2,
        "steps": 8,
        "warmup": 0,
        "workers": 0,
        "report_steps": 2,
        "validation_steps": 2,
        "quality": {"pictures": 10, "crop": 64, "objects": 8, "regions": 8, "epochs": 2, "batch": 32},
    }
    return Recipe.model_validate(settings | changes)


@cache
def discs(edge: int = 96) -> Picture:
    """Bright discs, two of which touch, in a dark noisy matrix; ids 1, 2 and 700."""
    rows, columns = np.mgrid[:edge, :edge]
    objects = np.zeros((edge, edge), dtype=np.uint32)
    for number, (y, x, radius) in {1: (30, 24, 14), 2: (30, 52, 14), 700: (70, 60, 12)}.items():
        objects[np.hypot(rows - y, columns - x) < radius] = number
    pixels = 60 + 120 * (objects > 0) + np.random.default_rng(0).normal(0, 4, objects.shape)
    return Picture.of(pixels.astype(np.uint8), (objects > 0).astype(np.uint8), objects, "discs")


class Written:
    """Source of pictures for a :class:`Mixture` that draws the same one, or what a function makes."""

    def __init__(self, name: str = "discs", picture: Callable[[], Picture] = discs) -> None:
        self.name, self._picture = name, picture

    def draw(self, rng: np.random.Generator) -> Picture:
        return self._picture()


def mixture() -> Mixture:
    return Mixture([], [Written()], {}, 0.5)  # type: ignore[list-item]
