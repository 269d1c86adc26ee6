"""Learning which seams part two grains."""

import numpy as np
import pytest
import torch

from matcurate.promptable.builtin.edges import Between
from matcurate.promptable.builtin.joining import MEASURES
from matcurate.promptable.builtin.network import NetworkSettings, UNet
from matcurate.promptable.builtin.patches import summed
from matcurate.promptable.builtin.quality import Estimator
from matcurate.promptable.builtin.recipe import SeamRecipe
from matcurate.promptable.builtin.seams import Parted, SeamPictures, drawn_out, learn_seams, owners
from matcurate.promptable.builtin.stream import Generated, Picture, one_by_one

RECIPE = SeamRecipe(pictures=4, picture=96, crop=80, rounds=2, seams_per_picture=400, epochs=12, batch=64)


def chequered(seed: int) -> Parted:
    """Patches of 6 × 8 pixels; grains of 2 × 2 patches differ in grey by six times the noise, or more."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((48, 96))
    labels = (rows // 6 * 12 + columns // 8).astype(np.int64)
    truth = (rows // 12 * 6 + columns // 16).astype(np.int32)
    grey = rng.permutation(24)[truth] / 4 + rng.normal(0, 1 / 24, truth.shape)
    parted = Between(np.full((48, 95), 0.2), np.full((47, 96), 0.2))
    return Parted(summed(labels, parted, grey), truth)


def estimator() -> Estimator:
    torch.manual_seed(0)
    return Estimator(len(MEASURES))


def test_a_patch_belongs_to_the_grain_with_most_of_its_pixels() -> None:
    labels = np.repeat([[0, 0, 0, 1, 1, 2]], 4, axis=0).astype(np.int64)
    truth = np.repeat([[5, 5, 3, 3, 3, 3]], 4, axis=0).astype(np.int32)
    nothing = Between(np.zeros((4, 5)), np.zeros((3, 6)))
    assert owners(summed(labels, nothing, np.zeros((4, 6))), truth).tolist() == [5, 3, 3]


def test_grains_are_learned_and_found_in_pictures_kept_apart() -> None:
    found = [chequered(seed) for seed in range(9)]
    one = estimator()
    report = learn_seams(one, found, RECIPE, seed=0)
    assert report.pictures == 2 and report.ari > 0.9
    again = estimator()
    assert learn_seams(again, found, RECIPE, seed=0) == report
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))


def test_a_picture_is_drawn_out_along_one_axis() -> None:
    rows, columns = np.indices((24, 40))
    ids = (rows // 4 * 10 + columns // 4).astype(np.int32)
    picture = Picture(rows.astype(np.float32), ids, np.ones((24, 40), dtype=np.int8), 5)
    for seed in range(6):
        longer = drawn_out(picture, 2.0, np.random.default_rng(seed))
        assert longer.grey.shape == (24, 40) and longer.source == 5
        runs = [
            np.diff(np.flatnonzero(np.diff(line, prepend=-1))) for line in (longer.regions[12], longer.regions[:, 20])
        ]
        assert sorted(int(np.median(run)) for run in runs) == [4, 8]
    unchanged = drawn_out(picture, 1.0, np.random.default_rng(0))
    np.testing.assert_array_equal(unchanged.regions, ids)
    np.testing.assert_array_equal(unchanged.grey, picture.grey)


def test_pictures_are_functions_of_their_number() -> None:
    torch.manual_seed(1)
    network = UNet(NetworkSettings(widths=(4, 8))).eval()
    source = SeamPictures(Generated(("grains",), RECIPE.picture), network, RECIPE, seed=3)
    first = list(one_by_one(source, workers=0))
    assert len(first) == 4 and first[2].truth.shape == (80, 80)
    np.testing.assert_array_equal(source[2].patches.seams, first[2].patches.seams)
    assert first[0].patches.areas.sum() == pytest.approx(80 * 80)
    assert not np.array_equal(first[0].truth, first[1].truth)
