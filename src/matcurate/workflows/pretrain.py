"""Pre-train the built-in network from a recipe."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import torch

from matcurate import __version__
from matcurate.config import load_preset
from matcurate.errors import CheckpointError, ConfigError
from matcurate.promptable.builtin.answers import AnswerExamples
from matcurate.promptable.builtin.examples import RegionExamples
from matcurate.promptable.builtin.judging import AnswerReport, QualityReport, learn_answers, learn_quality
from matcurate.promptable.builtin.quality import Judge
from matcurate.promptable.builtin.recipe import Recipe
from matcurate.promptable.builtin.seams import SeamPictures, SeamReport, learn_seams
from matcurate.promptable.builtin.shipped import SHIPPED
from matcurate.promptable.builtin.stream import Generated, Mixed, one_by_one
from matcurate.promptable.builtin.training import CHECKPOINT, WEIGHTS, Training, TrainingReport, save_run_weights, train
from matcurate.promptable.builtin.weights import load_weights
from matcurate.promptable.digests import sha256_of
from matcurate.types import Progress, silent

T = TypeVar("T")
RECIPES = "pretrain"
"""Folder of the recipes within ``configs/``."""
METRICS = "metrics.jsonl"


@dataclass(frozen=True, slots=True)
class PretrainReport:
    """What a run came to; ``accuracy`` is the balanced accuracy by head and source over its last steps.

    ``quality`` and ``seams`` say how well regions and seams are judged; None where the recipe keeps what was known.
    """

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
    quality: QualityReport | None
    seams: SeamReport | None
    answers: AnswerReport | None


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
    begun_with = load_weights(SHIPPED if start == "builtin" else Path(start)) if start else None
    known = begun_with.judge if begun_with else None
    if known is None and (recipe.prompts is None or recipe.seams is None):
        raise ConfigError(f"recipe {recipe.name!r} keeps what judges regions or seams; say of what with --start")
    training = _begun(recipe, out, seed, device, resume)
    if begun_with:
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
        "start_card": json.dumps(dict(begun_with.card)) if begun_with else "",
        "matcurate": __version__,
    }
    try:
        train(training, pictures, out, card, record, minutes)
        judged = _judged(training, pictures, known, progress)
        save_run_weights(training, judged.judge, out, {**card, **judged.card()})
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


@dataclass(slots=True)
class _Judged:
    """What judges regions and seams, and how well."""

    judge: Judge
    quality: QualityReport | None = None
    seams: SeamReport | None = None
    answers: AnswerReport | None = None

    def card(self) -> dict[str, str]:
        """Lines of the weights' card."""
        lines: dict[str, str] = {}
        for prefix, report in (("", self.quality), ("seams_", self.seams), ("answers_", self.answers)):
            for name, value in (asdict(report) if report else {}).items():
                lines[prefix + name] = "" if value is None else f"{value:.3g}"
        return lines


def _judged(training: Training, pictures: Mixed, known: Judge | None, progress: Progress) -> _Judged:
    """Learn to judge the regions and the seams that the network's boundaries make, or keep what is known."""
    recipe, seed = training.recipe, training.seed
    network = deepcopy(training.averaged).cpu().to(memory_format=torch.contiguous_format)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judged = _Judged(Judge().to(training.device))
    if known is not None:
        judged.judge.load_state_dict(known.state_dict())
    if recipe.seams is not None:
        parts = SeamPictures(Generated(recipe.seams.kinds, recipe.seams.picture), network, recipe.seams, seed)
        found = _collected(one_by_one(parts, recipe.workers), len(parts), "pictures in patches", progress)
        judged.seams = learn_seams(judged.judge.seams, found, recipe.seams, seed, progress)
    if recipe.prompts is not None:
        # Regions are made with the judge of seams, and answers are offered by that of regions: each after the other.
        regions = RegionExamples(pictures, network, recipe.prompts, seed, _on_cpu(judged.judge).seams.judge)
        described = _collected(one_by_one(regions, recipe.workers), len(regions), "regions", progress)
        judged.quality = learn_quality(judged.judge, described, recipe.prompts, seed)
        answers = AnswerExamples(pictures, network, _on_cpu(judged.judge), recipe.prompts, seed)
        offered = _collected(one_by_one(answers, recipe.workers), len(answers), "answers", progress)
        judged.answers = learn_answers(judged.judge.panel, offered, recipe.prompts, seed)
    judged.judge.eval()
    return judged


def _on_cpu(judge: Judge) -> Judge:
    """A copy that drawing processes can use."""
    return deepcopy(judge).cpu().eval()


def _collected(source: Iterable[T], total: int, what: str, progress: Progress) -> list[T]:
    found: list[T] = []
    for one in source:
        found.append(one)
        progress(len(found), total, what)
    return found


def _report(training: Training, out: Path, reports: Sequence[TrainingReport], judged: _Judged) -> PretrainReport:
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
        quality=judged.quality,
        seams=judged.seams,
        answers=judged.answers,
    )
