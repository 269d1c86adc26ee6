"""Training some outputs of a model alone, every other weight staying as it is, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from matcurate.uncertainty.patch_model import PatchModel


@contextmanager
def outputs_only(model: PatchModel, numbers: Sequence[int]) -> Iterator[None]:
    """Let only these outputs, by their numbers in 0 … K - 1, learn; afterwards all of the model learns again.

    An optimizer without weight decay leaves a row alone whose gradient has always been 0; other parameters get none.
    """
    outputs = model.outputs()
    others = [parameter for parameter in model.parameters() if all(parameter is not own for own in outputs)]
    hooks = [
        output.register_hook(lambda gradient: _rows(gradient, numbers))  # type: ignore[no-untyped-call]
        for output in outputs
    ]
    for parameter in others:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for parameter in others:
            parameter.requires_grad_(True)


def _rows(gradient: Tensor, numbers: Sequence[int]) -> Tensor:
    """The gradient, 0 but in these rows."""
    kept, chosen = torch.zeros_like(gradient), list(numbers)
    kept[chosen] = gradient[chosen]
    return kept
