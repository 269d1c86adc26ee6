"""Fine-tune a backbone on one dataset folder and measure it on another, with and without an expert's ratio."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcurate.bench.dice import (
    COMPARED,
    dice_of_classes,
    foreground_dice,
    mean_dice,
    part_parameters,
    peak_mb,
    per_class,
    segmented,
)
from matcurate.bench.folders import class_names, labelled_pictures
from matcurate.bench.ratio_kinds import check_kind, ratios_of_kind
from matcurate.config import Settings, load_preset
from matcurate.phase.area_prior import measure_areas
from matcurate.phase.build import PhaseSettings, base_of, build_model
from matcurate.phase.constrained import AreaPrior
from matcurate.phase.model import PhaseModel
from matcurate.phase.ratios import Ratio, exact_ratio
from matcurate.phase.samples import Picture
from matcurate.phase.scores import score_phases
from matcurate.phase.storage import save_adapter
from matcurate.phase.trainer import StepReport, train
from matcurate.types import Progress, Trust, silent
from matcurate.workflows.home import learning_backbone

PRESETS = "phase"
"""Folder of the presets within ``configs/``."""


@dataclass(frozen=True, slots=True)
class FinetuneBenchmark:
    """Means over the micrographs of VAL; per class in the order of ``phases``, null where a class never occurs.

    ``dice_foreground`` is of background and all phases as one; ``fraction_error`` is the mean absolute error of the
    area fractions; ``dice_by_ratio`` has the same trained model at other ratios; ``history`` the reports of training;
    ``peak_mb`` is the GPU's memory, or the process's on a CPU.
    """

    train: str
    val: str
    backbone: str
    base_sha256: str
    preset: str
    rank: int
    plm: bool
    ratio: str
    trust: Trust | None
    seed: int
    phases: tuple[str, ...]
    images: int
    steps: int
    best_step: int
    dice: float
    dice_per_class: tuple[float | None, ...]
    dice_foreground: float
    iou_per_class: tuple[float | None, ...]
    boundary_f1_per_class: tuple[float | None, ...]
    fraction_error: float
    dice_by_ratio: dict[str, float]
    dice_per_class_by_ratio: dict[str, tuple[float | None, ...]]
    trainable_parameters: int
    total_parameters: int
    parameters: dict[str, int]
    seconds_per_step: float
    peak_mb: float
    history: tuple[StepReport, ...]


@dataclass(frozen=True, slots=True)
class FinetuneChoice:
    """What is trained, and the ratio that it is given; ValueError for text that is no ratio.

    ``preset`` is a name in ``configs/phase``, or the path of a YAML file; ``builtin``, or ``sam`` for an official SAM.
    ``rank`` and ``steps`` stand in place of the preset's. ``plm`` puts the Phase Learning Module in. ``ratio`` is given
    in evaluation (:func:`~matcurate.bench.ratio_kinds.ratios_of_kind`); in training it is as in the preset. ``trust``
    says how its areas are met, None leaves them to the module alone. ``seed`` is that of weights, crops and the part
    kept for early stopping. ``random_weights`` draws the backbone's weights from a fixed seed: for timing.
    """

    preset: str | None = None
    backbone: str | None = None
    rank: int | None = None
    plm: bool = True
    ratio: str = "alpha=0.9"
    trust: Trust | None = "guess"
    steps: int | None = None
    seed: int = 0
    random_weights: bool = False

    def __post_init__(self) -> None:
        check_kind(self.ratio)


def bench_finetune(
    train_folder: Path,
    val_folder: Path,
    choice: FinetuneChoice,
    *,
    settings: Settings,
    adapter: Path | None = None,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> FinetuneBenchmark:
    """Train on one dataset folder, of which a part is kept for early stopping, and measure on another.

    The trained adapter is kept in ``adapter``; a training that was killed goes on from the existing folder
    ``checkpoint``. Raises ConfigError for an unknown preset or backbone, or one without weights; CheckpointError when
    the backbone's checkpoint is not at hand; DatasetError or UnreadableImageError when a folder cannot be read, or VAL
    has a phase that TRAIN has not.
    """
    backbone = learning_backbone(choice.backbone, settings, choice.random_weights)
    base = base_of(backbone)
    preset = _changed(load_preset(choice.preset or backbone.traits.family, PhaseSettings, PRESETS), choice)
    pictures, measured = (labelled_pictures(folder, settings) for folder in (train_folder, val_folder))
    phases = class_names(train_folder, pictures, measured)
    learned, kept = split_validation(pictures, preset.validation_share, choice.seed)
    model = build_model(backbone, len(phases), preset.model, choice.seed)
    history: list[StepReport] = []
    ended = train(
        model,
        learned,
        preset.train,
        seed=choice.seed,
        validation=kept,
        folder=checkpoint,
        report=history.append,
        progress=progress,
    )
    areas = measure_areas(model, learned, kept)
    if adapter is not None:
        save_adapter(adapter, model, base, phases, preset.model, {"seed": str(choice.seed)}, areas)
    mean = np.mean([exact_ratio(picture.labels, len(phases)) for picture in learned], axis=0)
    return FinetuneBenchmark(
        train=str(train_folder),
        val=str(val_folder),
        backbone=base.name,
        base_sha256=base.sha256,
        preset=preset.name,
        rank=preset.model.lora.rank,
        phases=phases,
        steps=ended.steps,
        best_step=ended.best_step,
        seconds_per_step=ended.seconds_per_step,
        history=tuple(history),
        **_scores(model, measured, choice, mean, areas.prior()),
    )


def _scores(
    model: PhaseModel, measured: Sequence[Picture], choice: FinetuneChoice, mean: Ratio, prior: AreaPrior
) -> dict[str, Any]:
    """What is reported of a trained model at every ratio, by the names of the report's fields."""
    truth = [picture.labels for picture in measured]
    exact = [exact_ratio(labels, model.phases) for labels in truth]

    def at(kind: str) -> list[NDArray[np.uint8]]:
        ratios = ratios_of_kind(kind, exact, mean, np.random.default_rng((choice.seed, 3)))
        return segmented(model, measured, ratios, choice.trust, prior)

    heard = choice.plm or choice.trust is not None
    by_ratio = {kind: at(kind) for kind in ((choice.ratio, *COMPARED) if heard else (choice.ratio,))}
    predicted = by_ratio[choice.ratio]
    scores = [score_phases(labels, true, model.phases) for labels, true in zip(predicted, truth, strict=True)]
    per_ratio = {ratio: dice_of_classes(labels, truth, model.phases) for ratio, labels in by_ratio.items()}
    trainable, total = model.parameter_counts()
    return {
        **{
            "plm": choice.plm,
            "ratio": choice.ratio,
            "trust": choice.trust,
            "seed": choice.seed,
            "images": len(measured),
        },
        **{"dice": mean_dice(per_ratio[choice.ratio]), "dice_per_class": per_ratio[choice.ratio]},
        "dice_foreground": foreground_dice(predicted, truth),
        "iou_per_class": per_class([score.iou for score in scores]),
        "boundary_f1_per_class": per_class([score.boundary_f1 for score in scores]),
        "fraction_error": float(np.mean(np.abs([score.fraction_error for score in scores]))),
        "dice_by_ratio": {ratio: mean_dice(dice) for ratio, dice in per_ratio.items()},
        "dice_per_class_by_ratio": per_ratio,
        **{"trainable_parameters": trainable, "total_parameters": total},
        **{"parameters": part_parameters(model), "peak_mb": peak_mb(model)},
    }


def _changed(preset: PhaseSettings, choice: FinetuneChoice) -> PhaseSettings:
    """The preset with what was chosen instead; checked like the preset."""
    content = preset.model_dump()
    if choice.rank is not None:
        content["model"]["lora"]["rank"] = choice.rank
    if not choice.plm:
        content["model"]["plm"] = None
    if choice.steps is not None:
        content["train"]["steps"] = choice.steps
    return PhaseSettings.model_validate(content)


def split_validation(pictures: Sequence[Picture], share: float, seed: int) -> tuple[list[Picture], list[Picture]]:
    """Split pictures into those to learn from, and those for early stopping: none of fewer than three."""
    kept = round(share * len(pictures)) if len(pictures) >= 3 else 0
    order = np.random.default_rng(seed).permutation(len(pictures))
    return [pictures[index] for index in order[kept:]], [pictures[index] for index in order[:kept]]
