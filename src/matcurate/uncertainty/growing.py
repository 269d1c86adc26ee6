"""Training some outputs of a model alone, every other weight staying as it is, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn


class Grows(Protocol):
    """A model whose outputs are rows of some of its parameters."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All that learn."""

    def outputs(self) -> tuple[nn.Parameter, ...]:
        """Those with one row for each class, in the order of the classes."""


@contextmanager
def outputs_only(model: Grows, numbers: Sequence[int]) -> Iterator[None]:
    """Let nothing of a model learn but these outputs.

    An optimizer without weight decay leaves a row alone whose gradient has always been 0; other parameters get none.

    ``numbers``: of the outputs that learn, in 0 … K - 1.
    """
    outputs = model.outputs()
    others = [each for each in model.parameters() if all(each is not own for own in outputs)]
    hooks = [
        each.register_hook(lambda gradient: _rows(gradient, numbers))  # type: ignore[no-untyped-call]
        for each in outputs
    ]
    for each in others:
        each.requires_grad_(False)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for each in others:
            each.requires_grad_(True)


def _rows(gradient: Tensor, numbers: Sequence[int]) -> Tensor:
    """The gradient, 0 but in these rows."""
    kept, chosen = torch.zeros_like(gradient), list(numbers)
    kept[chosen] = gradient[chosen]
    return kept
