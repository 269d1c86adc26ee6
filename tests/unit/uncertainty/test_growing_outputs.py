"""Training some outputs alone."""

import numpy as np
import torch

from matcurate.uncertainty.growing import outputs_only
from matcurate.uncertainty.head import HeadSettings, begin_head
from matcurate.uncertainty.trainer import HeadTraining, train_head

OUTPUTS = ("prototypes", "log_precision", "bias")


def _crowd(middles: list[float], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (N, 3) around one point for each class."""
    samples = np.concatenate([rng.normal(middle, 0.5, (20, 3)) for middle in middles])
    return samples.astype(np.float32), np.repeat(np.arange(len(middles)), 20)


def test_the_new_output_learns_and_every_other_weight_stays_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    samples, labels = _crowd([0.0, 3.0, 5.0], rng)
    old = begin_head(["a", "b"], samples[:40], labels[:40], HeadSettings(axes=3))
    train_head(old, samples[:40], labels[:40], HeadTraining(epochs=5), rng=rng)
    new = old.extended("c", samples[40:])
    begun = {name: new.get_parameter(name).detach().clone() for name in OUTPUTS}

    with outputs_only(new, [2]):
        train_head(new, samples, labels, HeadTraining(epochs=30, learning_rate=0.05), rng=rng)

    for name in OUTPUTS:
        assert torch.equal(new.get_parameter(name)[:2], old.get_parameter(name))
        assert not torch.equal(new.get_parameter(name)[2:], begun[name][2:])
    assert torch.equal(new.get_buffer("projection"), old.get_buffer("projection"))
    assert (new.parameters_of(samples[40:]).argmax(1) == 2).mean() > 0.9


def test_afterwards_all_of_it_learns_again() -> None:
    rng = np.random.default_rng(1)
    samples, labels = _crowd([0.0, 2.0], rng)
    head = begin_head(["a", "b"], samples, labels, HeadSettings(axes=3))

    with outputs_only(head, [1]):
        pass
    before = head.prototypes.detach().clone()
    train_head(head, samples, labels, HeadTraining(epochs=3), rng=rng)

    assert not torch.equal(head.prototypes, before)


def test_what_has_no_row_for_a_class_gets_no_gradient_meanwhile() -> None:
    body, last = torch.nn.Linear(2, 2), torch.nn.Linear(2, 3)

    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.last = body, last

        def outputs(self) -> tuple[torch.nn.Parameter, ...]:
            return self.last.weight, self.last.bias

    with outputs_only(Two(), [1, 2]):
        last(body(torch.ones(4, 2))).sum().backward()

    assert body.weight.grad is None
    assert last.bias.grad is not None
    assert last.bias.grad.tolist() == [0.0, 4.0, 4.0]
    assert body.weight.requires_grad
