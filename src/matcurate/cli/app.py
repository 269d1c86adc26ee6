"""The ``curate`` command: global options, and the one place where errors become exit codes."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from matcurate import __version__
from matcurate.cli import (
    bench,
    checkpoints,
    classes,
    databar,
    inspect,
    jobs,
    loop,
    measure,
    models,
    pretrain,
    rank,
    report,
    retrain,
    segment,
    services,
    synth,
)
from matcurate.cli.output import Session
from matcurate.errors import CurateError

app = typer.Typer(
    name="curate",
    help="Curate materials micrographs: pre-segment, correct in Label Studio, learn.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (
    segment,
    inspect,
    measure,
    synth,
    bench,
    checkpoints,
    pretrain,
    loop,
    databar,
    rank,
    classes,
    jobs,
    retrain,
    models,
    report,
    services,
):
    group.register(app)


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
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 0
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
