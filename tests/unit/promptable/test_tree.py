"""Component-tree predictor on images made by hand."""

import numpy as np
import pytest
from skimage.draw import disk

from matcurate.promptable.protocol import Exhaustive
from matcurate.promptable.tree import TreeBackbone, TreeSettings

SHAPE = (96, 160)
RAW = TreeSettings(denoise=0, blur=0)


def nested_discs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grey 50 with a disc of 120 that holds a disc of 200, and a dark rectangle of 10."""
    image = np.full(SHAPE, 50, np.uint8)
    image[disk((40, 60), 20)] = 120
    image[disk((40, 60), 8)] = 200
    image[10:20, 120:150] = 10
    return image, image == 200, image >= 120


def ask(image: np.ndarray, *points: tuple[float, float, int], settings: TreeSettings = RAW):
    given = np.array(points, dtype=float)
    predictor = TreeBackbone(settings).open(image)
    return predictor.predict(given[None, :, :2], given[None, :, 2].astype(int))[0]


def test_a_point_gives_the_nested_regions_around_it_exactly() -> None:
    image, inner, outer = nested_discs()
    answer = ask(image, (60, 40, 1))
    assert [c.area for c in answer] == [193, 1245]
    for candidate, truth in zip(answer, (inner, outer), strict=True):
        np.testing.assert_array_equal(candidate.paint(SHAPE), truth)


def test_x_runs_along_the_width() -> None:
    image, _, _ = nested_discs()
    (rectangle,) = ask(image, (149, 10, 1))
    assert rectangle.box == (10, 120, 20, 150)
    with pytest.raises(ValueError, match="outside"):
        ask(image, (10, 149, 1))


def test_exhaustive_sets_of_both_sides() -> None:
    image, _, outer = nested_discs()
    predictor = TreeBackbone(RAW).open(image)
    assert isinstance(predictor, Exhaustive)
    (bright,) = predictor.regions("bright")
    np.testing.assert_array_equal(bright.paint(SHAPE), outer)
    (dark,) = predictor.regions("dark")
    np.testing.assert_array_equal(dark.paint(SHAPE), image == 10)
