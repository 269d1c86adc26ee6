"""What rates regions."""

import numpy as np
import pytest
import torch

from matcurate.promptable.builtin.quality import QualityNet, RegionQuality
from matcurate.promptable.builtin.regions import MEASURES


def drawn(inputs: int, seed: int = 0) -> QualityNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return QualityNet(inputs).eval()


def test_nothing_learned_is_one_half() -> None:
    net = drawn(3)
    for parameter in net.layers[-1].parameters():
        torch.nn.init.zeros_(parameter)
    assert net.rate(np.ones((4, 3), dtype=np.float32)).tolist() == [0.5] * 4


def test_the_last_bias_by_hand() -> None:
    net = drawn(2)
    torch.nn.init.zeros_(net.layers[-1].weight)
    torch.nn.init.constant_(net.layers[-1].bias, np.log(4))  # odds of 4 to 1
    rated = net.rate(np.zeros((3, 2)))
    assert rated.dtype == np.float64 and rated == pytest.approx([0.8] * 3)


def test_measurements_are_taken_relative_to_mean_and_deviation() -> None:
    plain, shifted = drawn(2), drawn(2)
    shifted.mean.copy_(torch.tensor([10.0, -3.0]))
    shifted.deviation.copy_(torch.tensor([2.0, 0.5]))
    measured = np.random.default_rng(0).normal(0, 1, (6, 2))
    assert shifted.rate(measured * [2.0, 0.5] + [10.0, -3.0]) == pytest.approx(plain.rate(measured), abs=1e-5)


def test_boxes_are_rated_by_one_value_more_than_points() -> None:
    quality = RegionQuality().eval()
    assert quality.points.rate(np.zeros((0, len(MEASURES)))).shape == (0,)
    assert quality.points.rate(np.zeros((2, len(MEASURES)))).shape == (2,)
    assert quality.boxes.rate(np.zeros((2, len(MEASURES) + 1))).shape == (2,)
