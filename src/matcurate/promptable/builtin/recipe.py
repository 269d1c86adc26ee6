"""A recipe of pre-training: files in ``configs/pretrain``."""

from __future__ import annotations

import hashlib
import math
from typing import Literal

from pydantic import Field, model_validator

from matcurate.config import Strict
from matcurate.imaging.synth.nuisances import Range
from matcurate.imaging.synth.registry import KINDS, kind_named
from matcurate.promptable.builtin.network import Head, NetworkSettings


class Augmentation(Strict):
    """How a crop is changed; each value is drawn uniformly from its range, for each crop anew."""

    scale: Range = Field(default=(0.5, 2.0), description="Magnification; drawn on a logarithmic scale.")
    gamma: Range = Field(default=(0.7, 1.4), description="Exponent of the grey values in [0, 1].")
    contrast: Range = Field(default=(0.5, 1.2), description="Factor on grey values about their mean.")
    noise: Range = Field(default=(0.0, 0.06), description="Standard deviation of Gaussian noise.")
    blur: Range = Field(default=(0.0, 1.2), description="Standard deviation of a Gaussian in pixels.")
    invert: float = Field(default=0.0, ge=0, le=1, description="Probability that bright and dark are exchanged.")

    @model_validator(mode="after")
    def _positive(self) -> Augmentation:
        if not self.scale[0] > 0:
            raise ValueError("scale must be positive")
        return self


class PromptRecipe(Strict):
    """How the quality of regions is learned, once the boundaries are."""

    pictures: int = Field(default=400, ge=1)
    crop: int = Field(default=288, ge=32, description="Edge of what is segmented in pixels.")
    augmentation: Augmentation = Augmentation()
    regions_per_picture: int = Field(default=4000, ge=1, description="For points, and as many for boxes.")
    boxes_per_picture: int = Field(default=24, ge=1)
    epochs: int = Field(default=12, ge=1)
    batch: int = Field(default=4096, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    answered_pictures: int = Field(default=320, ge=1, description="In which points are answered.")
    points_per_picture: int = Field(default=24, ge=1)
    answered_epochs: int = Field(default=40, ge=1)
    answered_batch: int = Field(default=128, ge=1, description="Points, each with all that is offered for it.")
    answered_learning_rate: float = Field(default=2e-3, gt=0)
    answered_weight_decay: float = Field(default=0.01, ge=0)
    median: float = Field(
        default=0.5, ge=0, le=1, description="Weight of the absolute error, which draws quality to the median."
    )


class SeamRecipe(Strict):
    """How it is learned which seams part two grains, once the boundaries are."""

    kinds: tuple[str, ...] = Field(default=("grains",), min_length=1, description="Generated kinds.")
    pictures: int = Field(default=160, ge=2)
    picture: int = Field(default=512, ge=64, description="Edge of a generated picture in pixels.")
    crop: int = Field(default=416, ge=64, description="Edge of what is parted in pixels.")
    augmentation: Augmentation = Augmentation(
        scale=(0.7, 1.5), gamma=(0.8, 1.25), contrast=(1.0, 1.0), noise=(0.0, 0.02), blur=(0.0, 0.6), invert=0.2
    )
    elongated: float = Field(
        default=0.3, ge=0, le=1, description="Part of the pictures that are drawn out, as by rolling."
    )
    elongation: Range = Field(default=(1.0, 4.0), description="By how much; drawn on a logarithmic scale.")
    rounds: int = Field(default=4, ge=1, description="Times that pictures are joined by what was learned so far.")
    seams_per_picture: int = Field(default=2500, ge=1, description="In each round.")
    epochs: int = Field(default=12, ge=1)
    batch: int = Field(default=2048, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)

    @model_validator(mode="after")
    def _drawn_out(self) -> SeamRecipe:
        if not self.elongation[0] >= 1:
            raise ValueError("elongation must be at least 1")
        return self


class Recipe(Strict):
    """Everything that decides what is learned, apart from the seed and the real micrographs."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    network: NetworkSettings = NetworkSettings()
    kinds: tuple[str, ...] = Field(default=(), description="Generated kinds; empty: every registered one.")
    picture: int = Field(default=288, ge=32, description="Edge of a generated picture in pixels.")
    crop: int = Field(default=160, ge=32, description="Edge of a training crop in pixels.")
    pictures_per_step: int = Field(default=2, ge=1)
    crops_per_picture: int = Field(default=4, ge=1)
    real_share: float = Field(default=0.2, ge=0, le=1, description="Part of real micrographs, where some are given.")
    augmentation: Augmentation = Augmentation()
    steps: int = Field(
        default=100_000, ge=0, description="Where the run ends, unless the time is up before; 0 keeps the network."
    )
    learning_rate: float = Field(default=2e-3, gt=0)
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: int = Field(default=50, ge=0, description="Steps in which the learning rate rises.")
    weight_decay: float = Field(default=1e-4, ge=0)
    averaging: float = Field(default=0.995, ge=0, lt=1, description="Decay of the moving average that is exported.")
    inside_weight: float = Field(default=0.5, ge=0, description="Of the loss of the inside head.")
    edge_weight: float = Field(default=1.0, ge=0, description="Of the losses of the heads right and below.")
    workers: int = Field(default=1, ge=0, description="Processes that draw; 0: the training process itself.")
    prompts: PromptRecipe | None = Field(default=PromptRecipe(), description="None keeps what judges regions.")
    seams: SeamRecipe | None = Field(default=SeamRecipe(), description="None keeps what judges seams.")
    checkpoint_minutes: float = Field(default=2.0, gt=0)
    report_steps: int = Field(default=20, ge=1)

    @property
    def all_kinds(self) -> tuple[str, ...]:
        """The generated kinds, checked.

        Raises
        ------
        ConfigError
            When one is not registered.
        """
        for kind in self.kinds:
            kind_named(kind)
        return self.kinds or tuple(KINDS)

    def weight_of(self, head: Head) -> float:
        """Weight of a head's loss."""
        return {"boundary": 1.0, "inside": self.inside_weight}.get(head, self.edge_weight)

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of the step, counted from 0."""
        rising = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        if self.schedule == "constant":
            return self.learning_rate * rising
        return self.learning_rate * rising * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))

    def fingerprint(self) -> str:
        """Hex SHA-256 over what a resumed run must share with the run it goes on with.

        How many processes draw, how often is reported and what comes after may change, kinds may join, and a constant
        schedule may be given more steps.
        """
        free = {"name", "kinds", "workers", "prompts", "seams", "checkpoint_minutes", "report_steps"}
        if self.schedule == "constant":
            free.add("steps")
        return hashlib.sha256(self.model_dump_json(exclude=free).encode()).hexdigest()
