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
from matcurate.catalog.snapshots import mark_trained, snapshot_named
from matcurate.errors import CatalogError
from matcurate.imaging.overlay import write_overlay
from matcurate.phase.trainer import StepReport
from matcurate.tracking.reach import state_of
from matcurate.tracking.registry import CHALLENGER, Origin, RegisteredVersion, Registry, champion_alias
from matcurate.tracking.runs import LiveRun, live_run
from matcurate.types import LabelMap, Progress, silent
from matcurate.uncertainty.calibration import Reliability
from matcurate.workflows.evaluation.evaluate import Evaluation, compare, evaluate, evaluate_without_training
from matcurate.workflows.evaluation.measurements import as_tags, measurement
from matcurate.workflows.evaluation.promotion import decide_promotion
from matcurate.workflows.home.backbones import backbone_of
from matcurate.workflows.home.queue import PROMOTION, enqueue
from matcurate.workflows.home.workspace import Workspace, current_user
from matcurate.workflows.snapshots.samples import CorrectedMicrograph
from matcurate.workflows.snapshots.snapshot import GoldenSet, SnapshotReport, golden_set, take_snapshot
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
from matcurate.workflows.versions.files import MODEL
from matcurate.workflows.versions.models import move_alias, open_registry, promote

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
    workspace: Workspace,
    *,
    if_due: bool = False,
    dry_run: bool = False,
    seed: int = 0,
    progress: Progress = silent,
    job: str | None = None,
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
    job : str, optional
        Name of the worker's job: when it is done again after a kill, what it has registered is not trained again.

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
    if job is not None and (registered := _registered_by(workspace, job)) is not None:
        return registered
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
        return _train_and_judge(workspace, registry, due, snapshot, golden, seed, progress, job)


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
        judgement = _judge(workspace, live, trained, champion, golden, seed, progress)
        keep_results(live, plan, trained, snapshot, judgement, workspace.settings.lab)
    if champion is not None and judgement.champion_metrics is not None:
        measured = measurement(judgement.champion_metrics, workspace.settings.lab)
        registry.add_tags(champion.version.version, as_tags([measured]))
    version = _register(workspace, registry, live.id, plan, snapshot, judgement, job)
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
    job: str | None,
) -> str:
    """Make the run's model a version, the challenger, and champion of project and lab where that was decided.

    Returns
    -------
    str
        The version's name.
    """
    decision, lab, digest = judgement.decision, workspace.settings.lab, snapshot.snapshot.digest
    tags = {"start": plan.start, "promotion": decision.why, "promoted": str(decision.promoted)}
    if job is not None:
        tags["job"] = job
    if judgement.metrics is not None:
        overall = asdict(judgement.metrics.overall)
        tags |= {f"golden_{name}": f"{value:.4g}" for name, value in overall.items() if value is not None}
        tags["golden"] = judgement.metrics.golden
        tags |= _calibration_tags(judgement.metrics.reliability)
        tags |= as_tags([measurement(judgement.metrics, lab)])
    origin = Origin(digest, plan.base.name, plan.base.sha256, plan.settings_sha256, lab)
    number = registry.register(run_id, MODEL, origin, tags)
    version = registry.version(number)
    _move_aliases(workspace, registry, version)
    return version.name


def _move_aliases(workspace: Workspace, registry: Registry, version: RegisteredVersion) -> None:
    """Make a new version the challenger, and champion of project and lab where that was decided."""
    who, why, lab = f"{current_user()}, by 'curate retrain'", version.tags["promotion"], workspace.settings.lab
    promoted = version.tags["promoted"] == str(True)
    if CHALLENGER not in version.aliases:
        outcome = "to be promoted" if promoted else "not promoted"
        reason = f"trained on snapshot {version.tags['snapshot'][:12]}; {outcome}: {why}"
        move_alias(workspace, registry, CHALLENGER, version.version, who=who, why=reason)
    for whose in (None, lab) if promoted else ():  # the project's champion, and the lab's own
        if champion_alias(whose) not in version.aliases:
            promote(workspace, registry, str(version.version), why=why, lab=whose, who=who)


def _registered_by(workspace: Workspace, job: str) -> RetrainReport | None:
    """Finish what a job had begun that registered a version and was killed; None when it has registered none."""
    if state_of(workspace.settings.resolved_tracking_uri) != "there":
        return None
    registry = open_registry(workspace)
    version = next((version for version in registry.versions() if version.tags.get("job") == job), None)
    if version is None:
        return None
    _move_aliases(workspace, registry, version)
    promoted, snapshot = version.tags["promoted"] == str(True), version.tags["snapshot"]
    if promoted:
        enqueue(workspace, "presegment", PROMOTION)  # as promoting does: it may have been killed in between
    with workspace.writing() as session:
        mark_trained(session, snapshot_named(session, workspace.project().id, snapshot[:12]).id)
    remove_checkpoints(workspace, registry)
    reason = "trained before its worker was killed; the figures are in MLflow"
    name, why = version.name, version.tags["promotion"]
    return RetrainReport(True, reason, snapshot, version.run_id, name, None, None, None, promoted, why)


def _calibration_tags(trusted: Reliability | None) -> dict[str, str]:
    found = {} if trusted is None else asdict(trusted)
    return {f"calibration_{name}": f"{value:.4g}" for name, value in found.items() if value is not None}
