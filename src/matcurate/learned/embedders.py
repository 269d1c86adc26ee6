"""Embeddings of crops by the backbone in use, for classifiers of microstructure classes."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matcurate.promptable.builtin.network import ObjectNet
from matcurate.promptable.builtin.predictor import BuiltinBackbone
from matcurate.promptable.builtin.standard import SPREAD
from matcurate.promptable.protocol import Backbone
from matcurate.segmentation.boost.textures import BackboneFeatures
from matcurate.types import Pixels
from matcurate.uncertainty.embedding import Embedder, pooled_statistics

VERSION = 3
BATCH = 32
CORRELATED = 2
"""Levels of the encoder whose channels are correlated with each other."""


class EncoderStatistics:
    """Statistics of every level of the built-in network's encoder: the mean over a crop's four quarter turns.

    Each crop is standardised by itself. Neither brightness and contrast, which are the operator's choice, nor which
    side of the specimen lay at the top matters.
    """

    def __init__(self, backbone: BuiltinBackbone) -> None:
        self._network: ObjectNet = backbone.weights.network
        self._weights = backbone.weights.network_digest

    @property
    def digest(self) -> str:
        """Hex SHA-256 over the network's weights and the way of pooling."""
        return hashlib.sha256(f"encoder statistics {VERSION} {CORRELATED} {self._weights}".encode()).hexdigest()

    def __call__(self, crops: Pixels) -> NDArray[np.float32]:
        """Embeddings (N, D) of crops (N, h, w) of uint8, uint16 or float; D is 1422 with the shipped network."""
        device = next(self._network.parameters()).device
        embeddings = []
        with torch.inference_mode():
            for start in range(0, len(crops), BATCH):
                images = unit_variance(torch.from_numpy(crops[start : start + BATCH].astype(np.float32)).to(device))
                embeddings.append(
                    torch.stack([self._pooled(images.rot90(turn, (1, 2))) for turn in range(4)]).mean(0).cpu()
                )
        return torch.cat(embeddings).numpy()

    def _pooled(self, images: Tensor) -> Tensor:
        return pooled_statistics(images, self._network.features(SPREAD * images[:, None]), CORRELATED)


class FeatureStatistics:
    """Statistics of the one feature map that another backbone shows of a crop."""

    def __init__(self, backbone: Backbone) -> None:
        self._features = BackboneFeatures(backbone)

    @property
    def digest(self) -> str:
        """Hex SHA-256 over the backbone and the way of pooling."""
        return hashlib.sha256(f"feature statistics {VERSION} {self._features.backbone.digest}".encode()).hexdigest()

    def __call__(self, crops: Pixels) -> NDArray[np.float32]:
        """Embeddings (N, D) of crops (N, h, w). Raises ConfigError when the backbone has no encoder."""
        maps = np.stack([self._features(crop) for crop in crops])
        images = unit_variance(torch.from_numpy(crops.astype(np.float32)))
        return pooled_statistics(images, [torch.from_numpy(maps).permute(0, 3, 1, 2)], 0).numpy()


def unit_variance(images: Tensor) -> Tensor:
    """Each image (N, h, w) with zero mean and unit variance; a constant image becomes zero."""
    centred = images - images.mean(dim=(-2, -1), keepdim=True)
    deviation = centred.square().mean(dim=(-2, -1), keepdim=True).sqrt()
    return centred / torch.where(deviation > 0, deviation, 1)


def embedder_of(backbone: Backbone) -> Embedder:
    """The embedder that suits a backbone."""
    return EncoderStatistics(backbone) if isinstance(backbone, BuiltinBackbone) else FeatureStatistics(backbone)
