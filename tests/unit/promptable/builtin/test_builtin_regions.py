"""Nested regions of maps written by hand."""

import numpy as np
import pytest

from matcurate.promptable.builtin.maps import ObjectMaps
from matcurate.promptable.builtin.regions import LEVELS, MEASURES, Regions, regions_of
from tests.unit.small_objects import SHAPE, iou, two_squares


def masks_of(regions: Regions) -> list[np.ndarray]:
    masks = []
    for node in range(len(regions.hierarchy.parent)):
        top, left, part = regions.hierarchy.mask(node)
        full = np.zeros(SHAPE, dtype=bool)
        full[top : top + part.shape[0], left : left + part.shape[1]] = part
        masks.append(full)
    return masks


def column(regions: Regions, name: str) -> np.ndarray:
    return regions.measured[:, MEASURES.index(name)]


def around(values: np.ndarray, mask: np.ndarray) -> list[float]:
    """Larger of the two values on each 4-neighbour edge between a mask and the rest."""
    result: list[float] = []
    for one, other, a, b in (
        (mask[1:], mask[:-1], values[1:], values[:-1]),
        (mask[:, 1:], mask[:, :-1], values[:, 1:], values[:, :-1]),
    ):
        result += np.maximum(a, b)[one != other].tolist()
    return result


def test_the_hierarchy_holds_both_squares_and_their_union() -> None:
    maps, left, right = two_squares()
    masks = masks_of(regions_of(maps))
    assert len(masks) == 5 and masks[-1].all()
    nearest = [max(range(5), key=lambda node, wanted=wanted: iou(masks[node], wanted)) for wanted in (left, right)]
    assert all(iou(masks[node], wanted) > 0.8 for node, wanted in zip(nearest, (left, right), strict=True))
    assert any(np.array_equal(mask, masks[nearest[0]] | masks[nearest[1]]) for mask in masks)


def test_a_border_stronger_than_the_outlines_joins_each_square_with_the_ground_first() -> None:
    maps, left, right = two_squares(weak=0.9, strong=0.3)
    assert not any(iou(mask, left | right) > 0.8 for mask in masks_of(regions_of(maps)))


def test_what_is_measured_by_hand() -> None:
    maps, _, _ = two_squares()
    regions = regions_of(maps)
    masks, parents = masks_of(regions), regions.hierarchy.parent
    strength = np.rint(maps.border_strength() * LEVELS) / LEVELS
    sides = np.zeros(SHAPE)
    sides[[0, -1]] += 1
    sides[:, [0, -1]] += 1
    for node, mask in enumerate(masks):
        edges, frame, parent = around(strength, mask), float(sides[mask].sum()), masks[parents[node]]
        length = max(len(edges) + frame, 1)
        wanted = {
            "log_area": np.log(mask.sum()),
            "log_share": np.log(mask.mean()),
            "outline": np.mean(edges) if edges else 0.0,
            "foreground": maps.foreground[mask].mean(),
            "parent_foreground": maps.foreground[parent].mean(),
            "undecided": 0.0,
            "decided": maps.foreground[mask].mean(),
            "distance": 0.5 * maps.foreground[mask].mean(),
            "contact": 0.0,
            "frame": frame / length,
            "compactness": 4 * np.pi * mask.sum() / length**2,
            "log_parent": np.log(parent.sum() / mask.sum()),
        }
        assert {name: column(regions, name)[node] for name in wanted} == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_altitudes_are_the_mean_strengths_of_the_borders_that_were_joined() -> None:
    maps, left, right = two_squares()
    regions = regions_of(maps)
    masks, parents = masks_of(regions), regions.hierarchy.parent
    strength = np.rint(maps.border_strength() * LEVELS) / LEVELS
    own, above = column(regions, "own_altitude"), column(regions, "parent_altitude")
    assert np.allclose(above, own[parents])
    assert np.count_nonzero(own == 0) == 3  # the basins
    both = int(np.argmax([iou(mask, left | right) for mask in masks]))
    square = int(np.argmax([iou(mask, left) for mask in masks]))
    between = masks[both] & ~masks[square]
    shared = set(zip(*np.nonzero(between), strict=True))
    edges = []
    for row, col in zip(*np.nonzero(masks[square]), strict=True):
        for place in ((row + 1, col), (row - 1, col), (row, col + 1), (row, col - 1)):
            if place in shared:
                edges.append(max(strength[row, col], strength[place]))
    assert own[both] == pytest.approx(np.mean(edges), rel=1e-4)
    assert own[both] < own[-1] == pytest.approx(np.mean(around(strength, masks[both])), rel=1e-4)


@pytest.mark.parametrize("shape", [(1, 2), (6, 9)])
def test_without_any_border_the_image_is_the_only_region(shape: tuple[int, int]) -> None:
    same = np.full(shape, 0.3, dtype=np.float16)
    regions = regions_of(ObjectMaps(same, same, same, same))
    assert regions.hierarchy.area.tolist() == [shape[0] * shape[1]]
    assert regions.measured.shape == (1, len(MEASURES))
