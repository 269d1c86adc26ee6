"""Dense layers on a CPU, a few rows at a time.

What is judged is narrow and long. A library that shares such products among threads waits for them longer than it
computes; blocks this small are computed at once, stay in the cache, and leave the other cores to other work.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor, nn

Rows = NDArray[np.float32]

BLOCK = 32
"""Rows multiplied at once."""
CHUNK = 2048
"""Rows that go through all layers together, a multiple of :data:`BLOCK`; bounds the memory."""


def numbers(tensor: Tensor) -> Rows:
    """Values of a parameter."""
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float32)


def through(layers: nn.Sequential, rows: Rows) -> Rows:
    """What linear layers and ReLUs make of rows (n, D): (n, W)."""
    for layer in layers:
        if isinstance(layer, nn.Linear):
            rows = linear(layer, rows)
        else:
            np.maximum(rows, 0, out=rows)
    return rows


def linear(layer: nn.Linear, rows: Rows) -> Rows:
    """One layer of rows (n, D): new rows (n, W)."""
    weight = numbers(layer.weight).T
    made = np.empty((len(rows), weight.shape[1]), dtype=np.float32)
    whole = len(rows) // BLOCK * BLOCK
    blocks = (-1, BLOCK)
    np.matmul(rows[:whole].reshape(*blocks, weight.shape[0]), weight, out=made[:whole].reshape(*blocks, made.shape[1]))
    np.matmul(rows[whole:], weight, out=made[whole:])
    made += numbers(layer.bias)
    return made


def judged(judge: Callable[[Rows], Rows], rows: Rows) -> NDArray[np.float64]:
    """Sigmoid (n, ...) of the logits that ``judge`` makes of rows (n, ...), chunk by chunk."""
    parts = [judge(rows[first : first + CHUNK]) for first in range(0, len(rows), CHUNK)]
    return expit(np.concatenate(parts).astype(np.float64)) if parts else np.zeros(0)
