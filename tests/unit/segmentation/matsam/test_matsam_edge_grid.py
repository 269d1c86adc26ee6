"""The grid near edges that cut objects, on 32 x 64 pixels with a regular spacing of 8."""

import numpy as np
import pytest

from matcurate.segmentation.matsam.edge_grid import DENSEST, CutObjects, cut_objects, edge_grid

SHAPE, COUNT, BAND = (32, 64), 32, 0.125


def grid(**cut: int) -> np.ndarray:
    return edge_grid(SHAPE, COUNT, CutObjects(**cut), BAND)


def test_objects_are_counted_at_every_edge_that_cuts_them() -> None:
    mask = np.zeros((12, 20), dtype=bool)
    mask[0:3, 2:5] = mask[0:3, 8:12] = True  # top, twice
    mask[9:, 16:] = True  # bottom and right
    mask[5:8, 0] = True  # left, 3 pixels
    mask[5:8, 8:12] = True  # none
    assert cut_objects(mask, 1) == CutObjects(top=2, bottom=1, left=1, right=1)
    assert cut_objects(mask, 4) == CutObjects(top=2, bottom=1, left=0, right=1)
    assert cut_objects(np.zeros((12, 20), dtype=bool), 1) == CutObjects()


def test_without_cut_objects_the_grid_is_regular() -> None:
    expected = [(x, y) for y in (4, 12, 20, 28) for x in range(4, 64, 8)]
    assert sorted(map(tuple, grid())) == sorted(expected)


def test_as_many_cut_objects_as_points_along_the_edge_halve_the_spacing_there() -> None:
    points = grid(top=8)  # 8 points lie along 64 pixels: 1 + 8 / 8 = 2
    top = points[points[:, 1] < 8]  # a band of one regular spacing, since an eighth of 32 is less
    assert sorted(map(tuple, top)) == sorted((x, y) for y in (2, 6) for x in range(2, 64, 4))
    assert len(points) == 32 - 8 + 32
    assert len(grid(right=4)) == 32 - 4 + 2 * 8  # 4 points lie along 32 pixels


@pytest.mark.parametrize("edge", ["top", "bottom", "left", "right"])
def test_only_the_edge_that_cuts_is_denser_and_the_more_the_denser(edge: str) -> None:
    x, y = grid(**{edge: 8}).T
    inside = {"top": y < 8, "bottom": y >= 24, "left": x < 8, "right": x >= 56}[edge]
    assert sorted(zip(x[~inside], y[~inside], strict=True)) == sorted(
        point
        for point in map(tuple, grid())
        if not {"top": point[1] < 8, "bottom": point[1] >= 24, "left": point[0] < 8, "right": point[0] >= 56}[edge]
    )
    counts = [len(grid(**{edge: cut})) for cut in (0, 4, 8, 16)]
    assert counts == sorted(set(counts))
    assert len(grid(**{edge: 1000})) == len(grid(**{edge: round((DENSEST - 1) * 8)}))


def test_a_corner_is_as_dense_as_the_denser_of_its_edges() -> None:
    points = grid(top=8, left=12)  # spacings of 4 along the top and 8 / (1 + 12 / 4) = 2 along the left edge
    corner = points[(points[:, 0] < 8) & (points[:, 1] < 8)]
    assert sorted(map(tuple, corner)) == [(x, y) for x in (1, 3, 5, 7) for y in (1, 3, 5, 7)]
    assert len(np.unique(points, axis=0)) == len(points)


def test_x_and_y_are_not_swapped() -> None:
    turned = edge_grid(SHAPE[::-1], COUNT, CutObjects(left=8), BAND)
    assert sorted(map(tuple, grid(top=8))) == sorted((x, y) for y, x in turned)
