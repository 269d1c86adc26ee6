"""Fine-tune a backbone on one dataset folder and measure it on another, with and without an expert's ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matcurate.bench.dice import (
    COMPARED,
    dice_of_classes,
    foreground_dice,
    mean_dice,
    parse_ratio,
    part_parameters,
    peak_mb,
    per_class,
    segmented,
)
from matcurate.bench.folders import class_names, labelled_pictures
from matcurate.config import Settings, load_preset
from matcurate.phase.build import Base, PhaseSettings, base_of, build_model
from matcurate.phase.model import PhaseModel
from matcurate.phase.samples import Picture
from matcurate.phase.scores import score_phases
from matcurate.phase.storage import save_adapter
from matcurate.phase.trainer import StepReport, TrainReport, train
from matcurate.promptable.registry import OFFLINE
from matcurate.types import Progress, silent
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
    """What is trained and what it is told.

    Parameters
    ----------
    preset : str, optional
        Name in ``configs/phase``, or the path of a YAML file; ``builtin``, or ``sam`` for an official SAM.
    backbone : str, optional
        Registry name; that of the settings, where ``auto`` stands for ``builtin``.
    rank, steps : int, optional
        In place of the preset's.
    plm : bool
        Whether the Phase Learning Module is in.
    ratio : str
        Told in evaluation: see :func:`parse_ratio`. In training it is as in the preset.
    seed : int
        Of weights, crops and the part kept for early stopping; non-negative.
    random_weights : bool
        Draw the backbone's weights from a fixed seed: for timing.

    Raises
    ------
    ValueError
        For a ratio that is none.
    """

    preset: str | None = None
    backbone: str | None = None
    rank: int | None = None
    plm: bool = True
    ratio: str = "alpha=0.9"
    steps: int | None = None
    seed: int = 0
    random_weights: bool = False

    def __post_init__(self) -> None:
        parse_ratio(self.ratio)


@dataclass(frozen=True, slots=True, eq=False)
class _Trained:
    """A model that was trained, from what, and how that went."""

    model: PhaseModel
    preset: PhaseSettings
    base: Base
    phases: tuple[str, ...]
    ended: TrainReport
    history: tuple[StepReport, ...]


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
    """Train on one dataset folder, measure on another.

    Parameters
    ----------
    train_folder, val_folder : Path
        Dataset folders; a part of the first is kept for early stopping.
    choice : FinetuneChoice
        What is trained.
    settings : Settings
        Of the installation.
    adapter : Path, optional
        Where the trained adapter is kept.
    checkpoint : Path, optional
        Existing folder from which a training that was killed goes on.
    progress : Progress
        Told steps done.

    Raises
    ------
    ConfigError
        For an unknown preset or backbone, or one without weights.
    CheckpointError
        When the backbone's checkpoint is not at hand.
    DatasetError, UnreadableImageError
        When a folder cannot be read, or VAL has a phase that TRAIN has not.
    """
    backbone = learning_backbone(choice.backbone, settings, choice.random_weights)
    base = base_of(backbone)
    preset = _changed(load_preset(choice.preset or _preset(base), PhaseSettings, PRESETS), choice)
    pictures, measured = (labelled_pictures(folder, settings) for folder in (train_folder, val_folder))
    phases = class_names(train_folder, pictures, measured)
    learned, kept = _parted(pictures, preset.validation_share, choice.seed)
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
    if adapter is not None:
        save_adapter(adapter, model, base, phases, preset.model, {"seed": str(choice.seed)})
    trained = _Trained(model, preset, base, phases, ended, tuple(history))
    return _report((str(train_folder), str(val_folder)), choice, trained, measured)


def _report(
    folders: tuple[str, str], choice: FinetuneChoice, trained: _Trained, measured: Sequence[Picture]
) -> FinetuneBenchmark:
    """Measure a trained model at every ratio."""
    model, ended = trained.model, trained.ended
    others = [each for each in COMPARED if each != choice.ratio] if choice.plm else []
    truth, found = [each.labels for each in measured], segmented(model, measured, choice.ratio)
    scores = [score_phases(each, true, model.phases) for each, true in zip(found, truth, strict=True)]
    by_ratio = {choice.ratio: found} | {each: segmented(model, measured, each) for each in others}
    trainable, total = model.parameter_counts()
    return FinetuneBenchmark(
        train=folders[0],
        val=folders[1],
        backbone=trained.base.name,
        base_sha256=trained.base.sha256,
        preset=trained.preset.name,
        rank=trained.preset.model.lora.rank,
        plm=choice.plm,
        ratio=choice.ratio,
        seed=choice.seed,
        phases=trained.phases,
        images=len(measured),
        steps=ended.steps,
        best_step=ended.best_step,
        dice=mean_dice(dice_of_classes(found, truth, model.phases)),
        dice_per_class=dice_of_classes(found, truth, model.phases),
        dice_foreground=foreground_dice(found, truth),
        iou_per_class=per_class([each.iou for each in scores]),
        boundary_f1_per_class=per_class([each.boundary_f1 for each in scores]),
        fraction_error=float(np.mean(np.abs([each.fraction_error for each in scores]))),
        dice_by_ratio={name: mean_dice(dice_of_classes(each, truth, model.phases)) for name, each in by_ratio.items()},
        dice_per_class_by_ratio={name: dice_of_classes(each, truth, model.phases) for name, each in by_ratio.items()},
        trainable_parameters=trainable,
        total_parameters=total,
        parameters=part_parameters(model),
        seconds_per_step=ended.seconds_per_step,
        peak_mb=peak_mb(model),
        history=trained.history,
    )


def _preset(base: Base) -> str:
    return "builtin" if base.name == OFFLINE else "sam"


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


def _parted(pictures: Sequence[Picture], share: float, seed: int) -> tuple[list[Picture], list[Picture]]:
    """What is learned from, and what is kept for early stopping: nothing of fewer than three pictures."""
    kept = round(share * len(pictures)) if len(pictures) >= 3 else 0
    order = np.random.default_rng(seed).permutation(len(pictures))
    return [pictures[index] for index in order[kept:]], [pictures[index] for index in order[:kept]]
