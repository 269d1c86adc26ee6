"""From a backbone and settings to a model that can be trained."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import Field

from matcurate.config import Strict
from matcurate.errors import ConfigError
from matcurate.phase.lora import LoraSettings
from matcurate.phase.model import PhaseModel, Segmenter
from matcurate.phase.plm import PlmSettings
from matcurate.phase.sam import SamSegmenter
from matcurate.phase.trainer import TrainSettings
from matcurate.phase.unet import UNetSegmenter
from matcurate.promptable.builtin.predictor import BuiltinBackbone
from matcurate.promptable.protocol import Backbone
from matcurate.promptable.sam import SamBackbone


class ModelSettings(Strict):
    """Shape of the model on a backbone; it is stored with the adapter."""

    lora: LoraSettings = LoraSettings()
    plm: PlmSettings | None = PlmSettings()
    image_size: int = Field(
        default=1024, ge=16, description="Edge length in pixels of the input of an official SAM's encoder."
    )
    scale: float = Field(
        default=1.0,
        gt=0,
        le=4,
        description="Factor by which micrographs are enlarged for the model; results have the original size.",
    )


class PhaseSettings(Strict):
    """A preset: files in ``configs/phase``."""

    name: str = Field(pattern=r"^[a-z0-9_]+$", description="Name of the preset.")
    model: ModelSettings = ModelSettings()
    train: TrainSettings = TrainSettings()
    validation_share: float = Field(
        default=0.2, ge=0, lt=1, description="Share of the micrographs that is kept for early stopping."
    )


@dataclass(frozen=True, slots=True)
class Base:
    """Base of an adapter: a backbone's name, and the hex SHA-256 of its checkpoint or (built-in) its tensors."""

    name: str
    sha256: str


def base_of(backbone: Backbone) -> Base:
    """Name and digest of a backbone's weights; :class:`ConfigError` when it has none to adapt."""
    if isinstance(backbone, BuiltinBackbone):
        return Base(backbone.name, backbone.weights.network_digest)
    if isinstance(backbone, SamBackbone):
        return Base(backbone.name, backbone.digest)
    raise ConfigError(f"{backbone.name!r} has no weights to adapt; use builtin, vit_b, vit_l or vit_h")


def build_model(backbone: Backbone, phases: int, settings: ModelSettings, seed: int) -> PhaseModel:
    """Build an untrained model on a backbone's weights and device; the backbone itself is not changed.

    ``phases``, the matrix among them, are at least 2. Raises ConfigError when the backbone has no weights or the
    settings do not fit it; CheckpointError when the weights cannot be read.
    """
    if phases < 2:
        raise ConfigError(f"{phases} phase: segmentation needs two or more; name them or complete the masks")
    segmenter: Segmenter
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(backbone, BuiltinBackbone):
            network = backbone.weights.network
            device = next(network.parameters()).device
            segmenter = UNetSegmenter(network, phases, torch.Generator().manual_seed(seed))
        elif isinstance(backbone, SamBackbone):
            device = backbone.model().device
            segmenter = SamSegmenter(backbone.model(), phases, settings.image_size)
        else:
            raise ConfigError(f"{backbone.name!r} has no weights to adapt; use builtin, vit_b, vit_l or vit_h")
        return PhaseModel(segmenter.cpu(), phases, settings.lora, settings.plm, settings.scale).to(device)
