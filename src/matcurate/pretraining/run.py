"""Pre-train the built-in network from a recipe."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from matcurate import __version__
from matcurate.config import load_preset
from matcurate.errors import CheckpointError, ConfigError
from matcurate.pretraining.crops import batches
from matcurate.pretraining.imagenet import load_imagenet
from matcurate.pretraining.pictures import Folder, Mixture, Pool
from matcurate.pretraining.quality import QualityReport, learn_quality
from matcurate.pretraining.recipe import Recipe
from matcurate.pretraining.training import CHECKPOINT, Training, TrainingReport, train
from matcurate.pretraining.validation import validate, validation_pictures
from matcurate.promptable.builtin.quality import RegionQuality
from matcurate.promptable.builtin.shipped import SHIPPED
from matcurate.promptable.builtin.weights import load_weights, save_weights
from matcurate.promptable.digests import sha256_of
from matcurate.types import Progress, silent

RECIPES = "pretrain"
"""Folder of the recipes within ``configs/``."""
METRICS, WEIGHTS, LAST = "metrics.jsonl", "weights.safetensors", "last.safetensors"
POOL = "pictures"
VALIDATION_SEED = 1_000_003
"""Added to the seed for generated pictures that nothing is learned from."""


@dataclass(frozen=True, slots=True)
class PretrainReport:
    """What a run came to: steps and minutes over all resumed runs, and the exported file of weights.

    ``scores`` are those of each source for the exported weights of ``best_step``, see
    :func:`~matcurate.pretraining.validation.validate`. ``quality`` says how well the quality of answers to prompts is
    estimated; None where the run has not come so far. ``checkpoint`` is the state to resume from.
    """

    recipe: str
    device: str
    step: int
    minutes: float
    scores: Mapping[str, float]
    best_step: int
    parameters: int
    quality: QualityReport | None
    weights: str
    sha256: str
    checkpoint: str


def pretrain(
    config: str,
    out: Path,
    *,
    real: Sequence[Path] = (),
    val: Sequence[Path] = (),
    resume: bool = False,
    start: str | None = None,
    minutes: float | None = None,
    seed: int = 0,
    device: str | None = None,
    progress: Progress = silent,
) -> PretrainReport:
    """Train to the recipe's end or until the time is up.

    ``config`` names a recipe in ``configs/pretrain``, or a YAML file. ``out`` is the folder of the run: state, weights,
    generated pictures, and ``metrics.jsonl``. Dataset folders ``real`` are learned from, beside generated pictures;
    ``val`` choose, with generated pictures, which weights are exported. ``start`` is ``imagenet`` (the default),
    ``builtin`` (the package's own weights), or a file of weights. ``minutes`` is the budget of this run; without it,
    all steps. ``device`` is a GPU when there is one. ``progress`` gets seconds of the budget, or steps.

    Raises ConfigError for a recipe that is missing or wrong, a network of another shape, or a device that does not
    exist; CheckpointError when there is nothing to resume, a run would be overwritten, weights are damaged or missing,
    or ``out`` cannot be written to; DatasetError or UnreadableImageError when a real folder cannot be read;
    TrainingError when the pictures show too few objects to learn the quality of answers from.
    """
    if seed < 0:
        raise ConfigError(f"seed {seed}: must not be negative; choose another seed")
    if start and resume:
        raise ConfigError("a run that continues has weights already; leave out --start or --resume")
    recipe = _recipe(config, real)
    mixture, kept_apart, val_folders = _sources(recipe, out, real, val, seed)
    training = _started(recipe, out, seed, device, resume, start)
    held_out = validation_pictures(val_folders, kept_apart)  # the first that writes into the folder
    validated_on = ", ".join(sorted({picture.source for picture in held_out}))
    about = {"recipe": recipe.model_dump_json(), "sources": ", ".join(mixture.names), "seed": str(seed)}
    best = _Best(out, {**about, "validated_on": validated_on, "matcurate": __version__})
    begun = time.monotonic()

    def record(report: TrainingReport) -> None:
        line = asdict(report)
        if held_out and (report.step % recipe.validation_steps == 0 or report.step == recipe.steps):
            line["validation"] = best.offer(training, validate(training.averaged, held_out))
        with (out / METRICS).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")
        done, total = (report.step, recipe.steps) if minutes is None else (time.monotonic() - begun, 60 * minutes)
        progress(min(int(done), int(total)), int(total), f"step {report.step} loss {sum(report.loss.values()):.3f}")

    def save() -> None:
        training.save(out / CHECKPOINT)
        save_weights(out / LAST, training.averaged, RegionQuality(), best.card(training, {}))

    try:
        train(training, batches(mixture, recipe, seed, training.step), mixture.names, save, record, minutes)
        if not (out / WEIGHTS).is_file() or not held_out:
            best.offer(training, validate(training.averaged, held_out))
        quality = best.finish(mixture, recipe, seed, progress) if training.step == recipe.steps else None
    except OSError as error:
        raise CheckpointError(f"{out}: cannot be written to ({error.strerror}); choose another folder") from error
    return _report(recipe, out, training, quality)


def _recipe(config: str, real: Sequence[Path]) -> Recipe:
    recipe = load_preset(config, Recipe, RECIPES)
    recipe.check_kinds()
    if not recipe.kinds and not real:
        raise ConfigError(f"{config}: nothing to learn from; name kinds in the recipe, or folders with --real")
    return recipe


def _report(recipe: Recipe, out: Path, training: Training, quality: QualityReport | None) -> PretrainReport:
    card = load_weights(out / WEIGHTS).card
    return PretrainReport(
        recipe=recipe.name,
        device=str(training.device),
        step=training.step,
        minutes=training.seconds / 60,
        scores=json.loads(card["scores"]),
        best_step=int(card["steps"]),
        parameters=sum(parameter.numel() for parameter in training.network.parameters()),
        quality=quality,
        weights=str(out / WEIGHTS),
        sha256=sha256_of(out / WEIGHTS),
        checkpoint=str(out / CHECKPOINT),
    )


def _sources(
    recipe: Recipe, out: Path, real: Sequence[Path], val: Sequence[Path], seed: int
) -> tuple[Mixture, list[Pool], list[Folder]]:
    """What is learned from; generated pictures and folders that choose the weights."""
    unknown = recipe.foreground_unknown
    learned, kept_apart = (
        [Pool(kind, recipe.picture, recipe.pool, of, out / POOL, kind not in unknown) for kind in sorted(recipe.kinds)]
        for of in (seed, seed + VALIDATION_SEED)
    )
    folders, val_folders = ([Folder(path, unknown) for path in paths] for paths in (real, val))
    mixture = Mixture(folders, learned, {**recipe.kinds, **recipe.real}, recipe.real_share)
    return mixture, kept_apart, val_folders


class _Best:
    """Keeps the weights of the best validation so far in ``out``."""

    def __init__(self, out: Path, about: Mapping[str, str]) -> None:
        self._path, self._about = out / WEIGHTS, dict(about)

    def card(self, training: Training, scores: Mapping[str, float]) -> dict[str, str]:
        """Lines that go with the weights."""
        return {
            **self._about,
            "steps": str(training.step),
            "minutes": f"{training.seconds / 60:.1f}",
            "scores": json.dumps({name: round(value, 4) for name, value in scores.items()}),
        }

    def offer(self, training: Training, scores: Mapping[str, float]) -> Mapping[str, float]:
        """Save the weights if their mean score is at least that of those saved. Returns the scores."""
        known = json.loads(load_weights(self._path).card["scores"]) if self._path.is_file() else {}
        if set(known) != set(scores) or _mean(scores) >= _mean(known):
            save_weights(self._path, training.averaged, RegionQuality(), self.card(training, scores))
        return scores

    def finish(self, mixture: Mixture, recipe: Recipe, seed: int, progress: Progress) -> QualityReport:
        """Teach the saved weights to rate answers to prompts."""
        weights = load_weights(self._path)
        quality, report = learn_quality(weights.network, mixture, recipe, seed, progress)
        rated = {f"quality_{name}": f"{value:.3f}" for name, value in asdict(report).items()}
        save_weights(self._path, weights.network, quality, {**weights.card, **rated})
        return report


def _mean(scores: Mapping[str, float]) -> float:
    """Mean of the folders' mean and of the generated kinds' mean; a folder's name has a slash."""
    folders = [value for name, value in scores.items() if "/" in name]
    kinds = [value for name, value in scores.items() if "/" not in name]
    means = [float(np.mean(values)) for values in (folders, kinds) if values]
    return float(np.mean(means)) if means else 0.0


def _started(recipe: Recipe, out: Path, seed: int, device: str | None, resume: bool, start: str | None) -> Training:
    checkpoint = out / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise CheckpointError(f"{out}: holds a run; continue it with --resume, or choose another folder with --out")
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        training = Training(recipe, seed, chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {chosen!r} cannot be used ({reason}); use cpu, or cuda if there is one") from error
    if resume:
        training.restore(checkpoint)
    elif start in (None, "imagenet"):
        load_imagenet(training.network)
        training.average_now()
    else:
        weights = load_weights(SHIPPED if start == "builtin" else Path(str(start))).network
        if weights.settings != recipe.network:
            raise ConfigError(f"{start}: of another shape than in the recipe {recipe.name}; use other weights")
        training.network.load_state_dict(weights.state_dict())
        training.average_now()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"{out}: cannot be made ({error.strerror}); choose another folder") from error
    return training
