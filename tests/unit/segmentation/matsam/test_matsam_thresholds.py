"""Key points at several thresholds, on an image of three grey levels."""

import numpy as np
import pytest

from matcurate.segmentation.matsam.edge_grid import CutObjects, edge_grid
from matcurate.segmentation.matsam.preset import MatSamPreset
from matcurate.segmentation.matsam.prompts import EDGE_BAND, prompt_points, without_key
from matcurate.segmentation.matsam.thresholds import foregrounds_at


def nested() -> np.ndarray:
    """24 x 40: a grey rectangle that the top cuts, and in its right part a bright square."""
    grey = np.full((24, 40), 20, dtype=np.uint8)
    grey[:16, 4:36] = 120
    grey[4:10, 28:34] = 230
    return grey


def test_foregrounds_are_nested_from_the_smallest() -> None:
    grey = nested()
    small, large = foregrounds_at(grey, "bright", 2)
    assert np.array_equal(small, grey == 230) and np.array_equal(large, grey >= 120)
    small, large = foregrounds_at(grey, "dark", 2)
    assert np.array_equal(small, grey == 20) and np.array_equal(large, grey <= 120)
    assert len(foregrounds_at(grey, "bright", 3)) == 2  # three grey levels have two thresholds
    assert foregrounds_at(np.full((2, 3), 7, dtype=np.uint8), "bright", 2) == ()


def test_regions_that_hold_a_key_point_are_left_out() -> None:
    mask = np.array([[1, 1, 0, 1], [0, 1, 0, 1]], dtype=bool)
    assert without_key(mask, np.array([[1.0, 1.0]])).tolist() == [[False] * 3 + [True]] * 2
    assert np.array_equal(without_key(mask, np.empty((0, 2))), mask)


def preset(**settings: object) -> MatSamPreset:
    return MatSamPreset.model_validate({"name": "points", "roi": "otsu", "grid_range": (8, 8)} | settings)


def test_an_object_inside_another_gets_a_key_point_from_a_second_threshold() -> None:
    plain, one = prompt_points(nested(), "bright", preset())
    more, two = prompt_points(nested(), "bright", preset(roi_thresholds=2))
    assert (one, two) == (1, 2)
    assert plain[0].tolist() == more[0].tolist()
    assert more[1].tolist() == pytest.approx([30.5, 6.5], abs=0.5)  # the middle of the bright square


def test_the_grid_follows_the_objects_that_the_edges_cut_by_a_setting() -> None:
    points, keys = prompt_points(nested(), "bright", preset(grid_edges="cut_objects"))
    np.testing.assert_array_equal(points[keys:], edge_grid((24, 40), 8, CutObjects(top=1), EDGE_BAND))
    assert len(points) != len(prompt_points(nested(), "bright", preset())[0])
