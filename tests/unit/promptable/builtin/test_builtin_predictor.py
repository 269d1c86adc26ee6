"""Regions between boundaries, worked out by hand, and the shipped network on a picture nobody trained on."""

from pathlib import Path

import numpy as np
import pytest

from matcurate.errors import CheckpointError, ConfigError
from matcurate.promptable.builtin.network import NetworkSettings, UNet
from matcurate.promptable.builtin.predictor import BuiltinBackbone, BuiltinPredictor, BuiltinSettings
from matcurate.promptable.builtin.regions import basins, outline_strength, region_levels, weighted_otsu
from matcurate.promptable.builtin.shipped import SHA256, SHIPPED, shipped
from matcurate.promptable.builtin.weights import Weights, load_weights, save_weights
from matcurate.promptable.digests import sha256_of
from matcurate.promptable.registry import load_backbone

SHAPE = (96, 160)
LEFT, MIDDLE, RIGHT = (slice(None), slice(0, 50)), (slice(None), slice(50, 90)), (slice(None), slice(90, 160))


def three_strips() -> tuple[np.ndarray, np.ndarray]:
    """Grey strips of levels 50, 90 and 200; the first two are parted by a weak boundary, the others by a strong one."""
    pixels, boundary = np.zeros(SHAPE, dtype=np.uint8), np.zeros(SHAPE, dtype=np.float32)
    for strip, level in ((LEFT, 50), (MIDDLE, 90), (RIGHT, 200)):
        pixels[strip] = level
    boundary[:, 49:51] = 0.4
    boundary[:, 89:91] = 0.9
    return pixels, boundary


def test_a_cut_joins_what_weaker_boundaries_part() -> None:
    boundary = three_strips()[1]
    columns = {cut: basins(boundary, cut).labels[40] for cut in (0.1, 0.6, 0.95)}
    assert {cut: len(np.unique(row)) for cut, row in columns.items()} == {0.1: 3, 0.6: 2, 0.95: 1}
    weak, strong = columns[0.1], columns[0.6]
    assert len({weak[10], weak[70], weak[120]}) == 3
    assert strong[10] == strong[70] != strong[120]


def test_strength_is_the_outline_less_what_merged_inside() -> None:
    found = basins(three_strips()[1], 0.1)
    tree = found.hierarchy
    assert len(tree.parent) == 5  # three strips, the first two together, and all
    home = tree.home.reshape(SHAPE)
    left, middle, right = home[40, 10], home[40, 70], home[40, 120]
    pair = tree.parent[left]
    assert pair == tree.parent[middle] and tree.parent[pair] == tree.parent[right] == tree.root
    expected = {left: 0.4, middle: 0.65, right: 0.9, pair: 0.9 - 0.4, tree.root: 0.0}
    for node, strength in expected.items():
        assert found.strength[node] == pytest.approx(strength, abs=1e-6)


def test_levels_are_taken_off_the_boundaries() -> None:
    pixels = np.array([[10.0, 20.0, 90.0, 40.0, 40.0, 7.0]])
    boundary = np.array([[0, 0, 0.9, 0, 0, 0.9]], dtype=np.float32)
    labels = np.array([[0, 0, 0, 1, 1, 2]], dtype=np.int32)
    np.testing.assert_allclose(region_levels(pixels, boundary, labels), [[15, 2], [40, 2], [7, 1]])


def test_otsu_weighs_regions_by_their_area() -> None:
    levels, even = np.array([0.0, 4.0, 10.0]), np.array([1.0, 1.0, 1.0])
    assert weighted_otsu(levels, even) == 7
    assert weighted_otsu(levels[::-1], even) == 7
    # Two parts of 100 at 0 and 4 against one of 1 at 10: the split between the large ones varies more.
    assert weighted_otsu(levels, np.array([100.0, 100.0, 1.0])) == 2
    assert weighted_otsu(np.array([3.0, 3.0]), even[:2]) == 3 and weighted_otsu(levels[2:], even[2:]) == 10


def test_otsu_over_pixels_is_that_of_scikit_image() -> None:
    from skimage.filters import threshold_otsu

    grey = np.random.default_rng(0).normal([[60], [150]], 12, (2, 3000)).round().clip(0, 255).astype(np.uint8)
    levels, counts = np.unique(grey, return_counts=True)
    mine = weighted_otsu(levels.astype(float), counts.astype(float))
    assert ((grey > mine) == (grey > threshold_otsu(grey))).all()


def test_outline_strength_takes_the_stronger_side_of_every_edge() -> None:
    boundary = np.array([[0.0, 0.2, 0.6, 0.0], [0.0, 0.4, 0.1, 0.0]], dtype=np.float32)
    labels = np.array([[0, 0, 1, 1], [0, 0, 1, 2]], dtype=np.int32)
    # 0 meets 1 at max(.2, .6) and max(.4, .1); 2 meets 1 at .1 and at 0.
    np.testing.assert_allclose(outline_strength(boundary, labels), [0.5, 1.1 / 4, 0.05], rtol=1e-6)
    np.testing.assert_allclose(outline_strength(boundary, np.zeros((2, 4), dtype=np.int32)), [0])


def test_each_side_gets_its_strips() -> None:
    predictor = BuiltinPredictor(*three_strips(), BuiltinSettings())
    (bright,), dark = predictor.regions("bright"), predictor.regions("dark")
    assert abs(bright.box[1] - 90) <= 1 and bright.box[3] == 160 and bright.quality == pytest.approx(0.9, abs=0.01)
    assert len(dark) == 2
    assert sum(region.area for region in (bright, *dark)) == 96 * 160
    covered = sum(region.paint(SHAPE).astype(int) for region in (bright, *dark))
    assert (covered == 1).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (9, 14)])
def test_an_image_without_boundaries_has_no_regions(shape: tuple[int, int]) -> None:
    predictor = BuiltinPredictor(np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.float32), BuiltinSettings())
    assert predictor.regions("bright") == predictor.regions("dark") == ()
    assert predictor.predict(np.zeros((2, 1, 2)), np.ones((2, 1), dtype=int)) == [(), ()]


def answer(*points: tuple[float, float], labels: tuple[int, ...] | None = None, **settings: float) -> list[int]:
    """Widths of the answers to one prompt on the strips."""
    chosen = BuiltinSettings.model_validate(settings)
    kinds = np.array([labels or (1,) * len(points)])
    found = BuiltinPredictor(*three_strips(), chosen).predict(np.array([points]), kinds)[0]
    return [round(candidate.area / 96) for candidate in found]


def test_a_point_is_answered_by_the_regions_around_it() -> None:
    assert answer((10, 40)) == pytest.approx([50, 90], abs=1)
    assert len(answer((120, 40))) == 1
    assert len(answer((10, 40), (70, 40))) == 1  # only the pair holds both
    assert answer((10, 40), (120, 40)) == []  # only the root does
    assert len(answer((10, 40), (70, 40), labels=(1, 0))) == 1  # the pair holds the background point
    assert answer((10, 40), labels=(0,)) == [] == answer((10, 40), labels=(-1,))
    assert len(answer((10, 40), min_answer=0.45)) == 1  # the strip's own outline is .4
    assert answer((120, 40), max_share=0.3) == []


def test_no_weights_twice_and_no_surprises(tmp_path: Path) -> None:
    assert sha256_of(SHIPPED) == SHA256 and SHIPPED.stat().st_size < 3_000_000
    assert shipped("cpu") is shipped("cpu")
    with pytest.raises(ConfigError, match="is not there"):
        shipped("cuda:99")
    other = tmp_path / "weights.safetensors"
    save_weights(other, UNet(NetworkSettings(widths=(4, 8))), {})
    with pytest.raises(CheckpointError, match="not the weights that this version was shipped with"):
        shipped("cpu", other)
    with pytest.raises(ConfigError, match="draws none at random"):
        load_backbone("builtin", tmp_path, random_weights=True)


def test_the_digest_covers_weights_and_settings() -> None:
    loaded = load_weights(SHIPPED)
    one = BuiltinBackbone(loaded)
    assert one.digest == shipped("cpu").digest
    assert one.digest != BuiltinBackbone(loaded, BuiltinSettings(cut=0.2)).digest
    assert one.digest != BuiltinBackbone(Weights(loaded.network, "0" * 64, {})).digest
    assert set(loaded.card) >= {"recipe", "sources", "seed", "steps", "minutes"}


@pytest.mark.parametrize("bright", [True, False])
def test_the_shipped_network_finds_discs(bright: bool) -> None:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]] % 32
    truth = (rows - 16) ** 2 + (columns - 16) ** 2 < 10**2
    noise = np.random.default_rng(2).normal(0, 8, SHAPE)
    pixels = (np.where(truth == bright, 150, 90) + noise).clip(0, 255).astype(np.uint8)
    predictor = shipped("cpu").open(pixels)
    found = np.zeros(SHAPE, dtype=bool)
    for region in predictor.regions("bright" if bright else "dark"):
        found |= region.paint(SHAPE)
    assert (found & truth).sum() / (found | truth).sum() > 0.8
    centres = np.array([[[16.0 + 32 * x, 16.0 + 32 * y]] for y in range(3) for x in range(5)])
    answers = predictor.predict(centres, np.ones((15, 1), dtype=int))
    near = [max((c.area for c in answer if c.area < 600), default=0) for answer in answers]
    assert np.median(near) == pytest.approx(np.pi * 100, rel=0.25)
