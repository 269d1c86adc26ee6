"""Examples that the estimator of quality learns from."""

import numpy as np
import pytest
import torch

from matcurate.errors import TrainingError
from matcurate.pretraining.pictures import Mixture, Picture
from matcurate.pretraining.quality import examples, learn_quality
from matcurate.pretraining.recipe import QualityRecipe
from matcurate.promptable.builtin.regions import MEASURES
from matcurate.promptable.nested import FITTING
from tests.unit.pretraining.pretraining_samples import Written, mixture, recipe
from tests.unit.small_objects import SHAPE, tiny_network, two_squares

COLUMNS = len(MEASURES)


def squares() -> np.ndarray:
    _, left, right = two_squares()
    return (3 * left + 5 * right).astype(np.int32)


def asked(ids: np.ndarray, **options: int) -> tuple[np.ndarray, np.ndarray]:
    return examples(two_squares()[0], ids, QualityRecipe(**options), np.random.default_rng(0))


def test_a_click_is_answered_by_the_square_by_both_and_by_all() -> None:
    points, _ = asked(squares())
    assert points.shape == (6, COLUMNS + 1) and points.dtype == np.float32
    overlaps = np.sort(points[:, -1].reshape(2, 3), axis=1)
    whole = 24 * 24 / (SHAPE[0] * SHAPE[1])
    for everything, both, one in overlaps:
        assert everything == pytest.approx(whole, rel=1e-5)
        assert both == pytest.approx(0.5, abs=0.1) and one > 0.8
    for row in points:  # the share of the image that a region covers, as measured
        share = np.exp(row[MEASURES.index("log_share")])
        assert (share > 0.99) == (row[-1] == pytest.approx(whole, rel=1e-5))


def test_a_box_is_answered_by_regions_whose_boxes_fit() -> None:
    _, boxes = asked(squares())
    assert boxes.shape == (4, COLUMNS + 2)  # of each square itself, and of both together
    fit, overlap = boxes[:, -2], boxes[:, -1]
    assert (fit >= FITTING).all()
    good = overlap > 0.8
    assert good.sum() == 2 and (fit[good] > 0.7).all() and (fit[~good] < 0.7).all()
    assert overlap[~good] == pytest.approx([0.5, 0.5], abs=0.1)


def test_so_many_objects_and_regions_as_the_recipe_says() -> None:
    assert [len(rows) for rows in asked(squares(), objects=1)] == [3, 2]
    assert [len(rows) for rows in asked(squares(), objects=2, regions=1)] == [2, 2]


def test_tiny_objects_and_none_are_not_asked_for() -> None:
    tiny = np.zeros(SHAPE, dtype=np.int32)
    tiny[20:23, 20:25] = 1  # 15 pixels
    for objects in (tiny, np.zeros(SHAPE, dtype=np.int32)):
        points, boxes = asked(objects)
        assert points.shape == (0, COLUMNS + 1) and boxes.shape == (0, COLUMNS + 2)
    tiny[23, 20] = 1
    assert len(asked(tiny)[0]) > 0


def test_the_same_seed_teaches_the_same() -> None:
    told: list[tuple[int, int, str]] = []
    one, report = learn_quality(
        tiny_network(), mixture(), recipe(), 3, lambda done, total, note="": told.append((done, total, note))
    )
    assert told == [(number, 10, "regions") for number in range(1, 11)]
    assert not one.training
    assert 0 <= report.error <= 1 and 0 <= report.boxed_error <= 1
    other, again = learn_quality(tiny_network(), mixture(), recipe(), 3, lambda *_: None)
    assert again.error == pytest.approx(report.error, abs=1e-3)
    assert torch.allclose(one.points.mean, other.points.mean, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(one.points.mean, torch.zeros(COLUMNS))
    for net in (one.points, one.boxes):
        assert all(torch.isfinite(value).all() for value in net.state_dict().values())


def test_pictures_without_objects_teach_nothing() -> None:
    nothing = np.zeros((64, 64), dtype=np.uint8)
    empty = Mixture([], [Written("empty", lambda: Picture.of(nothing, nothing, None, "empty"))], {}, 0)  # type: ignore[list-item]
    with pytest.raises(TrainingError, match=r"too few objects .*raise quality\.pictures in the recipe"):
        learn_quality(tiny_network(), empty, recipe(), 0, lambda *_: None)
