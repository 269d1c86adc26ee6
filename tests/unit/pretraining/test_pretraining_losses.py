"""Losses worked out by hand."""

from math import log

import pytest
import torch

from matcurate.pretraining.losses import confusion, output_losses


def test_losses_of_undecided_logits() -> None:
    targets = torch.zeros(1, 4, 2, 2)
    targets[0, 0, :, 0] = 1  # half of it foreground
    targets[0, 1, 0, 0] = 1  # one pixel of contact
    targets[0, 2] = -1  # boundary unknown
    targets[0, 3] = 0.5
    # Dice of both halves: 1 - (2 * 1 + 1) / (2 + 2 + 1); of the contact: 1 - (2 * 0.5 + 1) / (2 + 1 + 1).
    wanted = [log(2) + 0.4, log(2) + 0.5, 0.0, log(2)]
    assert output_losses(torch.zeros(1, 4, 2, 2), targets).tolist() == pytest.approx(wanted, abs=1e-5)


def test_a_missed_pixel_of_contact_weighs_four_times_as_much() -> None:
    logits, targets = torch.full((1, 4, 2, 2), -20.0), torch.zeros(1, 4, 2, 2)
    targets[0, 1, 0, 0], logits[0, 1, 0, 0] = 1, 0
    targets[0, 2, 0, 0], logits[0, 2, 0, 0] = 1, 0
    _, contact, boundary, _ = output_losses(logits, targets).tolist()
    dice = 1 - (2 * 0.5 + 1) / (0.5 + 1 + 1)
    assert contact == pytest.approx(4 * log(2) / (4 + 3) + dice, abs=1e-5)
    assert boundary == pytest.approx(2 * log(2) / (2 + 3) + dice, abs=1e-5)


def test_bright_and_dark_foregrounds_cost_the_same() -> None:
    logits = torch.randn(2, 4, 6, 9)
    targets = (torch.rand(2, 4, 6, 9) > 0.7).float()
    there, exchanged = output_losses(logits, targets), output_losses(-logits, 1 - targets)
    assert float(there[0]) == pytest.approx(float(exchanged[0]), rel=1e-4)


def test_unknown_pixels_count_for_nothing() -> None:
    logits, targets = torch.randn(1, 4, 6, 9), (torch.rand(1, 4, 6, 9) > 0.5).float()
    targets[..., 4:] = -1
    other = logits.clone()
    other[..., 4:] = 7.0
    assert torch.allclose(output_losses(logits, targets), output_losses(other, targets), atol=1e-5)
    assert output_losses(logits, torch.full_like(targets, -1)).tolist() == [0.0] * 4


def test_right_and_sure_costs_nearly_nothing() -> None:
    targets = (torch.rand(2, 4, 8, 8) > 0.5).float()
    assert (output_losses(40 * (targets - 0.5), targets) < 0.02).all()


def test_confusion_is_counted_by_source() -> None:
    logits, targets = torch.full((3, 4, 1, 4), -1.0), torch.zeros(3, 4, 1, 4)
    logits[0, 0, 0] = torch.tensor([1.0, 1.0, -1.0, 1.0])
    targets[0, 0, 0] = torch.tensor([1.0, 0.0, 1.0, -1.0])
    targets[2, 3, 0] = torch.tensor([0.4, 0.6, 0.9, -1.0])  # a middle is deeper than one half
    cells = confusion(logits, targets, torch.tensor([1, 0, 1]), 2)
    assert cells.shape == (2, 4, 3) and cells.sum() == 5
    assert cells[1, 0].tolist() == [1, 1, 1] and cells[1, 3].tolist() == [0, 0, 2]
