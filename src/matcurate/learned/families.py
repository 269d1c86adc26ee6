"""The kinds of models that are trained on corrections, and what differs between them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from torch import Tensor

from matcurate.config import ModelFamilyName
from matcurate.learned.regions import (
    CollageBatches,
    MixedBatches,
    RegionModel,
    RegionSettings,
    build_region_model,
    load_regions,
    region_crops,
)
from matcurate.learned.regions.weights import FORMAT as REGIONS_FORMAT
from matcurate.phase.build import PhaseSettings, build_model
from matcurate.phase.model import PhaseModel, SegmentationModel
from matcurate.phase.samples import BatchSource, Picture, Sampler
from matcurate.phase.storage import FORMAT as LORA_FORMAT
from matcurate.phase.storage import ModelCard, load_adapter
from matcurate.promptable.protocol import Backbone
from matcurate.segmentation.collage import Collages
from matcurate.tensorfile import TensorFormat, header_names

Preset = PhaseSettings | RegionSettings
P = TypeVar("P", bound=Preset)
M = TypeVar("M", bound=SegmentationModel)


class TrainedWeights(Protocol):
    """Weights as read from their file, checked."""

    family: ClassVar[ModelFamilyName]

    @property
    def card(self) -> ModelCard:
        """Header of the file."""

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """What was learned, on the CPU."""

    def fits(self, backbone: Backbone) -> bool:
        """Whether :meth:`model` can be built on this backbone."""

    def model(self, backbone: Backbone) -> SegmentationModel:
        """Build the trained model, in evaluation mode; raises CheckpointError when it does not fit."""

    def start_for(self, phases: tuple[str, ...], seed: int) -> Mapping[str, Tensor] | None:
        """Weights that a training on these phases may begin with; None where the phases do not fit."""


class ModelFamily(ABC, Generic[P, M]):
    """A kind of model: its presets, and how one is built, fed, saved and loaded.

    ``method`` names it for people, ``contents`` says what its file holds, ``presets`` is a folder in ``configs/``.
    """

    method: ClassVar[str]
    contents: ClassVar[str]
    presets: ClassVar[str]
    preset: type[P]
    format: TensorFormat[Any]

    @abstractmethod
    def build(self, backbone: Backbone, phases: int, preset: P, seed: int) -> M:
        """Build an untrained model; raises ConfigError when the backbone or the settings do not fit."""

    @abstractmethod
    def read(self, path: Path) -> TrainedWeights:
        """Read weights from their file; raises CheckpointError when it is damaged or another."""

    @abstractmethod
    def parameters(self, preset: P) -> dict[str, str | int | float]:
        """What of the model's shape a training's record shows."""

    def batches(self, preset: P, model: M, pictures: Sequence[Picture]) -> BatchSource:
        """Source of the batches of a training on labelled micrographs."""
        return Sampler(pictures, model.phases, preset.train.sampling, model, model.scale)


class LoraFamily(ModelFamily[PhaseSettings, PhaseModel]):
    """Low-rank adapters on a frozen backbone, with the Phase Learning Module."""

    method = "LoRA-SAM with Phase Learning Module"
    contents = (
        "A phase model: it gives every pixel of a grey micrograph a phase. "
        "This file holds what was learned, not the weights of the base."
    )
    presets = "phase"
    preset = PhaseSettings
    format = LORA_FORMAT

    def build(self, backbone: Backbone, phases: int, preset: PhaseSettings, seed: int) -> PhaseModel:
        """Build adapters on the backbone's weights."""
        return build_model(backbone, phases, preset.model, seed)

    def read(self, path: Path) -> TrainedWeights:
        """Read an adapter."""
        return load_adapter(path)

    def parameters(self, preset: PhaseSettings) -> dict[str, str | int | float]:
        """Rank of the adapters, and whether there is a Phase Learning Module."""
        return {"rank": preset.model.lora.rank, "plm": str(preset.model.plm is not None)}


class RegionFamily(ModelFamily[RegionSettings, RegionModel]):
    """Region segmenters: all weights are trained, on micrographs and on collages of their regions."""

    method = "Region segmenter"
    contents = (
        "A region segmenter: it gives every pixel of a grey micrograph a class by the texture around it. "
        "This file holds all its weights."
    )
    presets = "regions"
    preset = RegionSettings
    format = REGIONS_FORMAT

    def build(self, backbone: Backbone, phases: int, preset: RegionSettings, seed: int) -> RegionModel:
        """Build a network whose encoder begins with the built-in one's weights."""
        return build_region_model(backbone, phases, preset.model, seed)

    def read(self, path: Path) -> TrainedWeights:
        """Read a region segmenter."""
        return load_regions(path)

    def parameters(self, preset: RegionSettings) -> dict[str, str | int | float]:
        """Encoder, kind of output, and share of collages."""
        shape = preset.model
        evidence = str(shape.evidence is not None)
        return {"encoder": shape.encoder, "evidence": evidence, "collage_share": preset.collage_share}

    def batches(self, preset: RegionSettings, model: RegionModel, pictures: Sequence[Picture]) -> BatchSource:
        """Crops of micrographs and, where every phase has a region to cut from, collages of such regions."""
        crops = region_crops(pictures, model.phases) if preset.collage_share else None
        micrographs = super().batches(preset, model, pictures)
        if crops is None:
            return micrographs
        sampling = preset.train.sampling
        collages = CollageBatches(Collages(crops, preset.collages), model, sampling.batch, sampling.augmentation)
        return MixedBatches(micrographs, collages, preset.collage_share)


FAMILIES: Mapping[ModelFamilyName, ModelFamily[Any, Any]] = {"lora": LoraFamily(), "regions": RegionFamily()}


def read_weights(path: Path) -> TrainedWeights:
    """Read trained weights of any family from their file; raises CheckpointError when it is damaged or another."""
    names = header_names(path)
    fitting = (family for family in FAMILIES.values() if family.format.name in names)
    return next(fitting, FAMILIES["lora"]).read(path)
