"""Pre-train the built-in network from a recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from matcurate import __version__
from matcurate.config import load_preset
from matcurate.errors import CheckpointError, ConfigError
from matcurate.promptable.builtin.examples import Examples, RegionExamples, examples
from matcurate.promptable.builtin.judging import QualityReport, learn_judge
from matcurate.promptable.builtin.recipe import Recipe
from matcurate.promptable.builtin.shipped import SHIPPED
from matcurate.promptable.builtin.stream import Generated, Mixed
from matcurate.promptable.builtin.training import CHECKPOINT, WEIGHTS, Training, TrainingReport, save_run_weights, train
from matcurate.promptable.builtin.weights import load_weights
from matcurate.promptable.digests import sha256_of
from matcurate.types import Progress, silent

RECIPES = "pretrain"
"""Folder of the recipes within ``configs/``."""
METRICS = "metrics.jsonl"


@dataclass(frozen=True, slots=True)
class PretrainReport:
    """What a run came to; ``accuracy`` is the balanced accuracy by head and source over its last steps."""

    recipe: str
    device: str
    step: int
    minutes: float
    loss: float | None
    accuracy: Mapping[str, Mapping[str, float]]
    parameters: int
    weights: str
    sha256: str
    checkpoint: str
    quality: QualityReport


def pretrain(
    config: str,
    out: Path,
    *,
    real: Sequence[Path] = (),
    resume: bool = False,
    start: str | None = None,
    minutes: float | None = None,
    seed: int = 0,
    device: str | None = None,
    progress: Progress = silent,
) -> PretrainReport:
    """Train to the recipe's end or until the time is up.

    Parameters
    ----------
    config : str
        Name of a recipe in ``configs/pretrain``, or the path of a YAML file.
    out : Path
        Folder of the run, made when missing: state, weights, and ``metrics.jsonl`` with one line per report.
    real : sequence of Path
        Dataset folders that join the generated pictures.
    resume : bool
        Go on with the run in ``out``.
    start : str, optional
        Begin with these weights instead of random ones: ``builtin`` (those of the package) or a file.
    minutes : float, optional
        Budget of this run; without it, all steps.
    seed : int
        Non-negative.
    device : str, optional
        torch device; a GPU when there is one.
    progress : Progress
        Told seconds of the budget, or steps.

    Raises
    ------
    ConfigError
        For a recipe that is not there or not right, another recipe than the run's, or a device that is not there.
    CheckpointError
        When there is nothing to resume, a run that would be overwritten, damaged weights, or no writing to ``out``.
    DatasetError, UnreadableImageError
        When a real folder cannot be read.
    """
    recipe = load_preset(config, Recipe, RECIPES)
    if seed < 0:
        raise ConfigError(f"seed {seed}: must not be negative; choose another seed")
    pictures = Mixed(Generated(recipe.all_kinds, recipe.picture), real, recipe.real_share)
    if start and resume:
        raise ConfigError("a run that goes on has weights already; leave out --start or --resume")
    training = _begun(recipe, out, seed, device, resume)
    if start:
        begun_with = load_weights(SHIPPED if start == "builtin" else Path(start))
        training.start_from(begun_with.network, begun_with.digest)
    reports: list[TrainingReport] = []

    def record(report: TrainingReport) -> None:
        reports[:] = [report]
        with (out / METRICS).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(report)) + "\n")
        done, total = (report.step, recipe.steps) if minutes is None else (report.seconds - before, 60 * minutes)
        progress(min(int(done), int(total)), int(total), f"step {report.step} loss {report.loss:.3f}")

    before = training.seconds
    card = {
        "recipe": recipe.model_dump_json(),
        "sources": ", ".join(pictures.sources),
        "seed": str(seed),
        "start": training.start,
        "matcurate": __version__,
    }
    try:
        train(training, pictures, out, card, record, minutes)
        judged = _with_quality(training, pictures, out, card, progress)
    except OSError as error:
        raise CheckpointError(f"{out}: cannot be written to ({error.strerror}); choose another folder") from error
    return _report(training, out, reports, judged)


def _begun(recipe: Recipe, out: Path, seed: int, device: str | None, resume: bool) -> Training:
    checkpoint = out / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise CheckpointError(f"{out}: holds a run; go on with --resume, or choose another folder with --out")
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        training = Training(recipe, seed, chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {chosen!r} cannot be used ({reason}); use cpu, or cuda if there is one") from error
    if resume:
        training.restore(checkpoint)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"{out}: cannot be made ({error.strerror}); choose another folder") from error
    return training


def _with_quality(
    training: Training, pictures: Mixed, out: Path, card: Mapping[str, str], progress: Progress
) -> QualityReport:
    """Learn to judge the regions that the network's boundaries make, and save it with the network."""
    recipe, averaged = training.recipe, training.averaged
    network = deepcopy(averaged).cpu().to(memory_format=torch.contiguous_format)
    source = RegionExamples(pictures, network, recipe.prompts, training.seed)
    found: list[Examples] = []
    for one in examples(source, recipe.workers):
        found.append(one)
        progress(len(found), len(source), "regions")
    judge, report = learn_judge(found, recipe.prompts, training.seed, training.device)
    written = {name: "" if value is None else f"{value:.3g}" for name, value in asdict(report).items()}
    save_run_weights(training, judge, out, {**card, **written})
    return report


def _report(training: Training, out: Path, reports: Sequence[TrainingReport], judged: QualityReport) -> PretrainReport:
    last = reports[-1] if reports else None
    return PretrainReport(
        recipe=training.recipe.name,
        device=str(training.device),
        step=training.step,
        minutes=training.seconds / 60,
        loss=last.loss if last else None,
        accuracy=last.accuracy if last else {},
        parameters=sum(parameter.numel() for parameter in training.network.parameters()),
        weights=str(out / WEIGHTS),
        sha256=sha256_of(out / WEIGHTS),
        checkpoint=str(out / CHECKPOINT),
        quality=judged,
    )
