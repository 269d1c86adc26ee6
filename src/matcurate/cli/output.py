"""What commands print: one JSON document or a rich table on stdout; progress and problems on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

if TYPE_CHECKING:  # what 'curate --help' does not need
    from matcurate.config import Settings
    from matcurate.types import Progress
    from matcurate.workflows.home import Workspace
    from matcurate.workflows.versions import Registry

R = TypeVar("R")
Json: TypeAlias = str | int | float | bool | Sequence["Json"] | Mapping[str, "Json"] | None
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, nothing else.")]
SeedOption = Annotated[int, typer.Option(help="Seed; the same seed repeats exactly on one machine.")]


@dataclass
class Session:
    """The global options of one command line."""

    home: Path | None
    debug: bool

    @cached_property
    def settings(self) -> Settings:
        """Settings of the chosen home, read on first use."""
        from matcurate.config import load_settings

        return load_settings(self.home)

    @cached_property
    def workspace(self) -> Workspace:
        """The open installation."""
        from matcurate.workflows.home import open_workspace

        return open_workspace(self.settings)

    @cached_property
    def registry(self) -> Registry:
        """The project's model versions."""
        from matcurate.workflows.versions import open_registry

        return open_registry(self.workspace)


def session(ctx: typer.Context) -> Session:
    """Return the :class:`Session` that the root command stored."""
    stored = ctx.find_object(Session)
    if stored is None:
        raise RuntimeError("the root command stores the session before any other runs")
    return stored


def emit(report: R, as_json: bool, show: Callable[[R], None]) -> None:
    """Print a report: as JSON, or as ``show`` does it."""
    if as_json:
        emit_json(report)
    else:
        show(report)


def emit_json(document: object) -> None:
    """Print one JSON document: frozen values by their fields, moments in ISO 8601; NaN is refused, JSON has none."""
    typer.echo(json.dumps(document, allow_nan=False, indent=2, default=_as_json))


def _as_json(value: object) -> object:
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def emit_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout; floats with four significant digits."""
    table = Table(title=escape(title))
    for index, column in enumerate(columns):
        table.add_column(escape(column), justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else escape(str(cell)) for cell in row))
    Console().print(table)


def phase_names(text: str) -> tuple[str, ...]:
    """Names of a ``--phases A,B`` option."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def warn(message: str) -> None:
    """One line on stderr."""
    typer.echo(message, err=True)


def refuse(problems: Sequence[str]) -> None:
    """Print one line for each problem and exit with 1 when there is any; the rest has been done."""
    for problem in problems:
        warn(f"error: {problem}")
    if problems:
        raise typer.Exit(1)


@contextmanager
def progress_bar(description: str) -> Iterator[Progress]:
    """Progress bar on stderr; silent when stderr is not a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=None, note="")

        def report(done: int, total: int, note: str = "") -> None:
            bar.update(task, completed=done, total=total, note=note)

        yield report
