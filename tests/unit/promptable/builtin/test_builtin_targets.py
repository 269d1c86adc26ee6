"""What the dense heads learn, worked out by hand on 2 x 3 pixels."""

import numpy as np

from matcurate.promptable.builtin.targets import boundaries, dense_targets, edges, insides, region_ids

REGIONS = np.array([[4, 4, 7], [4, 7, 7]], dtype=np.int32)


def test_edges_lie_between_neighbours_of_another_id() -> None:
    right, below = edges(REGIONS)
    assert right.tolist() == [[0, 1, -1], [1, 0, -1]]
    assert below.tolist() == [[0, 1, 0], [-1, -1, -1]]


def test_a_boundary_has_a_pixel_on_each_side() -> None:
    assert boundaries(REGIONS).tolist() == [[False, True, True], [True, True, False]]


def test_ids_tell_phases_and_instances_apart() -> None:
    phases = np.array([[0, 1, 1], [0, 2, 1]], dtype=np.uint8)
    instances = np.array([[0, 5, 6], [0, 5, 5]], dtype=np.uint32)
    assert region_ids(phases, instances).tolist() == [[0, 1, 2], [0, 3, 1]]
    assert region_ids(phases, None).tolist() == [[0, 1, 1], [0, 2, 1]]


def test_without_a_matrix_nothing_is_known_about_insides() -> None:
    assert insides(np.array([[0, 1, 2]], dtype=np.uint8)).tolist() == [[0, 1, 1]]
    assert insides(np.array([[1, 1, 2]], dtype=np.uint8)).tolist() == [[-1, -1, -1]]


def test_heads_come_in_the_order_asked_for() -> None:
    inside = np.array([[1, 0, -1], [0, 0, 1]], dtype=np.int8)
    targets = dense_targets(REGIONS, inside, ("below", "inside", "boundary", "right"))
    assert targets.dtype == np.int8
    assert targets[0].tolist() == [[0, 1, 0], [-1, -1, -1]] and targets[1].tolist() == inside.tolist()
    assert targets[2].tolist() == [[0, 1, 1], [1, 1, 0]] and targets[3].tolist() == [[0, 1, -1], [1, 0, -1]]
