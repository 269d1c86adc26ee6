"""From corrections to a challenger, and to a champion where the policy says so."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from matcurate.catalog.columns import utc_now
from matcurate.catalog.snapshots import mark_trained
from matcurate.errors import CatalogError
from matcurate.imaging.overlay import write_overlay
from matcurate.phase.trainer import StepReport
from matcurate.tracking.registry import CHALLENGER, Origin, Registry
from matcurate.tracking.runs import LiveRun, live_run
from matcurate.types import LabelMap, Progress, silent
from matcurate.uncertainty.calibration import Reliability
from matcurate.workflows.evaluation import (
    Evaluation,
    as_tags,
    compare,
    decide_promotion,
    evaluate_without_training,
    measurement,
)
from matcurate.workflows.evaluation.evaluate import evaluate
from matcurate.workflows.home import Workspace, backbone_of, current_user
from matcurate.workflows.snapshots import CorrectedMicrograph, GoldenSet, SnapshotReport, golden_set, take_snapshot
from matcurate.workflows.training.due import Due, decide, learning_state
from matcurate.workflows.training.training import (
    Champion,
    Plan,
    Trained,
    checkpoint_folder,
    is_interrupted,
    load_champion,
    make_plan,
    remove_checkpoints,
    train_on,
    training_folder,
)
from matcurate.workflows.training.training_run import Judgement, keep_results, run_report, step_metrics
from matcurate.workflows.versions import MODEL, move_alias, open_registry, promote

OVERLAYS = 12
"""So many golden micrographs at most are kept as pictures with a run."""


@dataclass(frozen=True, slots=True)
class RetrainReport:
    """What a retraining did; where nothing was trained, all from ``snapshot`` to ``matsam_metrics`` is None.

    Parameters
    ----------
    due : bool
        Whether the triggers call for a training.
    reason : str
        Why, or why not.
    snapshot : str or None
        Digest of what was trained on.
    run_id, model_version : str or None
        In MLflow; the version's name.
    metrics, champion_metrics : Evaluation or None
        Challenger and champion on the golden set; None without one, and without a champion.
    matsam_metrics : Evaluation or None
        Of MatSAM there, where there is no champion yet, or one of a base that is gone: it is what the challenger must
        not be worse than.
    promoted : bool
        Whether the challenger is champion now.
    why : str
        Why, or why not.
    """

    due: bool
    reason: str
    snapshot: str | None
    run_id: str | None
    model_version: str | None
    metrics: Evaluation | None
    champion_metrics: Evaluation | None
    matsam_metrics: Evaluation | None
    promoted: bool
    why: str


def retrain(
    workspace: Workspace, *, if_due: bool = False, dry_run: bool = False, seed: int = 0, progress: Progress = silent
) -> RetrainReport:
    """Train a challenger on the corrections, measure it, register it, and promote it by the policy.

    Weights begin with the champion's, where phases, base and settings are the same. A training that was killed goes on
    from its checkpoint in the home, as long as snapshot, settings, seed and champion are the same.

    Parameters
    ----------
    workspace : Workspace
        The open installation; its settings' section ``retrain`` decides.
    if_due : bool
        Only when a trigger calls for it.
    dry_run : bool
        Only say whether it is due: nothing is trained or stored.
    seed : int
        Of new weights, crops and the bootstrap, non-negative.
    progress : Progress
        Told steps and golden micrographs done; may raise to stop.

    Raises
    ------
    CatalogError
        When there are too few usable corrections, or another training of the project runs in this home.
    ConfigError, CheckpointError
        When preset, backbone or champion cannot be loaded.
    TrackingError
        When MLflow does not answer.
    TrainingError
        When the loss is not finite.
    """
    state = learning_state(workspace)
    due = decide(state, workspace.settings.retrain, utc_now())
    if dry_run:
        return _nothing(due, "dry run: nothing was trained")
    if if_due and not due.due:
        return _nothing(due, f"not due, nothing was trained: {due.reason}")
    least = workspace.settings.retrain.min_corrections
    if 0 < state.usable < least:
        raise CatalogError(
            f"{state.usable} usable corrections, {least} needed to train; correct more micrographs in Label Studio and "
            "run 'curate sync', or lower retrain.min_corrections"
        )
    golden = golden_set(workspace)  # read with the snapshot: what becomes golden later may have been trained on
    snapshot = take_snapshot(workspace)
    registry = open_registry(workspace)
    with _alone(workspace, registry):
        return _train_and_judge(workspace, registry, due, snapshot, golden, seed, progress)


def as_document(report: RetrainReport) -> dict[str, object]:
    """The report as JSON holds it; metrics without the single micrographs."""
    document = {name: getattr(report, name) for name in RetrainReport.__slots__}
    for name in ("metrics", "champion_metrics", "matsam_metrics"):
        found: Evaluation | None = document[name]
        document[name] = None if found is None else _metrics(found)
    return document


def _metrics(found: Evaluation) -> dict[str, object]:
    groups = {"per_phase": found.per_phase, "per_specimen": found.per_specimen}
    means = {group: {name: asdict(each) for name, each in named.items()} for group, named in groups.items()}
    trusted = None if found.reliability is None else asdict(found.reliability)
    return {**asdict(found.overall), **means, "calibration": trusted, "golden": found.golden}


def _nothing(due: Due, why: str) -> RetrainReport:
    return RetrainReport(due.due, due.reason, None, None, None, None, None, None, False, why)


@contextmanager
def _alone(workspace: Workspace, registry: Registry) -> Iterator[None]:
    folder = training_folder(workspace, registry)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise CatalogError(
            f"another training of project {workspace.settings.project!r} runs ({folder}); wait until it has ended, "
            "'curate jobs' shows the worker's"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _train_and_judge(
    workspace: Workspace,
    registry: Registry,
    due: Due,
    snapshot: SnapshotReport,
    golden: GoldenSet,
    seed: int,
    progress: Progress,
) -> RetrainReport:
    champion = load_champion(registry)
    plan = make_plan(workspace, champion, seed)
    folder = checkpoint_folder(workspace, registry, plan, snapshot.snapshot)
    begun = run_report(workspace, plan, snapshot, golden, is_interrupted(folder))
    with live_run(registry.uri, workspace.project().name, begun) as live:

        def report(step: StepReport) -> None:
            live.metrics(step_metrics(step), step.step)

        trained = train_on(workspace, snapshot.snapshot, plan, folder, report, progress)
        judgement = _judge(workspace, live, trained, champion, golden, seed, progress)
        keep_results(live, plan, trained, snapshot, judgement, workspace.settings.lab)
    version = _register(workspace, registry, live.id, plan, snapshot, judgement)
    if champion is not None and judgement.champion_metrics is not None:
        measured = measurement(judgement.champion_metrics, workspace.settings.lab)
        registry.add_tags(champion.version.version, as_tags([measured]))
    with workspace.writing() as session:
        mark_trained(session, snapshot.snapshot.id)
    remove_checkpoints(workspace, registry)
    return RetrainReport(
        due=due.due,
        reason=due.reason,
        snapshot=snapshot.snapshot.digest,
        run_id=live.id,
        model_version=version,
        metrics=judgement.metrics,
        champion_metrics=judgement.champion_metrics,
        matsam_metrics=judgement.matsam_metrics,
        promoted=judgement.decision.promoted,
        why=judgement.decision.why,
    )


def _judge(
    workspace: Workspace,
    live: LiveRun,
    trained: Trained,
    champion: Champion | None,
    golden: GoldenSet,
    seed: int,
    progress: Progress,
) -> Judgement:
    """Measure challenger and what pre-segments now on the golden set, and decide.

    A champion of a base that this version does not have can segment nothing any more: MatSAM stands in for it.
    """
    policy = workspace.settings.retrain.promotion
    if not golden.items:
        return Judgement(None, None, None, decide_promotion(None, "", policy))
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder)

        def keep(sample: CorrectedMicrograph, predicted: LabelMap) -> None:
            if len(list(pictures.iterdir())) < OVERLAYS:
                write_overlay(pictures / f"{sample.content_hash[:12]}.png", sample.pixels, predicted)

        metrics = evaluate(workspace, trained.model, golden, evidence=trained.evidence, seen=keep, progress=progress)
        live.files(pictures, "golden")
    rng = np.random.default_rng(seed)
    base = None if champion is None else backbone_of(workspace, champion.adapter.card.backbone)
    if champion is None or base is None or not champion.adapter.fits(base):
        matsam = evaluate_without_training(workspace, golden, progress=progress)
        comparison = compare(metrics, matsam, rng, policy.confidence)
        decision = decide_promotion(comparison, "MatSAM", policy, metrics.reliability)
        return Judgement(metrics, None, matsam, decision)
    model = champion.adapter.model(base)
    theirs = evaluate(workspace, model, golden, evidence=champion.evidence, progress=progress)
    comparison = compare(metrics, theirs, rng, policy.confidence)
    decision = decide_promotion(comparison, champion.version.name, policy, metrics.reliability)
    return Judgement(metrics, theirs, None, decision)


def _register(
    workspace: Workspace,
    registry: Registry,
    run_id: str,
    plan: Plan,
    snapshot: SnapshotReport,
    judgement: Judgement,
) -> str:
    """Make the run's model a version, the challenger, and champion of project and lab where that was decided.

    Returns
    -------
    str
        The version's name.
    """
    decision, lab, digest = judgement.decision, workspace.settings.lab, snapshot.snapshot.digest
    tags = {"start": plan.start, "promotion": decision.why}
    if judgement.metrics is not None:
        overall = asdict(judgement.metrics.overall)
        tags |= {f"golden_{name}": f"{value:.4g}" for name, value in overall.items() if value is not None}
        tags["golden"] = judgement.metrics.golden
        tags |= _calibration_tags(judgement.metrics.reliability)
        tags |= as_tags([measurement(judgement.metrics, lab)])
    origin = Origin(digest, plan.base.name, plan.base.sha256, plan.settings_sha256, lab)
    number = registry.register(run_id, MODEL, origin, tags)
    who = f"{current_user()}, by 'curate retrain'"
    outcome = "to be promoted" if decision.promoted else "not promoted"
    why = f"trained on snapshot {snapshot.snapshot.name}; {outcome}: {decision.why}"
    move_alias(workspace, registry, CHALLENGER, number, who=who, why=why)
    if decision.promoted:
        for whose in (None, lab):  # the project's champion, and the lab's own
            promote(workspace, registry, str(number), why=decision.why, lab=whose, who=who)
    return registry.version(number).name


def _calibration_tags(trusted: Reliability | None) -> dict[str, str]:
    found = {} if trusted is None else asdict(trusted)
    return {f"calibration_{name}": f"{value:.4g}" for name, value in found.items() if value is not None}
