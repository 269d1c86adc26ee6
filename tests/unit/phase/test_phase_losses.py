import math

import pytest
import torch
from pydantic import ValidationError

from matcurate.phase.losses import LossSettings, dice_loss, focal_loss, phase_loss, phase_weights, ratio_loss

TRUTH = torch.tensor([[[[1.0, 1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0, 1.0]]]])
SAID = torch.tensor([[[[1.0, 0.5, 0.5, 0.0]], [[0.0, 0.5, 0.5, 1.0]]]])


def test_dice_by_hand():
    # Either phase: 2 · 1.5 / (2 + 2) = 0.75.
    assert dice_loss(SAID, TRUTH).item() == pytest.approx(0.25)


def test_dice_leaves_out_a_phase_that_is_not_there():
    absent = torch.zeros(1, 1, 1, 4)
    assert dice_loss(torch.cat([SAID, absent + 0.3], 1), torch.cat([TRUTH, absent], 1)).item() == pytest.approx(0.25)


def test_cross_entropy_and_focal_by_hand():
    even = torch.full_like(TRUTH, 0.5).log()
    weights = torch.tensor([1.0, 3.0])
    assert focal_loss(even, TRUTH, weights, 0).item() == pytest.approx(math.log(2))
    assert focal_loss(even, TRUTH, weights, 2).item() == pytest.approx(math.log(2) / 4)
    uneven = torch.tensor([0.5, 0.25]).log()[None, :, None, None].expand_as(TRUTH)
    # (1 · ln 2 + 3 · ln 4) / 4
    assert focal_loss(uneven, TRUTH, weights, 0).item() == pytest.approx(7 / 4 * math.log(2))


def test_ratio_loss_by_hand():
    said = torch.tensor([[[[1.0, 1.0, 1.0, 0.0]], [[0.0, 0.0, 0.0, 1.0]]]])
    assert ratio_loss(said, TRUTH).item() == pytest.approx(1 / 16)


def test_the_sum_of_the_parts_and_gradients():
    logits = torch.zeros(1, 2, 1, 4, requires_grad=True)
    labels = torch.tensor([[[0, 0, 1, 1]]])
    loss = phase_loss(logits, labels, torch.ones(2), LossSettings(dice=2, cross_entropy=3, ratio=5))
    assert loss.item() == pytest.approx(2 * 0.5 + 3 * math.log(2) + 5 * 0)
    loss.backward()
    assert (logits.grad[0, 0, 0, :2] < 0).all() and (logits.grad[0, 0, 0, 2:] > 0).all()


def test_weights_of_the_phases():
    assert phase_weights(torch.tensor([0.8, 0.2]), 1.0).tolist() == pytest.approx([0.4, 1.6])
    assert phase_weights(torch.tensor([0.8, 0.2, 0.0]), 0.5).tolist() == pytest.approx([2 / 3, 4 / 3, 0])
    assert phase_weights(torch.tensor([0.8, 0.2]), 0.0).tolist() == [1, 1]


def test_a_loss_of_nothing_is_refused():
    with pytest.raises(ValidationError, match="nothing would be learned"):
        LossSettings(dice=0, cross_entropy=0)
