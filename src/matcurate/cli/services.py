"""Services: serve, up, demo."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matcurate.cli.output import JsonFlag, SeedOption, emit_json, emit_table, phase_names, refuse, session, warn
from matcurate.errors import ServiceError

if TYPE_CHECKING:
    from matcurate.demo.expert import DemoReport
    from matcurate.demo.learning import LearningReport
    from matcurate.services.run import Services

FolderArgument = Annotated[
    Path | None, typer.Argument(help="Micrographs, or a dataset folder with masks; generated ones by default.")
]


def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on [backend.host of the settings].")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on [backend.port of the settings].", min=0, max=65535)
    ] = None,
) -> None:
    """Run the Label Studio ML backend."""
    from matcurate.services.run import serve_backend

    settings = session(ctx).settings
    serve_backend(settings, host or settings.backend.host, settings.backend.port if port is None else port)


def up(
    ctx: typer.Context,
    phases: Annotated[str, typer.Option(help="Phases of the project, if it has to be created; by comma.")] = "phase",
) -> None:
    """Run Label Studio, MLflow, the backend and the worker until stopped, connected with each other."""
    from matcurate.services.run import run_connected

    with run_connected(session(ctx).settings, phase_names(phases), _step) as (services, _, project_url):
        _show(services, project_url)
        _wait(services)


def demo(
    ctx: typer.Context,
    folder: FolderArgument = None,
    n: Annotated[int, typer.Option("--n", help="Generated micrographs, when no folder is given.", min=1)] = 12,
    once: Annotated[
        bool,
        typer.Option("--once", help="Play the expert with the known masks, let the worker learn, and end."),
    ] = False,
    preset: Annotated[str, typer.Option(help="phases, grains, layers, or a YAML file.")] = "phases",
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Run the whole loop on this machine, with a real Label Studio."""
    from matcurate.demo.run import run_demo

    with run_demo(session(ctx).settings, folder, n, seed, preset, _step) as running:
        if not once:
            for problem in running.problems:
                warn(f"left out: {problem}")
            if as_json:
                emit_json(_addresses(running.services, running.project_url))
            else:
                _show(running.services, running.project_url)
            _wait(running.services)
            return
        report = running.play_expert(_step)
        learning = running.learn(report, _step)
        if as_json:
            emit_json({**asdict(report), "learning": learning})
        else:
            _show_report(report)
            if learning is not None:
                _show_learning(learning)
        lost = [f"the correction of {name} did not arrive; see the logs in the home" for name in report.lost]
        refuse([*running.problems, *lost])


def _step(done: int, total: int, note: str = "") -> None:
    if note:
        warn(f"· {note}")


def _addresses(services: Services, project_url: str) -> dict[str, str]:
    return {
        "label_studio": project_url,
        "username": services.username,
        "password": services.password,
        "mlflow": services.mlflow_url,
        "backend": services.backend_url,
    }


def _show(services: Services, project_url: str) -> None:
    rows = [
        ["Label Studio", project_url],
        ["log in as", f"{services.username} / {services.password}"],
        ["MLflow", services.mlflow_url],
        ["ML backend", f"{services.backend_url}/docs"],
    ]
    emit_table("Open in a browser; Ctrl-C stops everything", ["what", "where"], rows)


def _show_report(report: DemoReport) -> None:
    columns = ["micrograph", "IoU of pre-segmentation", "pixels corrected", "in the catalog", "pixel for pixel"]
    rows = [[c.name, c.iou, c.pixels_changed, c.arrived_by, c.identical] for c in report.corrections]
    emit_table(f"What the expert changed in {report.model_version}", columns, rows)
    emit_table("Left behind", ["what", "where"], [["picture", report.overview], ["MLflow run", report.run_id]])


def _show_learning(report: LearningReport) -> None:
    title = f"{report.model_version} {'is champion' if report.promoted else 'was refused'}: {report.why}"
    rows = [[m.name, m.before, m.after] for m in report.untouched]
    emit_table(title, ["untouched micrograph", "Dice before", "Dice after"], rows)
    emit_table("Learned", ["what", "where"], [["MLflow run", report.run_id], ["seconds", round(report.seconds)]])
    if report.next_images:
        emit_table("The experts see next", ["place", "micrograph"], list(enumerate(report.next_images, start=1)))


def _wait(services: Services) -> None:
    try:
        while (ended := services.ended()) is None:
            time.sleep(0.2)
    except KeyboardInterrupt:
        warn("stopping")
        return
    raise ServiceError(f"{ended} has ended by itself; see its log in the home's logs folder")
