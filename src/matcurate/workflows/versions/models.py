"""Model versions: which there are, which serves, and moving that on or back, never without a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matcurate.catalog.aliases import alias_history, append_alias_change
from matcurate.catalog.columns import utc_now
from matcurate.catalog.learning_records import AliasChangeRecord, Part
from matcurate.catalog.records import ProjectRecord
from matcurate.errors import CatalogError, TrackingError
from matcurate.tracking.registry import CHAMPION, champion_alias
from matcurate.tracking.registry import AliasMove as AliasMove  # entry points name these three
from matcurate.tracking.registry import RegisteredVersion as RegisteredVersion
from matcurate.tracking.registry import Registry as Registry
from matcurate.tracking.runs import RunData
from matcurate.workflows.home import PROMOTION, Workspace, ask, current_user
from matcurate.workflows.snapshots import SnapshotReport


@dataclass(frozen=True, slots=True)
class ModelReport:
    """One version, and every move of an alias to it or away from it, oldest first."""

    version: RegisteredVersion
    history: tuple[AliasMove, ...]


def open_registry(workspace: Workspace) -> Registry:
    """The registered model of the project that the settings name."""
    return Registry(workspace.settings.resolved_tracking_uri, workspace.project().name)


def as_run_data(project: ProjectRecord, report: SnapshotReport) -> RunData:
    """The snapshot as the dataset of an MLflow run that trains on it."""
    source: dict[str, str | int] = {"project": project.name, "seed": report.snapshot.seed}
    counts = {part.value: report.count(part) for part in Part}
    return RunData(f"{project.name} {report.snapshot.name}", report.snapshot.digest, source | counts)


def list_models(workspace: Workspace, registry: Registry, lab: str | None = None) -> list[RegisteredVersion]:
    """Versions of the project, newest first; only those that a lab trained when one is named."""
    workspace.project()
    return [each for each in registry.versions() if lab is None or each.tags.get("lab") == lab]


def show_model(workspace: Workspace, registry: Registry, wanted: str) -> ModelReport:
    """Return a version, by its number, name or alias, with the history of its aliases.

    Raises
    ------
    CatalogError
        When there is no such version.
    """
    version = find_version(registry, wanted)
    moves = full_history(workspace, registry)
    return ModelReport(version, tuple(move for move in moves if version.version in (move.version, move.previous)))


def full_history(workspace: Workspace, registry: Registry) -> list[AliasMove]:
    """Every move of an alias, oldest first: those made here, and those that MLflow was told of by other homes."""
    with workspace.reading() as session:
        here = [_as_move(row) for row in alias_history(session, workspace.project().id)]
    known = {(move.alias, move.at) for move in here}
    elsewhere = [move for move in registry.history() if (move.alias, move.at) not in known]
    return sorted([*here, *elsewhere], key=lambda move: move.at)


def promote(
    workspace: Workspace,
    registry: Registry,
    wanted: str,
    *,
    why: str,
    lab: str | None = None,
    who: str | None = None,
) -> AliasMove:
    """Make a version the champion (of a lab, when one is named), and ask for its predictions.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    registry : Registry
        Of its project.
    wanted : str
        Number, name or alias of the version.
    why : str
        Kept in the history.
    lab : str, optional
        Whose champion; the project's by default.
    who : str, optional
        The user of this machine by default.

    Raises
    ------
    CatalogError
        When there is no such version, or it is the champion already.
    """
    version = find_version(registry, wanted)
    alias = champion_alias(lab)
    if alias in version.aliases:
        raise CatalogError(f"{version.name} is {alias} already; nothing was changed")
    move = move_alias(workspace, registry, alias, version.version, who=who or current_user(), why=why)
    _show(workspace, move)
    return move


def rollback(
    workspace: Workspace, registry: Registry, *, why: str, lab: str | None = None, who: str | None = None
) -> AliasMove:
    """Make the champion before the present one champion again, and ask for its predictions.

    Doing it again goes one further back.

    MLflow's history decides: the aliases are there, and all homes that share it write it.

    Raises
    ------
    CatalogError
        When there is no champion before.
    """
    alias = champion_alias(lab)
    target = previous_holder([move for move in registry.history() if move.alias == alias])
    if target is None:
        raise CatalogError(f"no version was {alias} before the present one; 'curate models list' shows what there is")
    registry.version(target)
    move = move_alias(workspace, registry, alias, target, who=who or current_user(), why=why)
    _show(workspace, move)
    return move


def move_alias(
    workspace: Workspace, registry: Registry, alias: str, version: int | None, *, who: str, why: str
) -> AliasMove:
    """Move an alias in catalog and registry; the catalog says so first.

    When MLflow then refuses, the catalog's history gets a second line that says that it was taken back.

    Raises
    ------
    TrackingError
        When MLflow does not answer or has no such version.
    """
    project = workspace.project()
    if version is not None:
        registry.version(version)
    held = registry.by_alias(alias)
    previous = None if held is None else held.version
    move = AliasMove(alias, version, previous, who, why, utc_now())
    with workspace.writing() as session:
        append_alias_change(
            session, project.id, alias, version=version, previous=previous, who=who, why=why, at=move.at
        )
    try:
        registry.move_alias(move)
    except TrackingError as error:
        with workspace.writing() as session:
            append_alias_change(
                session, project.id, alias, version=previous, previous=version, who=who, why=f"taken back: {error}"
            )
        raise
    return move


def find_version(registry: Registry, wanted: str) -> RegisteredVersion:
    """Find a version by its number, its name or one of its aliases.

    Raises
    ------
    CatalogError
        When there is none.
    """
    versions = registry.versions()
    for each in versions:
        if wanted in (str(each.version), each.name, *each.aliases):
            return each
    known = ", ".join(each.name for each in versions[:5]) or "none yet"
    raise CatalogError(f"no model version {wanted!r} (newest: {known}); name one by number, name or alias")


def previous_holder(moves: Sequence[AliasMove]) -> int | None:
    """Return the version an alias stood for before the present one, following what was rolled back.

    Moves (oldest first) are replayed on a stack: going to the version below the top takes the top away, anything else
    is put on top.
    """
    stack: list[int | None] = []
    for move in moves:
        if len(stack) > 1 and stack[-2] == move.version:
            stack.pop()
        else:
            stack.append(move.version)
    below = [version for version in stack[:-1] if version is not None]
    return below[-1] if below else None


def _show(workspace: Workspace, move: AliasMove) -> None:
    """Ask for a new champion's predictions; the backend follows by itself."""
    if move.alias == CHAMPION:
        ask(workspace, "presegment", PROMOTION)


def _as_move(row: AliasChangeRecord) -> AliasMove:
    return AliasMove(row.alias, row.version, row.previous, row.who, row.why, row.changed_at)
