"""``curate retrain``: from corrections to a model version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from matcurate.cli.output import JsonFlag, SeedOption, emit_json, emit_table, progress_bar, session

if TYPE_CHECKING:
    from matcurate.workflows.training import RetrainReport


def retrain(
    ctx: typer.Context,
    if_due: Annotated[bool, typer.Option("--if-due", help="Only when a trigger calls for it.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say whether it is due, and why or why not; train nothing.")
    ] = False,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Train on the experts' corrections, compare with the champion on the golden set, and promote by the policy."""
    if seed < 0:
        raise typer.BadParameter("must not be negative", param_hint="--seed")
    workspace = session(ctx).workspace
    if dry_run:
        from matcurate.workflows.training import report_dry_run

        document = report_dry_run(workspace)
        if as_json:
            emit_json(document)
        else:
            emit_table("Nothing trained", ["what", ""], [[name, document[name]] for name in ("due", "reason", "why")])
        return
    from matcurate.workflows.training import as_document
    from matcurate.workflows.training.retrain import retrain as run

    with progress_bar("retrain") as progress:
        report = run(workspace, if_due=if_due, seed=seed, progress=progress)
    if as_json:
        emit_json(as_document(report))
    else:
        _show(report)


def _show(report: RetrainReport) -> None:
    rows: list[list[object]] = [["due", report.due], ["reason", report.reason]]
    if report.model_version is not None:
        rows += [["snapshot", report.snapshot], ["run", report.run_id], ["promoted", report.promoted]]
    emit_table(report.model_version or "Nothing trained", ["what", ""], [*rows, ["why", report.why]])
    measured = {"challenger": report.metrics, "champion": report.champion_metrics}
    rows = [
        [who, phase, *("" if value is None else value for value in (m.dice, m.iou, m.fraction_error, m.boundary_f1))]
        for who, evaluation in measured.items()
        if evaluation is not None
        for phase, m in {"all": evaluation.overall, **evaluation.per_phase}.items()
    ]
    if report.metrics is not None:
        title = f"On the golden set ({report.metrics.overall.images} micrographs)"
        emit_table(title, ["model", "phase", "Dice", "IoU", "fraction error", "boundary F1"], rows)
