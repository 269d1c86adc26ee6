"""From corrections to a challenger, and to a champion where the policy says so."""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from matcurate.catalog import mark_trained, snapshot_named, utc_now
from matcurate.errors import CatalogError
from matcurate.imaging.overlay import write_overlay
from matcurate.phase.trainer import StepReport
from matcurate.tracking.reach import state_of
from matcurate.tracking.registry import CHALLENGER, RegisteredVersion, Registry, champion_alias
from matcurate.tracking.runs import LiveRun, live_run
from matcurate.tracking.version_tags import VersionTags
from matcurate.types import LabelMap, Progress, silent
from matcurate.uncertainty.calibration import Reliability
from matcurate.workflows.evaluation import (
    Evaluation,
    Means,
    as_tags,
    compare,
    decide_promotion,
    evaluate_without_training,
    measurement,
)
from matcurate.workflows.evaluation.evaluate import evaluate
from matcurate.workflows.home import PROMOTION, Workspace, backbone_of, current_user, enqueue
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
from matcurate.workflows.training.training_run import GoldenComparison, log_results, run_report, step_metrics
from matcurate.workflows.versions import MODEL, move_alias, open_registry, promote

OVERLAYS = 12
"""Maximum number of golden micrographs that are kept as pictures with a run."""


@dataclass(frozen=True, slots=True)
class RetrainReport:
    """Result of a retraining; where nothing was trained, all from ``snapshot`` to ``matsam_metrics`` is None.

    ``metrics`` and ``champion_metrics`` are challenger and champion on the golden set; ``matsam_metrics`` MatSAM there,
    where there is no champion yet, or one of a base that is gone: the challenger must not be worse. ``reason`` says why
    it is due or not, ``why`` why it was promoted or not.
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
    workspace: Workspace,
    *,
    if_due: bool = False,
    dry_run: bool = False,
    seed: int = 0,
    progress: Progress = silent,
    job: str | None = None,
) -> RetrainReport:
    """Train a challenger on the corrections, measure it, register it, and promote it by the policy.

    Weights begin with the champion's, where phases, base and settings are the same. A training that was killed resumes
    from its checkpoint in the home, as long as snapshot, settings, seed and champion are the same. ``if_due`` trains
    only when a trigger calls for it, ``dry_run`` only says whether it is due. ``progress`` may raise to stop.

    ``job`` names the worker's job: when it is done again after a kill, what it has registered is not trained again.

    Raises CatalogError when there are too few usable corrections, or another training of the project runs in this home;
    ConfigError or CheckpointError when preset, backbone or champion cannot be loaded; TrackingError when MLflow does
    not answer; TrainingError when the loss is not finite.
    """
    if job is not None and (registered := _registered_by(workspace, job)) is not None:
        return registered
    state = learning_state(workspace)
    due = decide(state, workspace.settings.retrain, utc_now())
    if dry_run:
        return _not_trained(due, "dry run: nothing was trained")
    if if_due and not due.due:
        return _not_trained(due, f"not due, nothing was trained: {due.reason}")
    least = workspace.settings.retrain.min_corrections
    if 0 < state.usable < least:
        raise CatalogError(
            f"{state.usable} usable corrections, {least} needed to train; correct more micrographs in Label Studio and "
            "run 'curate sync', or lower retrain.min_corrections"
        )
    golden = golden_set(workspace)  # read with the snapshot: what becomes golden later may have been trained on
    snapshot = take_snapshot(workspace)
    registry = open_registry(workspace)
    with _training_lock(workspace, registry):
        return _train_and_compare(workspace, registry, due, snapshot, golden, seed, progress, job)


def as_document(report: RetrainReport) -> dict[str, object]:
    """The report as JSON holds it; metrics without the single micrographs."""
    document = {name: getattr(report, name) for name in RetrainReport.__slots__}
    for name in ("metrics", "champion_metrics", "matsam_metrics"):
        evaluation: Evaluation | None = document[name]
        document[name] = None if evaluation is None else _metrics(evaluation)
    return document


def _metrics(evaluation: Evaluation) -> dict[str, object]:
    groups = {"per_phase": evaluation.per_phase, "per_specimen": evaluation.per_specimen}
    means = {group: {name: asdict(each) for name, each in named.items()} for group, named in groups.items()}
    reliability = None if evaluation.reliability is None else asdict(evaluation.reliability)
    return {**asdict(evaluation.overall), **means, "calibration": reliability, "golden": evaluation.golden}


def _not_trained(due: Due, why: str) -> RetrainReport:
    return RetrainReport(due.due, due.reason, None, None, None, None, None, None, False, why)


def _training_lock(workspace: Workspace, registry: Registry) -> AbstractContextManager[object]:
    folder = training_folder(workspace, registry)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return FileLock(folder / ".lock", timeout=0).acquire()
    except Timeout:
        raise CatalogError(
            f"another training of project {workspace.settings.project!r} runs ({folder}); wait until it has ended, "
            "'curate jobs' shows the worker's"
        ) from None


def _train_and_compare(
    workspace: Workspace,
    registry: Registry,
    due: Due,
    snapshot: SnapshotReport,
    golden: GoldenSet,
    seed: int,
    progress: Progress,
    job: str | None,
) -> RetrainReport:
    champion = load_champion(registry)
    plan = make_plan(workspace, champion, seed)
    folder = checkpoint_folder(workspace, registry, plan, snapshot.snapshot)
    begun = run_report(workspace, plan, snapshot, golden, is_interrupted(folder))
    with live_run(registry.uri, workspace.project().name, begun) as live:

        def report(step: StepReport) -> None:
            live.metrics(step_metrics(step), step.step)

        trained = train_on(workspace, snapshot.snapshot, plan, folder, report, progress)
        outcome = _compare_on_golden_set(workspace, live, trained, champion, golden, seed, progress)
        log_results(live, plan, trained, snapshot, outcome, workspace.settings.lab)
    if champion is not None and outcome.champion_metrics is not None:
        measured = measurement(outcome.champion_metrics, workspace.settings.lab)
        registry.add_tags(champion.version.version, as_tags([measured]))
    version = _register(workspace, registry, live.id, plan, snapshot, outcome, job)
    with workspace.writing() as session:
        mark_trained(session, snapshot.snapshot.id)
    remove_checkpoints(workspace, registry)
    return RetrainReport(
        due=due.due,
        reason=due.reason,
        snapshot=snapshot.snapshot.digest,
        run_id=live.id,
        model_version=version,
        metrics=outcome.metrics,
        champion_metrics=outcome.champion_metrics,
        matsam_metrics=outcome.matsam_metrics,
        promoted=outcome.decision.promoted,
        why=outcome.decision.why,
    )


def _compare_on_golden_set(
    workspace: Workspace,
    live: LiveRun,
    trained: Trained,
    champion: Champion | None,
    golden: GoldenSet,
    seed: int,
    progress: Progress,
) -> GoldenComparison:
    """Measure challenger and what pre-segments now on the golden set, and decide.

    A champion of a base that this version does not have can segment nothing any more: MatSAM stands in for it.
    """
    policy = workspace.settings.retrain.promotion
    if not golden.items:
        return GoldenComparison(None, None, None, decide_promotion(None, "", policy))
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
        return GoldenComparison(metrics, None, matsam, decision)
    model = champion.adapter.model(base)
    theirs = evaluate(workspace, model, golden, evidence=champion.evidence, progress=progress)
    comparison = compare(metrics, theirs, rng, policy.confidence)
    decision = decide_promotion(comparison, champion.version.name, policy, metrics.reliability)
    return GoldenComparison(metrics, theirs, None, decision)


def _register(
    workspace: Workspace,
    registry: Registry,
    run_id: str,
    plan: Plan,
    snapshot: SnapshotReport,
    outcome: GoldenComparison,
    job: str | None,
) -> str:
    """Make the run's model a version, the challenger, and champion of project and lab where that was decided.

    Returns the version's name.
    """
    decision, lab = outcome.decision, workspace.settings.lab
    tags = VersionTags(
        family=workspace.settings.retrain.model,
        start=plan.start,
        promotion=decision.why,
        promoted=str(decision.promoted),
        job=job,
    )
    if outcome.metrics is not None:
        tags = replace(
            tags,
            golden=outcome.metrics.golden,
            golden_means=_four_digits(outcome.metrics.overall),
            calibration=_four_digits(outcome.metrics.reliability),
            measured=as_tags([measurement(outcome.metrics, lab)]).measured,
        )
    number = registry.register(run_id, MODEL, plan.origin(snapshot.snapshot, lab), tags)
    version = registry.version(number)
    _move_aliases(workspace, registry, version)
    return version.name


def _move_aliases(workspace: Workspace, registry: Registry, version: RegisteredVersion) -> None:
    """Make a new version the challenger, and champion of project and lab where that was decided."""
    who, why, lab = f"{current_user()}, by 'curate retrain'", version.tags.promotion or "", workspace.settings.lab
    promoted, snapshot = version.tags.promoted == str(True), version.tags.snapshot or ""
    if CHALLENGER not in version.aliases:
        result = "to be promoted" if promoted else "not promoted"
        reason = f"trained on snapshot {snapshot[:12]}; {result}: {why}"
        move_alias(workspace, registry, CHALLENGER, version.version, who=who, why=reason)
    for whose in (None, lab) if promoted else ():  # the project's champion, and the lab's own
        if champion_alias(whose) not in version.aliases:
            promote(workspace, registry, str(version.version), why=why, lab=whose, who=who)


def _registered_by(workspace: Workspace, job: str) -> RetrainReport | None:
    """Finish what a job had begun that registered a version and was killed; None when it has registered none."""
    if state_of(workspace.settings.resolved_tracking_uri) != "there":
        return None
    registry = open_registry(workspace)
    version = next((version for version in registry.versions() if version.tags.job == job), None)
    if version is None:
        return None
    _move_aliases(workspace, registry, version)
    promoted, snapshot = version.tags.promoted == str(True), version.tags.snapshot or ""
    if promoted:
        enqueue(workspace, "presegment", PROMOTION)  # as promoting does: it may have been killed in between
    with workspace.writing() as session:
        mark_trained(session, snapshot_named(session, workspace.project().id, snapshot[:12]).id)
    remove_checkpoints(workspace, registry)
    reason = "trained before its worker was killed; the figures are in MLflow"
    name, why = version.name, version.tags.promotion or ""
    return RetrainReport(True, reason, snapshot, version.run_id, name, None, None, None, promoted, why)


def _four_digits(scores: Means | Reliability | None) -> dict[str, str]:
    values = {} if scores is None else asdict(scores)
    return {name: f"{value:.4g}" for name, value in values.items() if value is not None}
