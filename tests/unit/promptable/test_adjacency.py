"""Regions that touch."""

import numpy as np

from matcurate.promptable.adjacency import adjacency, basins


def test_borders_by_hand() -> None:
    regions = np.array([[0, 0, 1], [0, 2, 1]])
    strength = np.array([[0.1, 0.2, 0.3], [0.4, 0.9, 0.6]])
    graph, summed, length = adjacency(regions, strength)
    one, other = (np.asarray(ends) for ends in graph.edge_list()[:2])
    borders = {(a, b): (s, n) for a, b, s, n in zip(one, other, summed.round(6), length, strict=True)}
    # 0 | 1 between columns 1 and 2 of the first row; 0 | 2 beside and above; 1 | 2 beside
    assert borders == {(0, 1): (0.3, 1), (0, 2): (1.8, 2), (1, 2): (0.9, 1)}
    assert graph.num_vertices() == 3


def test_one_region_has_no_border() -> None:
    graph, summed, length = adjacency(np.zeros((3, 4), dtype=np.int64), np.ones((3, 4)))
    assert graph.num_vertices() == 1 and not len(summed) and not len(length)


def test_basins_lie_between_ridges() -> None:
    strength = np.zeros((5, 9))
    strength[:, 4] = 1
    basin = basins(strength)
    assert set(np.unique(basin)) == {0, 1}
    assert len(np.unique(basin[:, :4])) == 1 == len(np.unique(basin[:, 5:]))
    assert basin[0, 0] != basin[0, 8]
