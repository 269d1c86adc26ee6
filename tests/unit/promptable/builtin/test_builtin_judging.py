"""What prompts find in regions, worked out by hand, and a judge that learns it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from matcurate.promptable.builtin.answers import AnswerExamples, Answers
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
from matcurate.promptable.builtin.judging import QualityReport, learn_answers, learn_quality
from matcurate.promptable.builtin.network import NetworkSettings, UNet
from matcurate.promptable.builtin.offers import COMPARED, Offers, side_by_side
from matcurate.promptable.builtin.quality import Judge, Panel
from matcurate.promptable.builtin.recipe import PromptRecipe
from matcurate.promptable.builtin.stream import Generated, one_by_one
from matcurate.promptable.hierarchy import Hierarchy, build
from matcurate.promptable.nested import NestedRegions

# The whole, the part above 0 (columns 2 to 7), and the part above 1 (columns 2 and 3); 2 x 8 pixels.
LEVELS = np.array([[0, 0, 2, 2, 1, 1, 1, 1]] * 2, dtype=np.int32)
OBJECTS = np.array([[0, 0, 1, 1, 1, 1, 2, 2]] * 2, dtype=np.int32)
RECIPE = PromptRecipe(
    pictures=3,
    crop=48,
    regions_per_picture=300,
    boxes_per_picture=4,
    epochs=3,
    batch=64,
    answered_pictures=3,
    points_per_picture=5,
)


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
    return RegionExamples(Generated(("phases", "pores"), 64), network, RECIPE, 4, Judge().eval().seams.judge)


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
    none = RegionExamples(empty, source._network, RECIPE, 0, source._splits)[0]
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


def test_offers_are_measured_side_by_side() -> None:
    """Of regions of 4, 12 and 16 pixels the first two are offered for one point, the second alone for another."""
    member = NestedRegions(tree(), np.array([0.5, 0.8, 0.0]), float, 0.05, 0.7)
    described = np.arange(6, dtype=np.float32).reshape(3, 2)
    offers = side_by_side([member], [described], [np.array([[1, 0, -1], [1, -1, -1]])])
    assert offers.there.tolist() == [[True, True, False], [True, False, False]]
    assert offers.measured.shape == (2, 3, 2 + len(COMPARED)) and not offers.measured[~offers.there].any()
    mean = (0.8 * np.log(12) + 0.5 * np.log(4)) / 1.3
    best = [2, 3, np.log(4), 0, 0, np.log(12) - mean]
    second = [0, 1, 0, -np.log(4), np.log(4) - np.log(12), np.log(4) - mean]
    np.testing.assert_allclose(offers.measured[0, :2], [best, second], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(offers.measured[1, 0], [2, 3, np.log(4), 0, 0, 0], rtol=1e-5, atol=1e-6)


def test_the_order_of_offers_changes_nothing_and_what_is_not_there_is_not_seen() -> None:
    torch.manual_seed(1)
    panel, rng = Panel(6).eval(), np.random.default_rng(0)
    measured, there = rng.normal(size=(2, 5, 6)).astype(np.float32), np.ones((2, 5), dtype=np.bool_)
    there[1, 3:] = False
    judged, order = panel.judge(measured, there), np.array([4, 2, 0, 1, 3])
    np.testing.assert_allclose(panel.judge(measured[:, order], there[:, order]), judged[:, order], atol=1e-6)
    assert (judged[1, 3:] == 0).all() and (judged[there] > 0).all()
    np.testing.assert_allclose(panel.judge(measured[1:, :3], there[1:, :3]), judged[1:, :3], atol=1e-6)
    alone = panel.judge(measured[:1, :1], there[:1, :1])
    assert abs(alone[0, 0] - judged[0, 0]) > 1e-4  # the others count


def test_answers_of_a_picture_depend_on_its_number_alone(source: RegionExamples) -> None:
    torch.manual_seed(0)
    pictures = Generated(("phases", "pores"), 64)
    answers = AnswerExamples(pictures, source._network, Judge().eval(), RECIPE, seed=4)
    every = list(one_by_one(answers, workers=0))
    for one, other in zip(every, one_by_one(answers, workers=1), strict=True):
        np.testing.assert_array_equal(one.offers.measured, other.offers.measured)
        np.testing.assert_array_equal(one.overlap, other.overlap)
        assert one.overlap.shape == one.offers.there.shape and len(one.overlap) <= 5
        assert (one.overlap >= 0).all() and (one.overlap <= 1).all() and not one.overlap[~one.offers.there].any()
    assert max(one.overlap.max(initial=0) for one in every) > 0.5


def test_which_of_several_offers_is_right_is_learned_from_the_others() -> None:
    """Of two offers the one that is larger than the other is right: nothing that is seen of one alone."""
    rng, found = np.random.default_rng(3), []
    for _ in range(9):
        measured = rng.normal(size=(64, 2, 4)).astype(np.float32)
        overlap = (measured[..., 0] > measured[:, ::-1, 0]).astype(np.float32)
        found.append(Answers(Offers(measured, np.ones((64, 2), dtype=np.bool_)), overlap))
    recipe = RECIPE.model_copy(update={"answered_epochs": 30, "answered_batch": 32})
    torch.manual_seed(0)
    panel = Panel(4)
    report = learn_answers(panel, found, recipe, 0)
    assert report.examples == 7 * 64 and report.overlap > 0.95 and report.error < 0.1 and report.offered_error < 0.1
    torch.manual_seed(0)
    again = Panel(4)
    assert learn_answers(again, found, recipe, 0) == report
    nothing = Answers(Offers(np.zeros((2, 3, 4), np.float32), np.zeros((2, 3), np.bool_)), np.zeros((2, 3), np.float32))
    report = learn_answers(Panel(4), [nothing] * 2, recipe, 0)
    assert (report.overlap, report.error, report.offered_error, report.examples) == (None, None, None, 0)
