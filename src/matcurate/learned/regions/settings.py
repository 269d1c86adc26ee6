"""Presets of region segmenters, and the network that one describes."""

from __future__ import annotations

import torch
from pydantic import Field, model_validator

from matcurate.config import Share, Strict
from matcurate.errors import ConfigError
from matcurate.learned.regions.encoders import EfficientNetEncoder
from matcurate.learned.regions.model import NetworkSettings, RegionModel
from matcurate.phase.losses import LossSettings
from matcurate.phase.samples import SamplingSettings
from matcurate.phase.trainer import TrainSettings
from matcurate.promptable.builtin.predictor import BuiltinBackbone
from matcurate.promptable.protocol import Backbone
from matcurate.segmentation.collage import CollageSettings

EQUATION_8 = LossSettings(dice=0, cross_entropy=1, ratio=0, balance=0.5)
"""Cross-entropy in which each class has the square root of the weight inverse to its frequency."""


class RegionSettings(Strict):
    """A preset: files in ``configs/regions``."""

    name: str = Field(pattern=r"^[a-z0-9_]+$", description="Name of the preset.")
    model: NetworkSettings = NetworkSettings()
    train: TrainSettings = TrainSettings(
        loss=EQUATION_8, clip=5, sampling=SamplingSettings(crop=192, batch=8, ratio_dropout=1)
    )
    collages: CollageSettings = CollageSettings(size=(192, 192))
    collage_share: Share = Field(
        default=0.25, description="Share of the steps with collages of the micrographs' own regions, where they fit."
    )

    @model_validator(mode="after")
    def _normalised(self) -> RegionSettings:
        if self.train.sampling.batch < 2:
            raise ValueError("train.sampling.batch must be 2 or more: features are normalised over the batch")
        return self


def build_region_model(backbone: Backbone, phases: int, settings: NetworkSettings, seed: int) -> RegionModel:
    """Build an untrained model on the device of the built-in network; its encoder begins with the shipped weights.

    Raises ConfigError when the backbone is not the built-in network, or there are fewer than two phases.
    """
    if phases < 2:
        raise ConfigError(f"{phases} phase: segmentation needs two or more; name them or complete the masks")
    if not isinstance(backbone, BuiltinBackbone):
        raise ConfigError(f"region segmenters begin with the built-in network, not {backbone.name!r}; use builtin")
    network = backbone.weights.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = RegionModel(phases, settings)
    if isinstance(model.encoder, EfficientNetEncoder):
        model.encoder.start_with(network.encoder.state_dict())
    return model.to(next(network.parameters()).device).to(memory_format=torch.channels_last)
