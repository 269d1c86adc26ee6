"""Record of a training in MLflow: parameters, metrics, data, and the files of its model version."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from matcurate import __version__
from matcurate.files import replace_file
from matcurate.learned.evidence import EVIDENCE_FILE
from matcurate.phase.storage import save_weights
from matcurate.phase.trainer import StepReport
from matcurate.tracking.runs import LiveRun, RunData, RunReport
from matcurate.uncertainty.calibration import Reliability
from matcurate.uncertainty.storage import save_pixel_head
from matcurate.workflows.evaluation import Decision, Evaluation, Means
from matcurate.workflows.home import Workspace
from matcurate.workflows.snapshots import GoldenSet, SnapshotReport
from matcurate.workflows.training.training import Plan, Trained
from matcurate.workflows.versions import ADAPTER_FILE, MODEL, PRESET_FILE, as_run_data, write_served_files


@dataclass(frozen=True, slots=True)
class GoldenComparison:
    """Challenger, champion and, without a champion, MatSAM on the golden set, and what follows from it."""

    metrics: Evaluation | None
    champion_metrics: Evaluation | None
    matsam_metrics: Evaluation | None
    decision: Decision


def run_report(
    workspace: Workspace, plan: Plan, snapshot: SnapshotReport, golden: GoldenSet, resumed: bool
) -> RunReport:
    """Describe a run before it trains."""
    project, options = workspace.project(), plan.preset.train
    tags = {
        **asdict(plan.origin(snapshot.snapshot, workspace.settings.lab)),
        "matcurate": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    data = [as_run_data(project, snapshot)]
    if golden.items:
        data.append(RunData(f"{project.name} golden", golden.digest, {"images": len(golden.items)}, "evaluation"))
    parameters: dict[str, str | int | float] = {
        "preset": plan.preset.name,
        "start": plan.start,
        "resumed": str(resumed),
        "seed": plan.seed,
        "steps": options.steps,
        "learning_rate": options.learning_rate,
        "model": workspace.settings.retrain.model,
        **plan.family.parameters(plan.preset),
        "crop": options.sampling.crop,
        "batch": options.sampling.batch,
    }
    return RunReport("retrain", parameters, tags=tags, data=tuple(data))


def step_metrics(step: StepReport) -> dict[str, float]:
    """Metrics of one validation."""
    named = {"loss": step.loss, "validation_dice": step.dice, "gamma": step.gamma, "delta": step.delta}
    return {name: value for name, value in named.items() if value is not None}


def log_results(
    live: LiveRun, plan: Plan, trained: Trained, snapshot: SnapshotReport, outcome: GoldenComparison, lab: str
) -> None:
    """Log what the run has found, what was decided, and the files of its model version."""
    measured = {
        "golden": outcome.metrics,
        "champion": outcome.champion_metrics,
        "matsam": outcome.matsam_metrics,
    }
    for name, evaluation in measured.items():
        if evaluation is not None:
            live.metrics(flat_metrics(name, evaluation))
    decision = outcome.decision
    live.parameters({"promoted": str(decision.promoted), "why": decision.why, "best_step": trained.report.best_step})
    notes = {"snapshot": snapshot.snapshot.digest, "lab": lab, "seed": str(plan.seed), "start": plan.start}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / MODEL
        write_served_files(folder)
        facts = (plan.base, plan.phases, plan.preset.model, notes, trained.areas)
        card = save_weights(plan.family.format, folder / ADAPTER_FILE, trained.model, *facts)
        save_pixel_head(folder / EVIDENCE_FILE, trained.evidence, card.tensors_sha256, notes)
        replace_file(folder / PRESET_FILE, plan.preset.model_dump_json(indent=2).encode())
        live.files(folder, MODEL)


def flat_metrics(prefix: str, evaluation: Evaluation) -> dict[str, float]:
    """Metrics by name; a phase by its id, since MLflow refuses many characters in names."""
    means: Mapping[str, Means | Reliability] = {
        prefix: evaluation.overall,
        **{f"{prefix}_phase_{index}": each for index, each in enumerate(evaluation.per_phase.values())},
        **({} if evaluation.reliability is None else {f"{prefix}_calibration": evaluation.reliability}),
    }
    return {
        f"{name}_{score}": float(value)
        for name, each in means.items()
        for score, value in asdict(each).items()
        if value is not None and score not in ("images", "samples")
    }
