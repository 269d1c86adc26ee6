"""Regions between boundaries, worked out by hand, and the shipped network on a picture nobody trained on."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from matcurate.errors import CheckpointError, ConfigError
from matcurate.promptable.builtin.descriptors import DESCRIPTORS
from matcurate.promptable.builtin.joining import MEASURES
from matcurate.promptable.builtin.network import Head, NetworkSettings, UNet
from matcurate.promptable.builtin.offers import COMPARED
from matcurate.promptable.builtin.predictor import BuiltinBackbone, BuiltinPredictor, BuiltinSettings
from matcurate.promptable.builtin.quality import Judge
from matcurate.promptable.builtin.scene import Scene
from matcurate.promptable.builtin.shipped import SHA256, SHIPPED, shipped
from matcurate.promptable.builtin.weights import Weights, load_weights, save_weights
from matcurate.promptable.digests import sha256_of
from matcurate.promptable.registry import load_backbone
from matcurate.types import Candidate, Side

Answer = tuple[Candidate, ...]
SHAPE = (24, 40)
HEADS: tuple[Head, ...] = ("boundary", "inside")


def judge_of_outlines() -> Judge:
    """Quality sigmoid(20 (outline - .5)) for points; of the fit in its place for boxes, of the boundary for seams."""
    judge = Judge()
    columns = DESCRIPTORS.index("outline"), len(DESCRIPTORS), MEASURES.index("boundary")
    for quality, column in zip((judge.points, judge.boxes, judge.seams), columns, strict=True):
        first, second, last = quality.layers[0], quality.layers[2], quality.layers[4]
        with torch.no_grad():
            for layer in (first, second, last):
                layer.weight.zero_()
                layer.bias.zero_()
            first.weight[0, column] = second.weight[0, 0] = 1
            last.weight[0, 0], last.bias[0] = 20, -10
    return as_scored(judge)


def as_scored(judge: Judge) -> Judge:
    """The panel says of each what it is scored alone: the logit and its opposite pass through, and are subtracted."""
    panel, score = judge.panel, len(DESCRIPTORS) + COMPARED.index("score")
    with torch.no_grad():
        for parameter in panel.parameters():
            parameter.zero_()
        panel.each[0].weight[0, score], panel.each[0].weight[1, score] = 1, -1
        for layer in (panel.each[2], panel.own, panel.last[1]):
            layer.weight[0, 0] = layer.weight[1, 1] = 1
        panel.last[3].weight[0, 0], panel.last[3].weight[0, 1] = 1, -1
    return judge


def three_strips(**settings: float) -> BuiltinPredictor:
    """Grey strips of 12, 10 and 18 columns, levels 50, 90 and 200, parted by a weak and a strong boundary.

    In the image the strips are all there is, so the grey levels' regions are those of the boundaries.
    """
    pixels, said = np.full(SHAPE, 50, dtype=np.uint8), np.zeros((2, *SHAPE), dtype=np.float32)
    pixels[:, 12:], pixels[:, 22:] = 90, 200
    said[0, :, 11:13], said[0, :, 21:23] = 0.5, 0.9
    return BuiltinPredictor(Scene(pixels, said, HEADS), judge_of_outlines(), BuiltinSettings.model_validate(settings))


def strength(outline: float) -> float:
    return 1 / (1 + math.exp(-20 * (outline - 0.5)))


def spans(candidates: Sequence[Candidate]) -> list[tuple[int, int]]:
    """First and last column, exclusive; every region is as high as the image."""
    assert all(candidate.mask.all() and len(candidate.mask) == SHAPE[0] for candidate in candidates)
    return [(candidate.box[1], candidate.box[3]) for candidate in candidates]


def answer(*points: tuple[float, float], labels: tuple[int, ...] | None = None, **settings: float) -> Answer:
    kinds = np.array([labels or (1,) * len(points)])
    return three_strips(**settings).predict(np.array([points]), kinds)[0]


def test_a_point_is_answered_by_the_best_regions_around_it() -> None:
    found = answer((5, 10))
    assert spans(found) == [(0, 12), (0, 22)]
    assert [one.quality for one in found] == pytest.approx([strength(0.5), strength(0.9)], abs=0.02)
    assert spans(answer((35, 10), min_answer=0.1)) == [
        (22, 40),
        (12, 40),
    ]  # the pair is a region of the bright
    assert spans(answer((5, 10), (15, 10))) == [(0, 22)]
    assert answer((5, 10), (35, 10)) == ()  # only the whole image holds both
    assert spans(answer((5, 10), (15, 10), labels=(1, 0))) == [(0, 12)]
    assert answer((5, 10), labels=(0,)) == () == answer((5, 10), labels=(-1,))
    assert spans(answer((5, 10), min_answer=0.95)) == [(0, 22)]
    assert spans(answer((5, 10), max_share=0.4)) == [(0, 12)]


def test_what_contrasts_is_answered_without_a_look_at_seams() -> None:
    whole, lean = three_strips(), three_strips().contrasting(("bright", "dark"), 0.0)
    assert (len(whole.forest.members), len(lean.forest.members)) == (4, 3)
    right = np.array([[[35.0, 10.0]]])
    assert spans(lean.predict(right, np.array([[1]]))[0]) == spans(whole.predict(right, np.array([[1]]))[0])
    assert set(spans(lean.regions("bright"))) == {(22, 40)} and set(spans(lean.regions("dark"))) == {(0, 22)}


@pytest.mark.parametrize(("side", "standing_out"), [("bright", (22, 40)), ("dark", (0, 22))])
def test_what_contrasts_is_looked_for_towards_one_side_alone(side: Side, standing_out: tuple[int, int]) -> None:
    lean = three_strips().contrasting((side,), 0.0)
    assert len(lean.forest.members) == 2
    assert set(spans(lean.regions(side))) == {standing_out}


def test_only_answers_of_some_quality_are_made() -> None:
    point, label = np.array([[[5.0, 10.0]]]), np.array([[1]])
    every = three_strips().contrasting(("dark",), 0.0).predict(point, label)[0]
    assert spans(every) == [(0, 12), (0, 22)] and every[0].quality < 0.6 < every[1].quality
    better = three_strips().contrasting(("dark",), 0.6)
    assert spans(better.predict(point, label)[0]) == [(0, 22)] and set(spans(better.regions("dark"))) == {(0, 22)}
    best = three_strips().contrasting(("dark",), 0.9999)
    assert best.predict(point, label) == [()] and best.regions("dark") == ()


def test_a_box_is_answered_by_the_region_that_fits() -> None:
    boxes = np.array([(12, 0, 22, 24), (1, 0, 21, 24), (0, 0, 1, 1)], dtype=np.float64)
    middle, pair, nothing = three_strips().predict_boxes(boxes)
    assert spans(sorted(middle, key=lambda one: -one.quality)[:1]) == [(12, 22)]
    best = max(pair, key=lambda one: one.quality)
    # The blur before the grey levels are looked at moves an outline by a column.
    assert spans([best])[0] == pytest.approx((0, 22), abs=1) and best.quality == pytest.approx(strength(0.95), abs=1e-3)
    assert nothing == ()


def test_each_side_gets_the_regions_that_stand_out_towards_it() -> None:
    bright, dark = three_strips().regions("bright"), three_strips().regions("dark")
    assert set(spans(bright)) == {(22, 40)} and set(spans(dark)) == {(0, 22)}
    assert [one.quality for one in (*bright, *dark)] == pytest.approx(
        [strength(0.9)] * (len(bright) + len(dark)), abs=0.02
    )
    assert three_strips(min_region=0.9999).regions("bright") == ()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (9, 14)])
def test_an_image_without_boundaries_has_no_regions(shape: tuple[int, int]) -> None:
    scene = Scene(np.zeros(shape, dtype=np.uint8), np.zeros((2, *shape), dtype=np.float32), HEADS)
    predictor = BuiltinPredictor(scene, judge_of_outlines(), BuiltinSettings())
    assert predictor.regions("bright") == predictor.regions("dark") == ()
    assert predictor.predict(np.zeros((2, 1, 2)), np.ones((2, 1), dtype=int)) == [(), ()]
    assert predictor.predict_boxes(np.array([[0.0, 0.0, 1.0, 1.0]])) == [()]


def test_no_prompts_no_answers() -> None:
    assert three_strips().predict(np.zeros((0, 1, 2)), np.ones((0, 1), dtype=int)) == []
    assert three_strips().predict_boxes(np.zeros((0, 4))) == []


def test_no_weights_twice_and_no_surprises(tmp_path: Path) -> None:
    assert sha256_of(SHIPPED) == SHA256 and SHIPPED.stat().st_size < 3_000_000
    assert shipped("cpu") is shipped("cpu")
    with pytest.raises(ConfigError, match="is not there"):
        shipped("cuda:99")
    other = tmp_path / "weights.safetensors"
    save_weights(other, UNet(NetworkSettings(widths=(4, 8))), None, {})
    with pytest.raises(CheckpointError, match="not the weights that this version was shipped with"):
        shipped("cpu", other)
    with pytest.raises(ConfigError, match="draws none at random"):
        load_backbone("builtin", tmp_path, random_weights=True)


def test_the_digest_covers_weights_and_settings() -> None:
    loaded = load_weights(SHIPPED)
    one = BuiltinBackbone(loaded)
    assert one.digest == shipped("cpu").digest
    assert one.digest != BuiltinBackbone(loaded, BuiltinSettings(min_answer=0.2)).digest
    assert one.digest != BuiltinBackbone(Weights(loaded.network, loaded.judge, "0" * 64, {})).digest
    assert set(loaded.card) >= {"recipe", "sources", "seed", "steps", "minutes"}


@pytest.mark.parametrize("bright", [True, False])
def test_the_shipped_network_finds_discs(bright: bool) -> None:
    rows, columns = np.mgrid[:96, :160] % 32
    truth = (rows - 16) ** 2 + (columns - 16) ** 2 < 10**2
    noise = np.random.default_rng(2).normal(0, 8, (96, 160))
    pixels = (np.where(truth == bright, 150, 90) + noise).clip(0, 255).astype(np.uint8)
    predictor = shipped("cpu").open(pixels)
    found = np.zeros((96, 160), dtype=bool)
    for region in predictor.regions("bright" if bright else "dark"):
        found |= region.paint((96, 160))
    assert (found & truth).sum() / (found | truth).sum() > 0.8
    centres = np.array([[[16.0 + 32 * x, 16.0 + 32 * y]] for y in range(3) for x in range(5)])
    answers = predictor.predict(centres, np.ones((15, 1), dtype=int))
    best = [max(answer, key=lambda candidate: candidate.quality).area for answer in answers]
    assert np.median(best) == pytest.approx(np.pi * 100, rel=0.25)


def test_tiles_part_where_the_seams_are_judged_to_split() -> None:
    tiles = three_strips().tiles(smallest=20)  # a seam of .5 is judged .5, which is not less than one of both
    assert sorted(spans(tiles)) == [(0, 12), (12, 22), (22, 40)]
    assert {tile.box[1]: tile.quality for tile in tiles} == pytest.approx(
        {0: 0.5, 12: (0.5 + strength(0.9)) / 2, 22: strength(0.9)}, abs=1e-3
    )
    assert sorted(spans(three_strips().tiles(smallest=24 * 11))) == [(0, 17), (17, 40)]
    (whole,) = three_strips().tiles(smallest=24 * 13)
    assert whole.mask.all() and whole.mask.shape == SHAPE


def test_what_is_too_small_goes_to_the_nearest_tile() -> None:
    pixels, said = np.full(SHAPE, 50, dtype=np.uint8), np.zeros((2, *SHAPE), dtype=np.float32)
    said[0, 7:17, 9:19] = 1
    said[0, 8:16, 10:18] = 0
    scene = Scene(pixels, said, HEADS)
    predictor = BuiltinPredictor(scene, judge_of_outlines(), BuiltinSettings())
    small = predictor.tiles(smallest=4)
    assert len(small) > 1 and sum(tile.area for tile in small) == 24 * 40
    (one,) = predictor.tiles(smallest=200)
    assert one.mask.all()
    lone = BuiltinPredictor(Scene(pixels[:1, :1], said[:, :1, :1], HEADS), judge_of_outlines(), BuiltinSettings())
    assert [tile.area for tile in lone.tiles(smallest=9)] == [1]
