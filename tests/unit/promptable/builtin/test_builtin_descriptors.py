"""What is measured of regions, against a plain measurement of every single one."""

from dataclasses import replace

import numpy as np
import pytest

from matcurate.promptable.builtin.descriptors import CLEAR, DESCRIPTORS, FAINT, Evidence, describe
from matcurate.promptable.builtin.edges import Between
from matcurate.promptable.builtin.regions import Nested, between_boundaries, of_grey_levels

SHAPE = (11, 14)


@pytest.fixture
def evidence() -> Evidence:
    rng = np.random.default_rng(2)
    between = Between(rng.random((11, 13)), rng.random((10, 14)))
    grey = rng.normal(size=SHAPE)
    split = Between(rng.random((11, 13)), rng.random((10, 14)))
    return Evidence(between, rng.random(SHAPE), (grey - grey.mean()) / grey.std()).split_by(split)


def hierarchies(evidence: Evidence) -> list[Nested]:
    levels = np.digitize(evidence.grey, np.linspace(-2, 2, 9)).astype(np.int32)
    return [
        between_boundaries(evidence.parted),
        of_grey_levels(levels, 2, "bright"),
        of_grey_levels(9 - levels, 2, "dark"),
    ]


def plainly(mask: np.ndarray, evidence: Evidence) -> dict[str, float]:
    """Descriptors of one region from its mask, one pair of neighbours after the other."""
    assert evidence.split is not None
    outer, inner, steps, jumps, rises, sure, within = [], [], [], [], [], [], 0
    both = (
        (evidence.parted.right, evidence.split.right, (0, 1)),
        (evidence.parted.below, evidence.split.below, (1, 0)),
    )
    for strength, split, along in both:
        for row, column in np.ndindex(strength.shape):
            one, other = (row, column), (row + along[0], column + along[1])
            difference = evidence.grey[one] - evidence.grey[other]
            if mask[one] != mask[other]:
                outer.append(strength[row, column])
                sure.append(split[row, column])
                steps.append(difference if mask[one] else -difference)
                jumps.append(abs(difference))
            elif mask[one]:
                inner.append(strength[row, column])
                within += split[row, column] > 0.5
                rises.append(abs(difference))
    area = mask.sum()
    frame = mask[0].sum() + mask[-1].sum() + mask[:, 0].sum() + mask[:, -1].sum()
    rows, columns = (np.ptp(places) + 1 for places in np.nonzero(mask))
    inside = evidence.inside[mask]
    length, strengths = max(len(outer), 1), np.array(outer)
    return {
        "log_area": np.log(area),
        "log_share": np.log(area / mask.size),
        "frame": frame / (len(outer) + frame),
        "outline": sum(outer) / length,
        "outline_log": np.log(strengths + FAINT).sum() / length,
        "outline_closed": (strengths > CLEAR).sum() / length,
        "inner_boundary": sum(inner) / max(len(inner), 1),
        "step": sum(steps) / length,
        "step_size": abs(sum(steps)) / length,
        "outline_step": sum(jumps) / length,
        "inner_step": sum(rises) / max(len(rises), 1),
        "spread": evidence.grey[mask].std(),
        "inside": inside.mean(),
        "undecided": abs(inside.mean() - (inside > 0.5).mean()),
        "circularity": min(4 * np.pi * area / (len(outer) + frame) ** 2, 1.2),
        "box_fill": area / (rows * columns),
        "elongation": np.log(rows / columns) ** 2,
        "level": evidence.grey[mask].mean(),
        "log_perimeter": np.log1p(len(outer)),
        "split": sum(sure) / length,
        "split_closed": (np.array(sure) > 0.5).sum() / length,
        "split_within": min(within / length, 4),
    }


def test_every_region_is_measured_as_by_hand(evidence: Evidence) -> None:
    for nested in hierarchies(evidence):
        found, tree = describe(nested, evidence), nested.hierarchy
        assert found.shape == (len(tree.parent), len(DESCRIPTORS)) and np.isfinite(found).all()
        for node in range(len(tree.parent)):
            top, left, part = tree.mask(node)
            mask = np.zeros(SHAPE, dtype=bool)
            mask[top : top + part.shape[0], left : left + part.shape[1]] = part
            for name, value in plainly(mask, evidence).items():
                assert found[node, DESCRIPTORS.index(name)] == pytest.approx(value, rel=1e-4, abs=1e-5), (node, name)


def test_a_region_is_compared_with_those_around_and_within(evidence: Evidence) -> None:
    nested = hierarchies(evidence)[0]
    tree, found = nested.hierarchy, describe(nested, evidence)
    column = {name: found[:, number] for number, name in enumerate(DESCRIPTORS)}
    outlines = np.where(tree.area >= 4, column["outline"], 0)
    for node in range(len(tree.parent)):
        parent = tree.parent[node]
        path, above = node, []
        while path != tree.root:
            path = tree.parent[path]
            above.append(outlines[path])
        inside = [k for k in range(node) if tree.first[node] <= tree.first[k] < tree.first[node] + tree.area[node]]
        assert column["over_outer"][node] == pytest.approx(column["outline"][node] - max(above, default=0), abs=1e-5)
        best = max((outlines[k] for k in inside), default=0)
        assert column["over_inner"][node] == pytest.approx(column["outline"][node] - best, abs=1e-5)
        assert column["log_parent"][node] == pytest.approx(np.log(tree.area[parent] / tree.area[node]), abs=1e-5)
        assert column["parent_step"][node] == pytest.approx(
            abs(column["level"][node] - column["level"][parent]), abs=1e-5
        )
        meet = [
            strength[nodes == node]
            for strength, nodes in ((evidence.parted.right, nested.right), (evidence.parted.below, nested.below))
        ]
        seam = np.concatenate(meet).mean() if sum(map(len, meet)) else 0
        assert column["seam"][node] == pytest.approx(seam, abs=1e-5)
        assert column["parent_seam"][node] == column["seam"][parent]
        pairs = ((evidence.split.right, nested.right), (evidence.split.below, nested.below))
        meet = np.concatenate([split[nodes == node] for split, nodes in pairs])
        assert column["split_seam"][node] == pytest.approx(meet.mean() if len(meet) else 0, abs=1e-5)
        assert column["split_parent"][node] == column["split_seam"][parent]
        origins = [column[f"from_{origin}"][node] for origin in ("boundary", "seams", "bright", "dark")]
        assert origins == [1, 0, 0, 0]


def test_depth_and_contrast_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(20, 200, SHAPE).astype(np.uint8)
    between = Between(np.zeros((11, 13)), np.zeros((10, 14)))
    said = rng.random((2, *SHAPE)).astype(np.float32)
    one = Evidence.of(pixels, between, said, ("boundary", "inside"))
    deep = Evidence.of(pixels.astype(np.uint16) * 100 + 7, between, said, ("boundary", "inside"))
    np.testing.assert_allclose(one.grey, deep.grey, atol=1e-5)
    assert one.grey.mean() == pytest.approx(0, abs=1e-6) and one.grey.std() == pytest.approx(1)
    np.testing.assert_array_equal(one.inside, said[1].astype(np.float64))
    blind = Evidence.of(np.full(SHAPE, 9, dtype=np.uint8), between, said[:1], ("boundary",))
    assert (blind.inside == 0.5).all() and not blind.grey.any()


def test_where_nothing_is_known_of_seams_nothing_parts(evidence: Evidence) -> None:
    nothing = Between(*(np.zeros_like(side) for side in (evidence.parted.right, evidence.parted.below)))
    nested = between_boundaries(evidence.parted)
    unknown = describe(nested, replace(evidence, split=None))
    np.testing.assert_array_equal(unknown, describe(nested, evidence.split_by(nothing)))
    assert not np.array_equal(unknown, describe(nested, evidence))
