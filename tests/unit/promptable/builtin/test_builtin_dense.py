"""Judging a block of rows at a time is what the layers say."""

import numpy as np
import pytest
import torch

from matcurate.promptable.builtin.dense import BLOCK, CHUNK
from matcurate.promptable.builtin.quality import Estimator, Panel


@pytest.mark.parametrize("rows", [0, 1, BLOCK, BLOCK + 3, CHUNK + BLOCK + 5])
def test_an_estimator_judges_as_its_layers_do(rows: int) -> None:
    torch.manual_seed(0)
    estimator = Estimator(7)
    estimator.mean.uniform_(-1, 1)
    estimator.deviation.uniform_(0.5, 2)
    measured = np.random.default_rng(0).normal(size=(rows, 7)).astype(np.float32)
    with torch.inference_mode():
        expected = estimator(torch.from_numpy(measured)).sigmoid().double().numpy()
    np.testing.assert_allclose(estimator.judge(measured), expected, atol=1e-6)


@pytest.mark.parametrize("prompts", [0, 1, 40])
def test_a_panel_judges_as_its_layers_do(prompts: int) -> None:
    torch.manual_seed(1)
    panel = Panel(5)
    panel.mean.uniform_(-1, 1)
    panel.deviation.uniform_(0.5, 2)
    rng = np.random.default_rng(1)
    measured, there = rng.normal(size=(prompts, 6, 5)).astype(np.float32), rng.random((prompts, 6)) < 0.6
    if prompts:
        there[0] = False
    with torch.inference_mode():
        expected = panel(torch.from_numpy(measured), torch.from_numpy(there)).sigmoid().double().numpy()
    np.testing.assert_allclose(panel.judge(measured, there), np.where(there, expected, 0), atol=1e-6)
