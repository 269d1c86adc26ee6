"""Texture of a crop as one vector: statistics of an encoder's feature maps.

Means, standard deviations and correlations of channels describe a texture wherever its parts lie; they are the Gram
matrices of Gatys et al., split into sizes and correlations.

References
----------
L. Gatys, A. Ecker, M. Bethge, "Texture synthesis using convolutional neural networks", NeurIPS (2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from matcurate.types import FloatArray, Pixels

COMPRESSION = 3.0
"""Factor within the logarithm: statistics above about a third are compressed."""


class Embedder(Protocol):
    """Turns crops into vectors of one length."""

    @property
    def digest(self) -> str:
        """Hex SHA-256 over weights and the way of pooling."""
        ...

    def __call__(self, crops: Pixels) -> FloatArray:
        """Embeddings (N, D) of crops (N, h, w)."""
        ...


def pooled_statistics(images: Tensor, levels: Sequence[Tensor], correlated: int) -> Tensor:
    """Pool one vector for each crop, (N, D), in logarithms: sign(x) log(1 + 3 |x|).

    ``images`` (N, h, w) have zero mean and unit variance: their third and fourth moments come first. ``levels`` are
    feature maps (N, C, h', w') of an encoder, finest first: mean and standard deviation of every channel, and for the
    first ``correlated`` levels the correlations of all pairs of channels.
    """
    flat = images.flatten(1)
    parts = [flat.pow(3).mean(1, keepdim=True), flat.pow(4).mean(1, keepdim=True)]
    for number, level in enumerate(levels):
        maps = level.flatten(2)
        mean = maps.mean(2)
        deviation = (maps - mean[:, :, None]).square().mean(2).sqrt()
        parts += [mean, deviation]
        if number < correlated:
            parts.append(_correlations(maps - mean[:, :, None], deviation))
    joined = torch.cat(parts, dim=1)
    return joined.sign() * torch.log1p(COMPRESSION * joined.abs())


def _correlations(centred: Tensor, deviation: Tensor) -> Tensor:
    """Correlation (N, C (C - 1) / 2) of every pair of channels (N, C, P); 0 with a channel that does not vary."""
    covariance = torch.bmm(centred, centred.transpose(1, 2)) / centred.shape[2]
    scale = deviation[:, :, None] * deviation[:, None, :]
    first, second = torch.triu_indices(covariance.shape[1], covariance.shape[1], 1)
    return (covariance / scale.clamp_min(1e-12))[:, first, second]
