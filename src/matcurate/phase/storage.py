"""One file for one trained adapter: its tensors as safetensors, and in the header what it fits and where it is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import Field
from torch import Tensor

from matcurate.config import ModelFamilyName, Strict
from matcurate.errors import CheckpointError
from matcurate.phase.area_prior import AreaStatistics
from matcurate.phase.build import Base, ModelSettings, base_of, build_model
from matcurate.phase.constrained import AreaPrior
from matcurate.phase.model import PhaseModel, SegmentationModel
from matcurate.promptable.protocol import Backbone
from matcurate.tensorfile import AGAIN, TensorCard, TensorFormat


class ModelCard(TensorCard):
    """Header of a file of trained weights, of any family."""

    backbone: str
    base_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the weights that training began with.")
    phases: tuple[str, ...] = Field(min_length=2, description="Names, in the order of the ids.")
    settings: Strict
    areas: AreaStatistics | None = Field(default=None, description="Of training; None in older files.")

    @property
    def prior(self) -> AreaPrior:
        """What an expert's guess of area fractions is weighed against."""
        return AreaPrior.default(len(self.phases)) if self.areas is None else self.areas.prior()


class AdapterCard(ModelCard):
    """Header of a file of an adapter."""

    settings: ModelSettings


Card = TypeVar("Card", bound=ModelCard)
FORMAT = TensorFormat("matcurate-phase-1", AdapterCard, "an adapter of this project")


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """An adapter as read from its file, checked: its card, and the learned state on the CPU."""

    family: ClassVar[ModelFamilyName] = "lora"
    card: AdapterCard
    tensors: Mapping[str, Tensor]

    def fits(self, backbone: Backbone) -> bool:
        """Whether it was trained on this backbone's weights."""
        return base_of(backbone).sha256 == self.card.base_sha256

    def model(self, backbone: Backbone) -> PhaseModel:
        """Build the trained model on a backbone, in evaluation mode.

        Raises CheckpointError when the backbone is not the one it was trained on, or the tensors do not fit.
        """
        if not self.fits(backbone):
            base = base_of(backbone)
            fetched = "" if backbone.traits.family == "builtin" else "fetch that checkpoint, or "
            raise CheckpointError(
                f"the adapter was trained on {self.card.backbone} with sha256 {self.card.base_sha256[:12]}…, but "
                f"{base.name} has {base.sha256[:12]}… now; {fetched}train again with 'curate retrain'"
            )
        model = build_model(backbone, len(self.card.phases), self.card.settings, seed=0)
        try:
            model.load_learned_state(dict(self.tensors))
        except (KeyError, ValueError) as error:
            raise CheckpointError(
                f"the adapter's tensors do not fit its settings ({error.args[0]}); {AGAIN}"
            ) from error
        return model.eval()

    def start_for(self, phases: tuple[str, ...], seed: int) -> Mapping[str, Tensor] | None:
        """Weights that a training on these phases may begin with: its own; None where the phases differ."""
        return self.tensors if phases == self.card.phases else None


def save_weights(
    form: TensorFormat[Card],
    path: Path,
    model: SegmentationModel,
    base: Base,
    phases: tuple[str, ...],
    settings: Strict,
    notes: Mapping[str, str] | None = None,
    areas: AreaStatistics | None = None,
) -> Card:
    """Write what a model has learned in the format of its family.

    ``phases`` are the names by id. Raises ValueError when they are not as many as the model has.
    """
    if len(phases) != model.phases:
        raise ValueError(f"{len(phases)} names for {model.phases} phases")
    facts = {"backbone": base.name, "base_sha256": base.sha256, "phases": phases, "settings": settings, "areas": areas}
    return form.write(path, model.learned_state(), notes, **facts)


save_adapter = partial(save_weights, FORMAT)
"""Write adapters, module, decoder and head: :func:`save_weights` without its first argument."""


def load_adapter(path: Path) -> Adapter:
    """Read what :func:`save_adapter` wrote; errors as of :meth:`TensorFormat.read`."""
    return Adapter(*FORMAT.read(path))
