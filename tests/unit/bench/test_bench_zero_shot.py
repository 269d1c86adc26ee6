import numpy as np
import pytest

from matcurate.bench.dice import dice_of_classes, foreground_dice, mean_dice
from matcurate.bench.zero_shot import bench_zero_shot
from matcurate.config import load_settings
from matcurate.imaging.dataset import write_sample


def test_dice_by_hand():
    truth = [np.array([[0, 0, 1, 2]], np.uint8)]
    found = [np.array([[0, 1, 1, 1]], np.uint8)]
    # 2 · 1 / (1 + 2), 2 · 1 / (3 + 1), 2 · 0 / (0 + 1); as two classes 2 / 3 and 2 · 2 / (3 + 2).
    assert dice_of_classes(found, truth, 4) == (pytest.approx(2 / 3), 0.5, 0.0, None)
    assert mean_dice((0.5, None, 0.7)) == pytest.approx(0.6)
    assert foreground_dice(found, truth) == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_what_is_found_gets_the_name_that_suits_it_best(tmp_path):
    rows, columns = np.mgrid[:96, :160]
    labels = np.zeros((96, 160), np.uint8)
    for row, column in ((30, 40), (60, 100), (30, 130)):
        labels[(rows - row) ** 2 + (columns - column) ** 2 < 15**2] = 2
    labels[80:83, 20:23] = 1
    noise = np.random.default_rng(0).integers(0, 10, labels.shape)
    pixels = (60 + 120 * (labels == 2) + noise).astype(np.uint8)
    write_sample(tmp_path / "data", "discs", pixels, labels)
    found = bench_zero_shot(tmp_path / "data", settings=load_settings(tmp_path), preset="phases", backbone="builtin")
    assert found.names == (2,) and found.images == 1
    background, rare, discs = found.dice_per_class
    assert background > 0.95 and rare == 0 and discs > 0.9
    assert found.dice == pytest.approx((background + discs) / 3) and found.dice_foreground > 0.9
