import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.distributions import Dirichlet, kl_divergence

from matcurate.uncertainty.loss import (
    IGNORED,
    EvidenceSettings,
    bayes_risk,
    dirichlet_parameters,
    divergence_from_uniform,
    evidence,
    evidential_loss,
)


def test_evidence_is_exponential_and_bounded() -> None:
    assert evidence(torch.tensor([0.0]), 10).item() == 1.0
    assert evidence(torch.tensor([0.5]), 10).item() == pytest.approx(math.exp(0.5), rel=1e-2)
    far = evidence(torch.tensor([1e6, -1e6]), 10)
    assert far.tolist() == pytest.approx([math.exp(10), math.exp(-10)])


def test_the_bound_does_not_stop_the_gradient() -> None:
    logits = torch.tensor([14.0, -14.0], requires_grad=True)
    evidence(logits, 10).log().sum().backward()
    assert logits.grad is not None
    assert (logits.grad > 0.1).all()


def test_bayes_risk_by_hand() -> None:
    # α = (3, 1), y = (1, 0): p = (3/4, 1/4), S = 4: 2/16 + 2 · (3/16) / 5
    risk = bayes_risk(torch.tensor([[3.0, 1.0]]), torch.tensor([[1.0, 0.0]]))
    assert risk.item() == pytest.approx(2 / 16 + 6 / 80)


def test_bayes_risk_is_what_monte_carlo_integration_finds() -> None:
    alpha, truth = torch.tensor([[5.0, 1.5, 2.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    shares = np.random.default_rng(0).dirichlet(alpha[0].numpy(), 300_000)
    assert bayes_risk(alpha, truth).item() == pytest.approx(((shares - truth.numpy()) ** 2).sum(1).mean(), abs=2e-3)


@pytest.mark.parametrize("alpha", [(1.0, 1.0, 1.0), (4.0, 1.0, 2.5), (200.0, 1.0, 30.0)])
def test_divergence_is_torchs_own(alpha: tuple[float, ...]) -> None:
    expected = kl_divergence(Dirichlet(torch.tensor(alpha)), Dirichlet(torch.ones(3)))
    assert divergence_from_uniform(torch.tensor([alpha])).item() == pytest.approx(expected.item(), abs=1e-4)


def test_evidence_of_the_true_class_is_not_penalised() -> None:
    alpha = torch.tensor([[50.0, 1.0, 1.0]])
    labels = torch.tensor([0])
    assert evidential_loss(alpha, labels, 0.0).item() == pytest.approx(evidential_loss(alpha, labels, 7.0).item())
    assert evidential_loss(alpha, torch.tensor([1]), 7.0) > evidential_loss(alpha, torch.tensor([1]), 0.0) + 1


def test_pixels_are_samples_and_the_ignored_are_left_out() -> None:
    rng = torch.Generator().manual_seed(0)
    alpha = 1 + 5 * torch.rand(2, 4, 3, 5, generator=rng)
    labels = torch.randint(0, 4, (2, 3, 5), generator=rng)
    flat = evidential_loss(alpha.movedim(1, -1).reshape(-1, 4), labels.reshape(-1), 0.3)
    torch.testing.assert_close(evidential_loss(alpha, labels, 0.3), flat)
    labels[0] = IGNORED
    torch.testing.assert_close(evidential_loss(alpha, labels, 0.3), evidential_loss(alpha[1:], labels[1:], 0.3))


def test_nothing_but_ignored_pixels_moves_nothing() -> None:
    logits = torch.zeros(1, 3, 2, 2, requires_grad=True)
    loss = evidential_loss(dirichlet_parameters(logits, 10), torch.full((1, 2, 2), IGNORED), 1.0)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_extreme_logits_of_64_classes_give_finite_loss_and_gradient() -> None:
    logits = torch.randn(256, 64, generator=torch.Generator().manual_seed(0)) * 1e3
    logits.requires_grad_()
    loss = evidential_loss(dirichlet_parameters(logits, 10), torch.arange(256) % 64, 1.0)
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_the_penalty_grows_over_its_epochs() -> None:
    settings = EvidenceSettings(penalty=0.5, annealing=4)
    assert [settings.penalty_at(epoch) for epoch in (0, 1, 4, 40)] == [0.0, 0.125, 0.5, 0.5]
    assert EvidenceSettings(annealing=0, penalty=2).penalty_at(0) == 2
    with pytest.raises(ValidationError):
        EvidenceSettings.model_validate({"aneal": 3})


@pytest.mark.parametrize(
    ("labels", "problem"),
    [(torch.tensor([0, 1, 2]), "fit"), (torch.tensor([0, 3]), "lie in"), (torch.tensor([-1, 0]), "lie")],
)
def test_labels_that_do_not_fit_are_refused(labels: torch.Tensor, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        evidential_loss(torch.ones(2, 3), labels, 1.0)
