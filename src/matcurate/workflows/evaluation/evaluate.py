"""A phase model on the golden set: per phase, per specimen, per micrograph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from matcurate.errors import CatalogError
from matcurate.learned.evidence import Calibration, predict_with_vacuity
from matcurate.phase.comparison import Difference, paired_difference
from matcurate.phase.inference import segment_phases
from matcurate.phase.model import SegmentationModel
from matcurate.phase.ratios import no_ratio
from matcurate.phase.samples import grey_levels
from matcurate.phase.scores import PhaseScores, mean_of, score_phases
from matcurate.types import LabelMap, Progress, silent
from matcurate.uncertainty.calibration import Reliability
from matcurate.uncertainty.pixels import PixelHead
from matcurate.workflows.home import Workspace
from matcurate.workflows.presegment import zero_shot
from matcurate.workflows.snapshots import CorrectedMicrograph, GoldenSet, golden_samples


@dataclass(frozen=True, slots=True)
class GoldenScore:
    """One golden micrograph's scores; ``specimen`` is None where none is known."""

    name: str
    content_hash: str
    specimen: str | None
    scores: PhaseScores

    @property
    def dice(self) -> float:
        """Mean over the phases that occur, in [0, 1]."""
        mean = mean_of(self.scores.dice)
        return 0.0 if mean is None else mean

    @property
    def fraction_error(self) -> float:
        """Mean over the phases of the absolute error of the area fraction, in [0, 1]."""
        return float(np.mean(np.abs(self.scores.fraction_error)))


@dataclass(frozen=True, slots=True)
class Means:
    """Means over micrographs, in [0, 1]; None where nothing could be compared."""

    images: int
    dice: float | None
    iou: float | None
    fraction_error: float
    boundary_f1: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model on a golden set with this digest, as it serves: without a ratio from the expert.

    ``per_phase`` and ``per_specimen`` go by name, a micrograph without a specimen by its own; ``reliability`` is that
    of its uncertainty, None without a head of evidence.
    """

    golden: str
    overall: Means
    per_phase: Mapping[str, Means]
    per_specimen: Mapping[str, Means]
    images: tuple[GoldenScore, ...]
    reliability: Reliability | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Challenger less champion, on the same micrographs."""

    dice: Difference
    fraction_error: Difference


def evaluate(
    workspace: Workspace,
    model: SegmentationModel,
    golden: GoldenSet,
    *,
    evidence: PixelHead | None = None,
    seen: Callable[[CorrectedMicrograph, LabelMap], None] = lambda sample, predicted: None,
    progress: Progress = silent,
) -> Evaluation:
    """Predict the golden micrographs and compare with the experts' masks; with ``evidence`` its uncertainty, too.

    Raises CatalogError when the golden set is empty, or an image or mask of it is missing or damaged.
    """
    calibration = Calibration()

    def predict(sample: CorrectedMicrograph) -> LabelMap:
        grey, ratio = grey_levels(sample.pixels), no_ratio(model.phases)
        if evidence is None:
            return segment_phases(model, grey, ratio)
        prediction = predict_with_vacuity(model, evidence, grey, ratio)
        calibration.add(prediction, sample.truth)
        labels: LabelMap = prediction.shares.argmax(axis=0).astype(np.uint8)
        return labels

    evaluation = _measure(workspace, predict, golden, seen, progress)
    return evaluation if evidence is None else replace(evaluation, reliability=calibration.result())


def evaluate_without_training(workspace: Workspace, golden: GoldenSet, *, progress: Progress = silent) -> Evaluation:
    """Evaluate MatSAM with the project's preset, which pre-segments without a champion, on the golden set.

    A class that the project does not have counts as matrix. Raises CatalogError as of :func:`evaluate`; ConfigError,
    CheckpointError when preset or backbone cannot be loaded.
    """
    segmenter, last = zero_shot(workspace), len(workspace.project().phases)

    def predict(sample: CorrectedMicrograph) -> LabelMap:
        phases = segmenter.segment(sample.pixels).phases
        return np.where(phases > last, 0, phases).astype(np.uint8)

    return _measure(workspace, predict, golden, lambda sample, predicted: None, progress)


def _measure(
    workspace: Workspace,
    predict: Callable[[CorrectedMicrograph], LabelMap],
    golden: GoldenSet,
    seen: Callable[[CorrectedMicrograph, LabelMap], None],
    progress: Progress,
) -> Evaluation:
    if not golden.items:
        raise CatalogError(NO_GOLDEN_SET)
    phases = workspace.project().classes
    scored: list[GoldenScore] = []
    for sample in golden_samples(workspace, golden):
        progress(len(scored), len(golden.items), sample.name)
        predicted = predict(sample)
        scores = score_phases(predicted, sample.truth, len(phases))
        scored.append(GoldenScore(sample.name, sample.content_hash, sample.specimen, scores))
        seen(sample, predicted)
    progress(len(scored), len(golden.items))
    return summarise(scored, phases, golden.digest)


NO_GOLDEN_SET = (
    "no golden set: no golden micrograph has a correction; take some in with 'curate ingest --golden', correct them in "
    "Label Studio and run 'curate sync'"
)


def summarise(images: Sequence[GoldenScore], phases: Sequence[str], golden: str) -> Evaluation:
    """Means of scores, one micrograph or more, of phases named in the order of their ids."""
    groups: dict[str, list[GoldenScore]] = {}
    for image in images:
        groups.setdefault(image.specimen or image.name, []).append(image)
    return Evaluation(
        golden=golden,
        overall=_means(images),
        per_phase={name: _of_phase(images, index) for index, name in enumerate(phases)},
        per_specimen={name: _means(group) for name, group in groups.items()},
        images=tuple(images),
    )


def compare(
    challenger: Evaluation, champion: Evaluation, rng: np.random.Generator, confidence: float = 0.95
) -> Comparison:
    """Paired bootstrap of Dice and of the error of the area fractions.

    Raises ValueError when they were not measured on the same golden set.
    """
    if challenger.golden != champion.golden:
        raise ValueError("models are compared on one golden set only")
    dice = [np.array([image.dice for image in evaluation.images]) for evaluation in (challenger, champion)]
    error = [np.array([image.fraction_error for image in evaluation.images]) for evaluation in (challenger, champion)]
    return Comparison(
        paired_difference(dice[0], dice[1], rng, confidence=confidence),
        paired_difference(error[0], error[1], rng, confidence=confidence),
    )


def _means(images: Sequence[GoldenScore]) -> Means:
    return Means(
        images=len(images),
        dice=float(np.mean([image.dice for image in images])),
        iou=mean_of(tuple(mean_of(image.scores.iou) for image in images)),
        fraction_error=float(np.mean([image.fraction_error for image in images])),
        boundary_f1=mean_of(tuple(mean_of(image.scores.boundary_f1) for image in images)),
    )


def _of_phase(images: Sequence[GoldenScore], phase: int) -> Means:
    return Means(
        images=len(images),
        dice=mean_of(tuple(image.scores.dice[phase] for image in images)),
        iou=mean_of(tuple(image.scores.iou[phase] for image in images)),
        fraction_error=float(np.mean([abs(image.scores.fraction_error[phase]) for image in images])),
        boundary_f1=mean_of(tuple(image.scores.boundary_f1[phase] for image in images)),
    )
