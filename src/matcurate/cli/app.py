"""The ``curate`` command: global options, and the one place where errors become exit codes."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from matcurate import __version__
from matcurate.cli.output import Session
from matcurate.errors import CurateError

Command = TyperCommand | TyperGroup
PANELS = {
    "Files": ("segment", "discover", "inspect", "measure", "synth"),
    "Project": ("init", "ingest", "presegment", "databar", "report"),
    "Label Studio": ("connect", "push", "sync", "rank"),
    "Learning": ("retrain", "models", "classes", "iterate", "checkpoints"),
    "Services": ("up", "serve", "worker", "schedule", "jobs", "demo"),
    "Research": ("bench", "pretrain"),
}
"""Commands by panel of ``curate --help``."""
PANEL_OF = {name: panel for panel, names in PANELS.items() for name in names}
MODULE_OF = {
    **{name: name for name in PANEL_OF},
    **dict.fromkeys(("init", "connect", "ingest", "presegment", "push", "sync"), "loop"),
    **dict.fromkeys(("worker", "schedule"), "jobs"),
    **dict.fromkeys(("serve", "up", "demo"), "services"),
}
"""Modules of :mod:`matcurate.cli`; in each a command, or a group of them, has its own name."""


class LazyCommands(TyperGroup):
    """Commands whose modules are imported when they run, and all when ``--help`` lists them."""

    def get_command(self, ctx: object, cmd_name: str) -> Command | None:
        """The command of a name; None where there is none."""
        if cmd_name not in PANEL_OF:
            return None
        command = _load(cmd_name)
        command.rich_help_panel = PANEL_OF[cmd_name]
        return command


@cache
def _load(name: str) -> Command:
    command, own = getattr(import_module(f"matcurate.cli.{MODULE_OF[name]}"), name), typer.Typer()
    if isinstance(command, typer.Typer):
        own.add_typer(command, name=name)
    else:
        own.command(name)(command)
    return cast("Command", get_group(own).commands[name])


app = typer.Typer(
    name="curate",
    cls=LazyCommands,
    help="Curate materials micrographs: pre-segment, correct in Label Studio, learn.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name in PANEL_OF:  # names and their order, for --help and "Did you mean …?"
    app.command(_name)(lambda: None)


def _version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    home: Annotated[Path | None, typer.Option(help="Home of the installation [$CURATE_HOME, else ./.curate].")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug logs.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    """Keep the global options for the command that follows."""
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        stream=sys.stderr,
        format="%(levelname)s %(name)s: %(message)s",
        force=True,
    )
    ctx.obj = Session(home=home, debug=debug)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line. 0 done; 1 could not, one line on stderr; 2 usage."""
    debug = "--debug" in (sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=arguments)  # shows usage errors itself, and exits with 2
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except CurateError as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        return 1
    return 0


def main() -> None:
    """Console script. SIGTERM ends a command as Ctrl-C does, so that services it started are stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(run())
