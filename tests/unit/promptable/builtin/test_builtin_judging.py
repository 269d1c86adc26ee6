"""What prompts find in regions, worked out by hand, and a judge that learns it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from matcurate.promptable.builtin.descriptors import DESCRIPTORS
from matcurate.promptable.builtin.examples import (
    CARELESS,
    Examples,
    RegionExamples,
    box_around,
    expected_overlap,
    objects_of,
    shares,
)
from matcurate.promptable.builtin.judging import QualityReport, learn_quality
from matcurate.promptable.builtin.network import NetworkSettings, UNet
from matcurate.promptable.builtin.quality import Judge
from matcurate.promptable.builtin.recipe import PromptRecipe
from matcurate.promptable.builtin.stream import Generated, one_by_one
from matcurate.promptable.hierarchy import Hierarchy, build

# The whole, the part above 0 (columns 2 to 7), and the part above 1 (columns 2 and 3); 2 x 8 pixels.
LEVELS = np.array([[0, 0, 2, 2, 1, 1, 1, 1]] * 2, dtype=np.int32)
OBJECTS = np.array([[0, 0, 1, 1, 1, 1, 2, 2]] * 2, dtype=np.int32)
RECIPE = PromptRecipe(pictures=3, crop=48, regions_per_picture=300, boxes_per_picture=4, epochs=3, batch=64)


def tree() -> Hierarchy:
    found = build(LEVELS, 1)
    assert found.area.tolist() == [4, 12, 16]
    return found


def test_objects_are_connected_and_no_matrix() -> None:
    regions = np.array([[0, 0, 1, 0], [0, 0, 1, 0]], dtype=np.int32)
    inside = np.array([[1, 1, 0, 1], [1, 1, 0, 1]], dtype=np.int8)
    assert objects_of(regions, inside).tolist() == [[1, 1, 0, 3], [1, 1, 0, 3]]
    assert objects_of(regions, np.full((2, 4), -1, dtype=np.int8)).tolist() == [[1, 1, 2, 3], [1, 1, 2, 3]]


def test_shares_of_objects() -> None:
    assert [(number, size, part.tolist()) for number, size, part in shares(tree(), OBJECTS)] == [
        (1, 8, [4, 8, 8]),
        (2, 4, [0, 4, 4]),
    ]
    assert [number for number, *_ in shares(tree(), OBJECTS, (2,))] == [2]
    small = np.where(OBJECTS == 2, 0, 0)
    small[0, 0] = 1
    assert list(shares(tree(), small)) == []  # one pixel is not asked for


def test_what_a_prompt_on_a_random_object_finds() -> None:
    overlap, chance = expected_overlap(tree(), OBJECTS)
    np.testing.assert_allclose(chance, [0.5, 2, 2])
    np.testing.assert_allclose(overlap, [4 / 8, (8 / 12 + 4 / 12) / 2, (8 / 16 + 4 / 16) / 2])
    nothing = expected_overlap(tree(), np.zeros_like(OBJECTS))
    assert not nothing[0].any() and not nothing[1].any()


def test_boxes_are_drawn_with_a_careless_hand() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([box_around((slice(10, 30), slice(5, 105)), rng) for _ in range(300)])
    off = np.abs(drawn - (10, 5, 30, 105)).max(axis=0) / (20, 100, 20, 100)
    assert (off <= CARELESS).all() and (off > 0.9 * CARELESS).all()


@pytest.fixture(scope="module")
def source() -> RegionExamples:
    torch.manual_seed(0)
    network = UNet(NetworkSettings(widths=(4, 8))).eval()
    return RegionExamples(Generated(("phases", "pores"), 64), network, RECIPE, seed=4)


def test_examples_of_a_picture_depend_on_its_number_alone(source: RegionExamples) -> None:
    every = list(one_by_one(source, workers=0))
    assert len(every) == len(source) == 3
    for one, other in zip(every, one_by_one(source, workers=1), strict=True):
        np.testing.assert_array_equal(one.descriptors, other.descriptors)
        np.testing.assert_array_equal(one.boxed_overlap, other.boxed_overlap)
    for one in every:
        assert {getattr(one, name).dtype for name in Examples.__slots__} == {np.dtype(np.float32)}
        count, boxed = len(one.overlap), len(one.boxed_overlap)
        assert 50 < count <= 300 and one.descriptors.shape == (count, len(DESCRIPTORS))
        assert 10 < boxed <= 300 and one.boxed_descriptors.shape == (boxed, len(DESCRIPTORS) + 1)
        fit = one.boxed_descriptors[:, -1]
        assert fit.min() >= 0.3 and fit.max() <= 1
        for overlap in (one.overlap, one.boxed_overlap):
            assert overlap.min() >= 0 and 0.3 < overlap.max() <= 1
        assert np.corrcoef(fit, one.boxed_overlap)[0, 1] > 0.2  # the better a box fits, the better its region
    assert not np.array_equal(every[0].descriptors[:40], every[1].descriptors[:40])


def test_a_picture_without_objects_gives_no_examples(source: RegionExamples) -> None:
    empty = type("Empty", (), {"sources": ("none",), "draw": lambda self, rng: _blank()})()
    none = RegionExamples(empty, source._network, RECIPE, seed=0)[0]
    assert len(none.overlap) == len(none.boxed_overlap) == 0 and none.descriptors.shape == (0, len(DESCRIPTORS))


def _blank():
    from matcurate.promptable.builtin.stream import Picture

    return replace(
        Picture.of(np.arange(4096).reshape(64, 64), np.ones((64, 64), dtype=np.uint8), None, 0),
        inside=np.zeros((64, 64), dtype=np.int8),
    )


def made(count: int, seed: int) -> Examples:
    """Regions whose overlap is the first descriptor, and for boxes the square of the fit."""
    rng = np.random.default_rng(seed)
    inputs = rng.random((count, len(DESCRIPTORS) + 1)).astype(np.float32)
    return Examples(inputs[:, :-1], inputs[:, 0], inputs, inputs[:, -1] ** 2)


def learned(found: list[Examples], recipe: PromptRecipe) -> tuple[Judge, QualityReport]:
    torch.manual_seed(0)
    judge = Judge()
    return judge, learn_quality(judge, found, recipe, 0)


def test_the_mean_overlap_is_learned() -> None:
    recipe = RECIPE.model_copy(update={"epochs": 30, "batch": 128, "learning_rate": 0.01})
    found = [made(256, seed) for seed in range(9)]
    judge, report = learned(found, recipe)
    assert report.examples == 2 * 7 * 256
    assert report.rank > 0.97 and report.error < 0.06 and report.boxed_rank > 0.97 and report.boxed_error < 0.06
    rows = np.full((3, len(DESCRIPTORS)), 0.5, dtype=np.float32)
    rows[:, 0] = 0.1, 0.5, 0.9
    np.testing.assert_allclose(judge.points.judge(rows), [0.1, 0.5, 0.9], atol=0.1)
    again, _ = learned(found, recipe)
    assert all(torch.equal(a, b) for a, b in zip(judge.parameters(), again.parameters(), strict=True))


def test_without_examples_nothing_is_learned_nor_reported() -> None:
    nothing = made(0, 0)
    judge, report = learned([nothing] * 2, RECIPE)
    assert (report.rank, report.error, report.boxed_rank, report.boxed_error, report.examples) == (*[None] * 4, 0)
    assert judge.points.judge(np.zeros((0, len(DESCRIPTORS)), dtype=np.float32)).shape == (0,)
    flat = replace(made(64, 1), overlap=np.full(64, 0.5, dtype=np.float32))
    _, report = learned([flat] * 2, RECIPE)
    assert report.rank is None and report.error is not None
