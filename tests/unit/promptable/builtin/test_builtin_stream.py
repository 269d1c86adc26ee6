"""Targets worked out by hand, augmentations, and the stream's order."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from matcurate.errors import ConfigError
from matcurate.imaging.dataset import write_sample
from matcurate.imaging.synth.registry import KINDS
from matcurate.promptable.builtin.augment import disturbed, resized, resized_ids, turned, window
from matcurate.promptable.builtin.network import NetworkSettings
from matcurate.promptable.builtin.recipe import Augmentation, Recipe
from matcurate.promptable.builtin.stream import Crops, Generated, Mixed, Picture, batches
from matcurate.promptable.builtin.targets import boundaries, insides, region_ids

STILL = Augmentation(scale=(1, 1), gamma=(1, 1), contrast=(1, 1), noise=(0, 0), blur=(0, 0))
RECIPE = Recipe(
    name="tiny",
    network=NetworkSettings(widths=(4, 8)),
    kinds=("precipitates",),
    picture=48,
    crop=32,
    crops_per_picture=3,
    steps=4,
    workers=0,
)


def test_a_boundary_is_one_pixel_on_each_side() -> None:
    regions = np.array([[0, 0, 0, 1], [0, 0, 0, 1], [0, 2, 0, 0], [0, 0, 0, 0]], dtype=np.int32)
    expected = [[0, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1], [0, 1, 0, 0]]
    np.testing.assert_array_equal(boundaries(regions), np.array(expected, dtype=bool))


def test_touching_instances_and_touching_phases_are_regions_of_their_own() -> None:
    phases = np.array([[0, 1, 1, 2, 2]], dtype=np.uint8)
    np.testing.assert_array_equal(region_ids(phases, None), [[0, 1, 1, 2, 2]])
    instances = np.array([[0, 7, 9, 9, 9]], dtype=np.uint32)
    np.testing.assert_array_equal(region_ids(phases, instances), [[0, 1, 2, 3, 3]])
    np.testing.assert_array_equal(boundaries(region_ids(phases, instances)), [[1, 1, 1, 1, 0]])


def test_inside_is_unknown_where_there_is_no_matrix_or_nothing_else() -> None:
    np.testing.assert_array_equal(insides(np.array([[0, 1, 2]], dtype=np.uint8)), [[0, 1, 1]])
    for only in (0, 1):
        np.testing.assert_array_equal(insides(np.full((2, 3), only, dtype=np.uint8)), np.full((2, 3), -1))


def test_windows_follow_the_magnification_and_stay_in_the_picture() -> None:
    rng = np.random.default_rng(0)
    for scale, edge in ((0.5, 64), (1.0, 32), (2.0, 16), (0.01, 96)):
        options = STILL.model_copy(update={"scale": (scale, scale)})
        for top, left, found in (window((96, 160), 32, options, rng) for _ in range(50)):
            assert found == edge and 0 <= top <= 96 - edge and 0 <= left <= 160 - edge


def test_ids_and_grey_values_are_resized_alike() -> None:
    ids = np.arange(16, dtype=np.int32).reshape(4, 4)
    np.testing.assert_array_equal(resized_ids(ids, 2), [[5, 7], [13, 15]])
    np.testing.assert_array_equal(resized_ids(ids, 8)[::2, ::2], ids)
    np.testing.assert_allclose(resized(ids.astype(np.float32), 4).numpy(), ids, atol=1e-5)
    halves = np.repeat(np.array([[0.0, 1.0]], dtype=np.float32), 8, axis=0).repeat(4, axis=1)
    assert (resized_ids((halves > 0.5).astype(np.int32), 24) == (resized(halves, 24).numpy() > 0.5)).all()


def test_each_disturbance_does_what_it_says() -> None:
    rng = np.random.default_rng(0)
    grey = torch.tensor([[0.0, 0.25], [0.5, 1.0]]).repeat(16, 16)
    assert torch.equal(disturbed(grey, STILL, rng), grey)

    def one(**change: object) -> torch.Tensor:
        return disturbed(grey, STILL.model_copy(update=change), rng)

    assert torch.allclose(one(gamma=(2.0, 2.0)), grey**2)
    assert torch.allclose(one(contrast=(0.5, 0.5)), 0.4375 + (grey - 0.4375) / 2)
    assert torch.allclose(one(invert=1.0), 1 - grey)
    assert (one(noise=(0.1, 0.1)) - grey).std().item() == pytest.approx(0.1, rel=0.1)
    assert one(blur=(2.0, 2.0)).std() < 0.2 * grey.std()


def test_the_eight_symmetries_all_occur_and_keep_the_channels_together() -> None:
    rng = np.random.default_rng(0)
    plane = torch.arange(9.0).reshape(3, 3)
    seen = [turned(torch.stack([plane, 10 * plane]), rng) for _ in range(200)]
    assert all(torch.equal(10 * pair[0], pair[1]) for pair in seen)
    assert len({tuple(pair[0].flatten().tolist()) for pair in seen}) == 8


def test_targets_lie_on_the_picture_they_were_cut_from() -> None:
    phases = np.zeros((96, 160), dtype=np.uint8)
    phases[20:70, 30:120] = 1

    class Square:
        sources = ("square",)

        def draw(self, rng: np.random.Generator) -> Picture:
            return Picture.of(phases * 100, phases, None, 0)

    options = STILL.model_copy(update={"scale": (0.5, 2.0)})
    recipe = RECIPE.model_copy(update={"augmentation": options, "crops_per_picture": 40})
    batch = Crops(Square(), recipe, seed=0)[0]
    inside = batch.targets[:, 1] == 1
    bright = batch.images[:, 0] > 0.5
    assert inside.any() and (~inside).any()
    assert (inside == bright).float().mean() > 0.98
    edges = batch.targets[:, 0] == 1
    off = [boundaries(mask.numpy().astype(np.int32)) != edge.numpy() for mask, edge in zip(inside, edges, strict=True)]
    assert not np.any(off)


def test_batch_i_is_the_same_from_wherever_one_starts() -> None:
    pictures = Generated(RECIPE.all_kinds, RECIPE.picture)
    every = list(batches(pictures, RECIPE, seed=5, first_step=0))
    assert len(every) == 4 and every[0].images.shape == (6, 1, 32, 32) and every[0].targets.shape == (6, 4, 32, 32)
    later = list(batches(pictures, RECIPE, seed=5, first_step=2))
    drawn = list(batches(pictures, RECIPE.model_copy(update={"workers": 1}), seed=5, first_step=2))
    for one, two, three in zip(every[2:], later, drawn, strict=True):
        assert torch.equal(one.images, two.images) and torch.equal(one.targets, two.targets)
        assert torch.equal(one.images, three.images) and torch.equal(one.targets, three.targets)
    other = next(iter(batches(pictures, RECIPE, seed=6, first_step=2)))
    assert not torch.equal(other.images, later[0].images)
    assert not torch.equal(every[0].images[:3], every[0].images[3:])


def test_every_registered_kind_comes_by_itself() -> None:
    assert RECIPE.model_copy(update={"kinds": ()}).all_kinds == tuple(KINDS)
    with pytest.raises(ConfigError, match="no kind of microstructure 'foam'"):
        _ = RECIPE.model_copy(update={"kinds": ("foam",)}).all_kinds
    rng = np.random.default_rng(0)
    generated = Generated(("grains", "phases"), 32)
    assert {generated.draw(rng).source for _ in range(20)} == {0, 1}


def folder_of(path: Path, level: int) -> Path:
    pixels = np.full((40, 56), level, dtype=np.uint16)
    pixels[:, 28:] += 1
    write_sample(path, "a", pixels, (pixels > level).astype(np.uint8))
    return path


def test_real_folders_join_in_their_share(tmp_path: Path) -> None:
    folders = [folder_of(tmp_path / "steel", 9), folder_of(tmp_path / "brass", 500)]
    mixed = Mixed(Generated(("phases",), 32), folders, 0.5)
    assert mixed.sources == ("phases", f"{tmp_path.name}/steel", f"{tmp_path.name}/brass")
    rng = np.random.default_rng(0)
    drawn = [mixed.draw(rng) for _ in range(200)]
    counts = np.bincount([picture.source for picture in drawn], minlength=3) / 200
    np.testing.assert_allclose(counts, [0.5, 0.25, 0.25], atol=0.1)
    real = next(picture for picture in drawn if picture.source == 2)
    np.testing.assert_array_equal(np.unique(real.grey), [0, 1])
    assert real.grey.shape == (40, 56) and boundaries(real.regions).sum() == 2 * 40
    alone = Mixed(Generated(("phases",), 32), [], 0.5)
    assert {alone.draw(rng).source for _ in range(20)} == {0}


def test_learning_rates() -> None:
    constant = RECIPE.model_copy(update={"learning_rate": 1.0, "warmup": 4, "steps": 100})
    assert [constant.learning_rate_at(step) for step in (0, 1, 3, 99)] == [0.25, 0.5, 1.0, 1.0]
    cosine = constant.model_copy(update={"schedule": "cosine", "warmup": 0})
    assert [cosine.learning_rate_at(step) for step in (0, 50, 100)] == pytest.approx([1, 0.5, 0])
    assert cosine.learning_rate_at(25) == pytest.approx((1 + math.sqrt(0.5)) / 2)


def test_a_run_may_only_be_resumed_with_what_it_learns() -> None:
    def changed(**change: object) -> bool:
        return RECIPE.model_copy(update=change).fingerprint() != RECIPE.fingerprint()

    assert not changed(workers=3, report_steps=1, steps=99, name="other", kinds=())
    assert changed(crop=64) and changed(learning_rate=0.5) and changed(network=NetworkSettings())
    cosine = RECIPE.model_copy(update={"schedule": "cosine"})
    assert cosine.fingerprint() != cosine.model_copy(update={"steps": 99}).fingerprint()


def test_recipes_refuse_what_makes_no_sense() -> None:
    wrongs = ({"crp": 64}, {"crop": 8}, {"augmentation": {"scale": [0, 1]}}, {"augmentation": {"blur": [2, 1]}})
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            Recipe.model_validate({"name": "a", **wrong})
