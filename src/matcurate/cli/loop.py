"""The loop: init, connect, ingest, presegment, push, sync."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from matcurate.cli.output import JsonFlag, emit, emit_json, emit_table, phase_names, progress_bar, refuse, session
from matcurate.cli.pixel_size import NmPerPxOption, NmPerPxYOption, stated_calibration

BackboneOption = Annotated[
    str | None,
    typer.Option(help="MatSAM on auto, builtin, vit_b, vit_l or vit_h [the champion; without one MatSAM]."),
]
DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S%z"]
Paths = Annotated[list[Path], typer.Argument(metavar="PATH...", help="Micrographs, or folders of them.")]


def init(
    ctx: typer.Context,
    project: Annotated[str, typer.Option(help="Name of the project.")] = "default",
    phases: Annotated[
        str | None,
        typer.Option(help="Names of the phases beside the matrix, by comma [phase; else the project's own]."),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="phases, grains, layers, or a YAML file [phases].")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Create a project in the home's catalog, and make it the one that the other commands work on."""
    from matcurate.workflows.home import initialise

    settings = session(ctx).settings
    record = initialise(settings, project, None if phases is None else phase_names(phases), preset)
    if as_json:
        emit_json({"project": record.name, "phases": record.phases, "preset": record.preset, "home": settings.home})
    else:
        rows = list(enumerate(record.phases, start=1))
        emit_table(f"Project {record.name} in {settings.home}", ["class id", "phase"], rows)


def connect(
    ctx: typer.Context,
    url: Annotated[str, typer.Option(help="Address of Label Studio.")],
    token_file: Annotated[Path, typer.Option(help="File that holds an access token (either kind) and nothing else.")],
    project_id: Annotated[int | None, typer.Option(help="Label Studio project to use; a new one by default.")] = None,
    backend_url: Annotated[
        str | None, typer.Option(help="Where Label Studio reaches 'curate serve'; registers the ML backend there.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Connect the project with a Label Studio project, and Label Studio with the backend."""
    from matcurate.workflows.labelling import connect_project

    report = connect_project(session(ctx).settings, url, token_file, project_id, backend_url)
    if as_json:
        emit_json(
            {
                "project_id": report.project_id,
                "project_url": report.project_url,
                "url": url,
                "backend": backend_url,
            }
        )
    else:
        emit_table("Connected", ["project", "address"], [[report.project_id, report.project_url]])


def ingest(
    ctx: typer.Context,
    paths: Paths,
    lab: Annotated[str | None, typer.Option(help="Lab the images come from.")] = None,
    specimen: Annotated[str | None, typer.Option(help="Specimen they show.")] = None,
    nm_per_px: NmPerPxOption = None,
    nm_per_px_y: NmPerPxYOption = None,
    golden: Annotated[bool, typer.Option("--golden", help="Keep for evaluation; never train on them.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Take micrographs into the catalog; a file that is known already changes nothing."""
    from matcurate.workflows.ingest import Provenance, ingest_files

    calibration = stated_calibration(nm_per_px, nm_per_px_y)
    provenance = Provenance(_name(lab, "--lab"), _name(specimen, "--specimen"), calibration, golden)
    with progress_bar("ingest") as progress:
        report = ingest_files(session(ctx).workspace, paths, provenance, progress)
    if as_json:
        emit_json(
            {
                "added": [{"id": record.id, "name": record.name} for record in report.added],
                "known": [{"id": record.id, "name": record.name} for record in report.known],
                "refused": report.refused,
            }
        )
    else:
        counts = [len(report.added), len(report.known), len(report.refused)]
        emit_table("Ingest", ["added", "known", "refused"], [counts])
    refuse(report.refused)


def _name(text: str | None, option: str) -> str | None:
    if text is not None and not text.strip():
        raise typer.BadParameter("needs a name", param_hint=option)
    return None if text is None else text.strip()


def presegment(
    ctx: typer.Context,
    ids: Annotated[list[int] | None, typer.Argument(metavar="[IDS]", help="Micrographs, by catalog id.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that the current model version has not predicted (the default).")
    ] = False,
    new: Annotated[bool, typer.Option("--new", help="Only those that no version has predicted.")] = False,
    backbone: BackboneOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Predict the project's micrographs."""
    from matcurate.workflows.presegment import open_presegmenter, presegment_micrographs

    if everything and new:
        raise typer.BadParameter("--all and --new exclude each other")
    workspace = session(ctx).workspace
    segmenter = open_presegmenter(workspace, backbone)
    with progress_bar("presegment") as progress:
        report = presegment_micrographs(workspace, segmenter, "new" if new else "all", ids or None, progress)
    if as_json:
        emit_json(
            {
                "model_version": report.model_version,
                "predictions": [
                    {"micrograph": p.micrograph_id, "score": p.score, "phase_fractions": p.phase_fractions}
                    for p in report.done
                ],
                "skipped": report.skipped,
                "failed": report.failed,
            }
        )
    else:
        columns = ["done", "had one already", "failed"]
        emit_table(report.model_version, columns, [[len(report.done), report.skipped, len(report.failed)]])
    refuse(report.failed)


def push(ctx: typer.Context, backbone: BackboneOption = None, as_json: JsonFlag = False) -> None:
    """Send micrographs, and what the current model version predicts for them, to Label Studio."""
    from matcurate.workflows.home import label_studio_client
    from matcurate.workflows.labelling import push_project
    from matcurate.workflows.presegment import open_presegmenter

    workspace = session(ctx).workspace
    version = open_presegmenter(workspace, backbone).version
    with progress_bar("push") as progress, label_studio_client(workspace.settings) as client:
        report = push_project(workspace, client, version, progress)
    emit(report, as_json, lambda r: emit_table("Push", ["tasks", "predictions"], [[r.tasks, r.predictions]]))


def sync(
    ctx: typer.Context,
    since: Annotated[
        datetime | None, typer.Option(help="Only what changed since (UTC unless said).", formats=DATES)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Pull the experts' annotations into the catalog as corrections."""
    from matcurate.workflows.home import label_studio_client
    from matcurate.workflows.labelling import pull_corrections

    workspace = session(ctx).workspace
    with progress_bar("sync") as progress, label_studio_client(workspace.settings) as client:
        report = pull_corrections(workspace, client, since, progress)
    if as_json:
        emit_json({**report.outcomes, "failed": report.failed})
    else:
        emit_table("Sync", list(report.outcomes), [list(report.outcomes.values())])
    refuse(report.failed)
