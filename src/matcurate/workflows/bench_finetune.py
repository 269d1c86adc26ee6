"""Fine-tune a backbone on one dataset folder and measure it on another, with and without an expert's ratio."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from matcurate.config import Settings, load_preset
from matcurate.errors import DatasetError
from matcurate.imaging.dataset import open_dataset
from matcurate.phase.build import PhaseSettings, base_of, build_model
from matcurate.phase.inference import segment_phases
from matcurate.phase.model import PhaseModel
from matcurate.phase.ratios import Ratio, exact_ratio, guessed_ratio, no_ratio
from matcurate.phase.samples import Picture, picture
from matcurate.phase.scores import PhaseScores, mean_of, score_phases
from matcurate.phase.trainer import StepReport, train
from matcurate.promptable.registry import AUTO, OFFLINE, load_backbone
from matcurate.types import Progress, silent

PRESETS = "phase"
"""Folder of the presets within ``configs/``."""
EXACT, NONE, ALPHA = "exact", "none", "alpha="
COMPARED = (NONE, "alpha=0.9", EXACT)
"""Ratios that every run with the module is measured at, beside the one that was asked for."""


@dataclass(frozen=True, slots=True)
class FinetuneBenchmark:
    """Means over the micrographs of VAL; per class in the order of ``phases``, null where a class never occurs.

    ``fraction_error`` is the mean absolute error of the area fractions; ``dice_by_ratio`` has the same trained model
    at other ratios; ``history`` the reports of training; ``peak_mb`` is the GPU's memory, or the process's on a CPU.
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
    iou_per_class: tuple[float | None, ...]
    boundary_f1_per_class: tuple[float | None, ...]
    fraction_error: float
    dice_by_ratio: dict[str, float]
    trainable_parameters: int
    total_parameters: int
    parameters: dict[str, int]
    seconds_per_step: float
    peak_mb: float
    history: tuple[StepReport, ...]


def parse_ratio(text: str) -> float | None:
    """Accuracy of a ``--ratio``: ``exact`` is 1, ``alpha=0.9`` is 0.9, ``none`` is None.

    Raises
    ------
    ValueError
        For anything else, and an α outside [0, 1].
    """
    if text in (EXACT, NONE):
        return 1.0 if text == EXACT else None
    try:
        accuracy = float(text.removeprefix(ALPHA)) if text.startswith(ALPHA) else -1.0
    except ValueError:
        accuracy = -1.0
    if not 0 <= accuracy <= 1:
        raise ValueError(f"{text!r} is not exact, none or alpha=X with X in [0, 1]")
    return accuracy


def bench_finetune(
    train_folder: Path,
    val_folder: Path,
    *,
    settings: Settings,
    preset: str | None = None,
    backbone: str | None = None,
    rank: int | None = None,
    plm: bool = True,
    ratio: str = "alpha=0.9",
    steps: int | None = None,
    seed: int = 0,
    random_weights: bool = False,
    progress: Progress = silent,
) -> FinetuneBenchmark:
    """Train on one dataset folder, measure on another.

    Parameters
    ----------
    train_folder, val_folder : Path
        Dataset folders; a part of the first is kept for early stopping.
    settings : Settings
        Of the installation.
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
    ValueError
        For a ratio that is none.
    """
    parse_ratio(ratio)
    name = backbone or settings.backbone
    model_backbone = load_backbone(
        OFFLINE if name == AUTO else name,
        settings.resolved_cache_dir,
        cache_gib=settings.cache_gib,
        random_weights=random_weights,
    )
    base = base_of(model_backbone)
    found = load_preset(preset or ("builtin" if base.name == OFFLINE else "sam"), PhaseSettings, PRESETS)
    chosen = _changed(found, rank, plm, steps)
    pictures, measured = _pictures(train_folder, settings), _pictures(val_folder, settings)
    phases = _phases(open_dataset(train_folder).info.classes, pictures, measured)
    learned, kept = _parted(pictures, chosen.validation_share, seed)
    model = build_model(model_backbone, len(phases), chosen.model, seed)
    history: list[StepReport] = []

    def record(report: StepReport) -> None:
        history.append(report)
        dice = "" if report.dice is None else f" Dice {report.dice:.3f}"
        progress(report.step, report.steps, f"loss {report.loss:.3f}{dice}")

    ended = train(model, learned, chosen.train, seed=seed, validation=kept, report=record)
    scores = _scored(model, measured, ratio)
    trainable, total = model.parameter_counts()
    others = [each for each in COMPARED if each != ratio] if plm else []
    return FinetuneBenchmark(
        train=str(train_folder),
        val=str(val_folder),
        backbone=base.name,
        base_sha256=base.sha256,
        preset=chosen.name,
        rank=chosen.model.lora.rank,
        plm=plm,
        ratio=ratio,
        seed=seed,
        phases=phases,
        images=len(measured),
        steps=ended.steps,
        best_step=ended.best_step,
        dice=_dice(scores),
        dice_per_class=_per_class([each.dice for each in scores]),
        iou_per_class=_per_class([each.iou for each in scores]),
        boundary_f1_per_class=_per_class([each.boundary_f1 for each in scores]),
        fraction_error=float(np.mean(np.abs([each.fraction_error for each in scores]))),
        dice_by_ratio={ratio: _dice(scores), **{each: _dice(_scored(model, measured, each)) for each in others}},
        trainable_parameters=trainable,
        total_parameters=total,
        parameters=part_parameters(model),
        seconds_per_step=ended.seconds_per_step,
        peak_mb=_peak_mb(model),
        history=tuple(history),
    )


def _changed(preset: PhaseSettings, rank: int | None, plm: bool, steps: int | None) -> PhaseSettings:
    """The preset with what the command line says; checked like the preset."""
    content = preset.model_dump()
    if rank is not None:
        content["model"]["lora"]["rank"] = rank
    if not plm:
        content["model"]["plm"] = None
    if steps is not None:
        content["train"]["steps"] = steps
    return PhaseSettings.model_validate(content)


def _pictures(folder: Path, settings: Settings) -> list[Picture]:
    found = []
    for sample in open_dataset(folder):
        labelled = sample.load(max_megapixels=settings.max_megapixels)
        found.append(picture(sample.name, labelled.micrograph.pixels, labelled.phases))
    return found


def _phases(named: tuple[str, ...], learned: Sequence[Picture], measured: Sequence[Picture]) -> tuple[str, ...]:
    """Names of the phases: those of ``dataset.yaml``, else numbers up to the largest id that is learned."""
    count = len(named) or 1 + max(int(each.labels.max()) for each in learned)
    for each in measured:
        if int(each.labels.max()) >= count:
            raise DatasetError(f"{each.name}: phase id {each.labels.max()}, but {count} are learned; mend its mask")
    return named or tuple(str(index) for index in range(count))


def _parted(pictures: Sequence[Picture], share: float, seed: int) -> tuple[list[Picture], list[Picture]]:
    """What is learned from, and what is kept for early stopping: nothing of fewer than three pictures."""
    kept = round(share * len(pictures)) if len(pictures) >= 3 else 0
    order = np.random.default_rng(seed).permutation(len(pictures))
    return [pictures[index] for index in order[kept:]], [pictures[index] for index in order[:kept]]


def _scored(model: PhaseModel, pictures: Sequence[Picture], ratio: str) -> list[PhaseScores]:
    return [
        score_phases(segment_phases(model, each.grey, _told(each, model.phases, ratio)), each.labels, model.phases)
        for each in pictures
    ]


def _told(each: Picture, phases: int, ratio: str) -> Ratio:
    accuracy = parse_ratio(ratio)
    return no_ratio(phases) if accuracy is None else guessed_ratio(exact_ratio(each.labels, phases), accuracy)


def _per_class(values: Sequence[tuple[float | None, ...]]) -> tuple[float | None, ...]:
    return tuple(mean_of(column) for column in zip(*values, strict=True))


def _dice(scores: Sequence[PhaseScores]) -> float:
    """Mean over the classes of the means over the micrographs; some class occurs in every micrograph."""
    found = mean_of(_per_class([each.dice for each in scores]))
    return 0.0 if found is None else found


def part_parameters(model: PhaseModel) -> dict[str, int]:
    """Numbers of parameters of the parts, under the names of the paper's table 6."""

    def count(part: torch.nn.Module, learning: bool) -> int:
        return sum(value.numel() for value in part.parameters() if value.requires_grad or not learning)

    encoder = model.segmenter.encoder
    parts = {
        "encoder": count(encoder, False) - count(encoder, True),
        "lora": count(encoder, True),
        "decoder": count(model.segmenter, True) - count(encoder, True),
    }
    if model.plm is not None:
        plm = model.plm
        named = {"fe": plm.extractor, "re": plm.ratio_encoder, "sa": plm.awareness, "fa": plm.aggregator, "plm": plm}
        parts |= {name: count(part, True) for name, part in named.items()}
    return parts


def _peak_mb(model: PhaseModel) -> float:
    device = next(model.parameters()).device
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
