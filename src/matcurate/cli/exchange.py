"""``curate models compare``, ``export`` and ``import``: model versions of several labs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matcurate.cli.output import Json, JsonFlag, emit_json, emit_table, progress_bar, session, warn

if TYPE_CHECKING:
    from matcurate.workflows.evaluation import Measurement
    from matcurate.workflows.training import ForgettingMatrix, VersionRow
    from matcurate.workflows.versions import RegisteredVersion

VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="Number, name or alias of the version.")]


def register(models: typer.Typer) -> None:
    """Add these commands to ``curate models``."""
    models.command()(compare)
    models.command()(export)
    models.command("import")(import_)


def compare(
    ctx: typer.Context,
    versions: Annotated[
        list[str] | None, typer.Argument(metavar="[VERSION]…", help="Numbers, names or aliases; all by default.")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Measure on our golden set what is not yet measured.")
    ] = True,
    as_json: JsonFlag = False,
) -> None:
    """Compare versions on the golden sets of all labs: the forgetting matrix. What was measured once is kept."""
    from matcurate.workflows.training import forgetting_matrix

    here = session(ctx)
    with progress_bar("measuring") as progress:
        matrix = forgetting_matrix(here.workspace, here.registry, versions or (), measure=measure, progress=progress)
    if as_json:
        emit_json(_matrix(matrix))
    else:
        _show_matrix(matrix)


def export(
    ctx: typer.Context,
    version: VersionArgument,
    out: Annotated[Path, typer.Option(help="File to write, for example north-v3.matcurate.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write one file for other labs: adapter, head, settings, card and digests; not the weights of the base."""
    from matcurate.workflows.exchange import export_model

    report = export_model(session(ctx).workspace, session(ctx).registry, version, out, force=force)
    if as_json:
        emit_json(report)
    else:
        typer.echo(f"{report.path}: {report.version}, {report.bytes / 1e6:.2f} MB, sha256 {report.sha256}")


def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'curate models export' wrote.")],
    update: Annotated[
        bool, typer.Option("--update", help="Of a version that is here: only take over what others have measured.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Register another lab's version here, after checks; it is not promoted."""
    from matcurate.workflows.exchange import import_model, take_measurements

    run = take_measurements if update else import_model
    report = run(session(ctx).workspace, session(ctx).registry, file)
    origin = {"name": report.manifest.name, "lab": report.manifest.lab, "exported_by": report.manifest.exported_by}
    if as_json:
        taken = [measured_json(measurement) for measurement in report.measured]
        emit_json({**version_json(report.version), "original": origin, "taken": taken})
        return
    typer.echo(
        f"{report.version.name}: {origin['name']} of {origin['lab']}, from {origin['exported_by']}, golden sets of "
        f"other labs it was measured on: {len(report.measured)}; "
        + ("nothing else was changed" if update else "it serves once 'curate models promote' makes it champion")
    )


def version_json(version: RegisteredVersion) -> dict[str, Json]:
    """A version as JSON holds it."""
    from matcurate.workflows.evaluation.measurements import measurements

    tags = plain_tags(version)
    return {
        "name": version.name,
        "version": version.version,
        "aliases": list(version.aliases),
        "lab": tags.get("lab"),
        "snapshot": tags.get("snapshot"),
        "base": tags.get("base"),
        "base_sha256": tags.get("base_sha256"),
        "run_id": version.run_id,
        "created_at": version.created_at.isoformat(),
        "measured": [measured_json(measurement) for measurement in measurements(version).values()],
        "tags": tags,
    }


def plain_tags(version: RegisteredVersion) -> dict[str, str]:
    """Tags without those that are shown as what they mean."""
    return {key: value for key, value in version.tags.items() if not key.startswith(("alias.", "measured."))}


def measured_json(measurement: Measurement) -> dict[str, Json]:
    """A measurement as JSON holds it."""
    document: dict[str, Json] = measurement.model_dump(mode="json")
    return document


def _matrix(matrix: ForgettingMatrix) -> dict[str, Json]:
    return {
        "golden_sets": [
            {"lab": c.lab, "golden": c.golden, "images": c.images, "here": c.here, "best": c.best, "dice": c.best_dice}
            for c in matrix.columns
        ],
        "versions": [
            {
                "name": row.version.name,
                "version": row.version.version,
                "lab": row.version.tags.get("lab"),
                "aliases": list(row.version.aliases),
                "scores": _scores(matrix, row),
                "problem": row.problem,
            }
            for row in matrix.rows
        ],
        "computed": matrix.computed,
    }


def _scores(matrix: ForgettingMatrix, row: VersionRow) -> dict[str, Json]:
    """By digest of the golden set; null where nobody measured."""
    return {
        column.golden: {**measured_json(row.measured[column.golden]), "lost": matrix.lost(row, column)}
        if column.golden in row.measured
        else None
        for column in matrix.columns
    }


def _show_matrix(matrix: ForgettingMatrix) -> None:
    """One line a version, one column a golden set: Dice, what it lost against the best, error of the fractions."""
    if not matrix.rows:
        typer.echo("no model version yet; 'curate retrain' makes one, 'curate models import' takes another lab's")
        return
    if not matrix.columns:
        warn("nobody has measured these versions, and there is no golden set here: 'curate ingest --golden' begins one")
    rows = []
    for row in matrix.rows:
        cells = [_cell(row.measured.get(column.golden), matrix.lost(row, column)) for column in matrix.columns]
        rows.append([row.version.name, row.version.tags.get("lab", ""), ", ".join(row.version.aliases), *cells])
    heads = [f"{c.lab} {c.golden[:8]}{' (ours)' if c.here else ''}, {c.images} images" for c in matrix.columns]
    title = "Dice, lost against the best, (error of the area fractions)"
    emit_table(title, ["version", "trained by", "aliases", *heads], rows)
    for row in matrix.rows:
        if row.problem is not None:
            warn(f"{row.version.name} was not measured here: {row.problem}")


def _cell(measurement: Measurement | None, lost: float | None) -> str:
    if measurement is None or lost is None:
        return "-"
    loss = "best" if lost == 0 else f"-{lost:.3f}"
    return f"{measurement.dice:.3f} {loss} ({measurement.fraction_error:.3f})"
