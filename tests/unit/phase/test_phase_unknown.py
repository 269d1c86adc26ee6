"""Pixels that are unknown count for nothing in losses, ratios and scores."""

import numpy as np
import pytest
import torch

from matcurate.phase.losses import LossSettings, phase_loss
from matcurate.phase.ratios import exact_ratio
from matcurate.phase.samples import picture
from matcurate.phase.scores import score_phases
from matcurate.types import UNKNOWN


def test_ratios_are_over_what_is_known() -> None:
    labels = np.array([[0, 1, 1, UNKNOWN], [0, 1, UNKNOWN, UNKNOWN]], dtype=np.uint8)
    assert exact_ratio(labels, 2).tolist() == [0.4, 0.6]
    assert exact_ratio(np.full((2, 3), UNKNOWN, dtype=np.uint8), 2).tolist() == [0, 0]


def test_the_loss_is_that_of_the_known_pixels_and_others_have_no_gradient() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 2, 3, 4)
    labels = torch.tensor([[[0, 1, 1, 0], [1, 0, 1, 0], [0, 0, 1, 1]]])
    weights, settings = torch.tensor([1.0, 2.0]), LossSettings(focal=1.0)
    alone = phase_loss(logits[:, :, :2], labels[:, :2], weights, settings)
    hidden = labels.clone()
    hidden[:, 2] = UNKNOWN
    seen = logits.clone().requires_grad_()
    loss = phase_loss(seen, hidden, weights, settings)
    assert loss.item() == pytest.approx(alone.item(), rel=1e-5)
    loss.backward()
    assert seen.grad is not None
    assert not seen.grad[:, :, 2].any() and seen.grad[:, :, :2].any()
    nothing = phase_loss(logits, torch.full_like(labels, UNKNOWN), weights, settings)
    assert nothing.item() == 0


def test_scores_leave_out_what_is_unknown() -> None:
    truth = np.array([[0, 1, 1], [UNKNOWN, 0, UNKNOWN]], dtype=np.uint8)
    predicted = np.array([[0, 1, 0], [1, 0, 1]], dtype=np.uint8)
    scores = score_phases(predicted, truth, 2)
    assert scores.dice == (0.8, pytest.approx(2 / 3)) and scores.iou == (pytest.approx(2 / 3), 0.5)
    assert scores.fraction_error == (0.25, -0.25)


def test_a_picture_has_no_bar_and_unknown_labels_on_a_scale_bar() -> None:
    pixels = np.arange(60, dtype=np.uint8).reshape(6, 10)
    ignored = np.zeros((6, 10), dtype=np.bool_)
    ignored[5] = ignored[2, 3] = True
    made = picture("a", pixels, np.ones((6, 10), dtype=np.uint16), ignored)
    assert made.labels.shape == made.grey.shape == (5, 10)
    assert made.labels[2, 3] == UNKNOWN and (made.labels == 1).sum() == 49
    with pytest.raises(ValueError, match="254 is the largest"):
        picture("a", pixels, np.full((6, 10), UNKNOWN))
