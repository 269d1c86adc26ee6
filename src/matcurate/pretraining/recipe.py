"""A recipe of pre-training: files in ``configs/pretrain``."""

import hashlib
import math
from collections.abc import Mapping

from pydantic import Field, model_validator

from matcurate.config import Strict
from matcurate.imaging import Chance, Range, kind_named
from matcurate.promptable.builtin.network import NetworkSettings


class Augmentation(Strict):
    """How a crop is changed. A strength is drawn uniformly from its range, where its chance says so."""

    scale: Range = Field(default=(0.3, 2.5), description="Magnification, drawn on a logarithmic scale.")
    native: Chance = Field(default=0.25, description="Chance that a crop is neither magnified nor turned by an angle.")
    rotation: Chance = Field(default=0.3, description="Chance of a turn by any angle, besides quarter turns.")
    drawn: Chance = Field(default=0.05, description="Chance of a drawing: objects and matrix of one grey level each.")
    blur: Range = Field(default=(0.3, 4.0), description="Standard deviation of a Gaussian in pixels, logarithmic.")
    blurred: Chance = 0.45
    noise: Range = Field(default=(0.01, 0.16), description="Standard deviation of noise, logarithmic.")
    noisy: Chance = 0.5
    gamma: Range = Field(default=(0.5, 2.0), description="Exponent of grey values in [0, 1], logarithmic.")
    contrast: Range = Field(default=(0.2, 1.0), description="Factor on grey values about their mean.")
    faint: Chance = 0.3
    inverted: Chance = Field(default=0.35, description="Chance that bright and dark are exchanged.")
    shading: Range = Field(default=(0.1, 1.2), description="Grey step of uneven illumination over the crop.")
    shaded: Chance = 0.35
    compressed: Chance = Field(default=0.25, description="Chance of JPEG at a quality of 10 to 60.")
    peppered: Chance = Field(default=0.08, description="Chance of single white and black pixels.")
    scratched: Chance = Field(default=0.15, description="Chance of thin straight lines and dots.")
    lettered: Chance = Field(default=0.25, description="Chance of letters, arrows and scale bars.")
    barred: Chance = Field(default=0.12, description="Chance of a data bar, or of a flat border of a figure.")

    @model_validator(mode="after")
    def _positive(self) -> "Augmentation":
        if not min(self.scale[0], self.blur[0], self.noise[0], self.gamma[0]) > 0:
            raise ValueError("scale, blur, noise and gamma must be positive")
        return self


class QualityRecipe(Strict):
    """How the quality of answers to prompts is learned, once the network is."""

    pictures: int = Field(default=500, ge=5)
    crop: int = Field(default=320, ge=64, description="Edge of a crop in pixels.")
    objects: int = Field(default=16, ge=1, description="Objects of a picture that are clicked on and boxed.")
    regions: int = Field(default=40, ge=1, description="Regions examined for each object.")
    epochs: int = Field(default=30, ge=1)
    batch: int = Field(default=2048, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)


class Recipe(Strict):
    """Everything that decides what is learned, apart from the seed and the real micrographs."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    network: NetworkSettings = NetworkSettings()
    kinds: Mapping[str, float] = Field(default={}, description="Share of each generated kind among the generated.")
    real: Mapping[str, float] = Field(
        default={}, description="Share of each folder among the real pictures, by its last two names; others: 1."
    )
    real_share: float = Field(default=0.6, ge=0, le=1, description="Part of real pictures, where some are given.")
    foreground_unknown: tuple[str, ...] = Field(
        default=("layers", "grains", "etched"),
        description="Kinds and folders that teach outlines only, not what an object is.",
    )
    picture: int = Field(default=416, ge=64, description="Edge of a generated picture in pixels.")
    pool: int = Field(default=150, ge=1, description="Different pictures of each generated kind.")
    crop: int = Field(default=192, ge=64, description="Edge of a training crop in pixels; a multiple of 32.")
    batch: int = Field(default=8, ge=1, description="Crops in a step.")
    augmentation: Augmentation = Augmentation()
    quality: QualityRecipe = QualityRecipe()
    steps: int = Field(default=20_000, ge=1, description="Where the run ends, unless its time is up before.")
    learning_rate: float = Field(default=1e-3, gt=0)
    encoder_rate: float = Field(default=0.5, gt=0, description="Learning rate of the encoder, relative to the rest.")
    falling: float = Field(default=0.5, ge=0, le=1, description="Last part of the steps, in which the rate falls.")
    warmup: int = Field(default=100, ge=0, description="Steps in which the learning rate rises.")
    weight_decay: float = Field(default=0.01, ge=0)
    averaging: float = Field(default=0.998, ge=0, lt=1, description="Decay of the moving average that is exported.")
    workers: int = Field(default=1, ge=0, description="Processes that draw crops; 0: the training process itself.")
    checkpoint_minutes: float = Field(default=3.0, gt=0)
    report_steps: int = Field(default=100, ge=1)
    validation_steps: int = Field(default=500, ge=1, description="A multiple of report_steps.")

    @model_validator(mode="after")
    def _divisible(self) -> "Recipe":
        if self.crop % 32:
            raise ValueError(f"crop must be a multiple of 32, got {self.crop}")
        if self.validation_steps % self.report_steps:
            validated, reported = self.validation_steps, self.report_steps
            raise ValueError(f"validation_steps must be a multiple of report_steps, got {validated} and {reported}")
        return self

    def check_kinds(self) -> None:
        """Refuse kinds that nobody generates by a ConfigError."""
        for kind in self.kinds:
            kind_named(kind)

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0: rising, constant, then falling to 0 as a cosine."""
        rising = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        start = self.steps * (1 - self.falling)
        if step < start or self.falling == 0:
            return self.learning_rate * rising
        done = min(1.0, (step - start) / (self.steps - start))
        return self.learning_rate * rising * 0.5 * (1 + math.cos(math.pi * done))

    def fingerprint(self) -> str:
        """Hex SHA-256 of the part that a resumed run must share with the run it continues: the network."""
        return hashlib.sha256(self.network.model_dump_json().encode()).hexdigest()
