"""Whether it is time to train again, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean

from matcurate.catalog.columns import utc_now
from matcurate.catalog.corrections import list_corrections
from matcurate.catalog.learning_records import SnapshotItemRecord, SnapshotRecord
from matcurate.catalog.micrographs import list_for_project
from matcurate.catalog.snapshots import last_trained, snapshot_items
from matcurate.config import RetrainSettings
from matcurate.workflows.home import Workspace
from matcurate.workflows.labelling import newest_version_changes
from matcurate.workflows.snapshots import newest_usable, refuse_leaks


@dataclass(frozen=True, slots=True)
class Trigger:
    """One reason to train: whether it holds, and the numbers it was decided by."""

    name: str
    met: bool
    text: str


@dataclass(frozen=True, slots=True)
class Due:
    """Whether to train, in one line why or why not, and every trigger."""

    due: bool
    reason: str
    triggers: tuple[Trigger, ...]


@dataclass(frozen=True, slots=True)
class LearningState:
    """What the decision stands on.

    Parameters
    ----------
    usable : int
        Micrographs with a correction that may be trained on.
    new : int
        Those of them whose mask is not in the snapshot that was trained on last.
    trained_at : datetime or None
        When that training ended, None when there was none.
    changed : tuple of float
        Share of pixels changed in the corrections of the version that was corrected last, oldest first.
    """

    usable: int
    new: int
    trained_at: datetime | None
    changed: tuple[float, ...]


def check_due(workspace: Workspace, now: datetime | None = None) -> Due:
    """Look at the catalog and decide by the settings' section ``retrain``.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    now : datetime, optional
        With a time zone; this moment by default.

    Raises
    ------
    CatalogError
        When the project is unknown, or a mask is missing or damaged.
    """
    return decide(learning_state(workspace), workspace.settings.retrain, now or utc_now())


def learning_state(workspace: Workspace) -> LearningState:
    """Read what :func:`decide` needs. Golden micrographs and what they refuse count for nothing here."""
    project = workspace.project()
    with workspace.reading() as session:
        corrected = list_for_project(session, project.id, corrected=True)
        golden = list_for_project(session, project.id, golden=True)
        newest = newest_usable(list_corrections(session, project.id))
        trained: SnapshotRecord | None = last_trained(session, project.id)
        known: Iterable[SnapshotItemRecord] = snapshot_items(session, trained.id) if trained else ()
    trusted, _ = refuse_leaks(corrected, golden)
    masks = {(item.micrograph_id, item.phases_key) for item in known}
    new = sum((m.id, newest[m.id].phases_key) not in masks for m in trusted)
    return LearningState(
        usable=len(trusted),
        new=new,
        trained_at=trained.trained_at if trained else None,
        changed=newest_version_changes(workspace),
    )


def decide(state: LearningState, settings: RetrainSettings, now: datetime) -> Due:
    """Decide by what is known. Without new corrections, or with too few at all, it is never due."""
    triggers = (
        _enough_new(state, settings),
        _effort_rising(state.changed, settings),
        _old(state.trained_at, settings, now),
    )
    met = [trigger.text for trigger in triggers if trigger.met]
    if state.usable < settings.min_corrections:
        return Due(False, f"{state.usable} usable corrections, {settings.min_corrections} needed to train", triggers)
    if state.new == 0:
        return Due(False, "no new corrections since the last training", triggers)
    return Due(bool(met), "; ".join(met or [trigger.text for trigger in triggers]), triggers)


def _enough_new(state: LearningState, settings: RetrainSettings) -> Trigger:
    text = f"{state.new} new corrections ({settings.new_corrections} call for a training)"
    return Trigger("new corrections", state.new >= settings.new_corrections, text)


def _effort_rising(changed: Sequence[float], settings: RetrainSettings) -> Trigger:
    """The newest ``effort_window`` corrections against all earlier ones of the same version, at least as many."""
    window = settings.effort_window
    if len(changed) < 2 * window:
        text = f"{len(changed)} corrections of the newest version tell nothing about effort yet ({2 * window} do)"
        return Trigger("effort", False, text)
    before, after = fmean(changed[:-window]), fmean(changed[-window:])
    met = after >= before * (1 + settings.effort_rise) and after - before >= settings.effort_floor
    text = (
        f"effort {after:.1%} of the pixels after {before:.1%} "
        f"({settings.effort_rise:.0%} and {settings.effort_floor:.1%} more call for a training)"
    )
    return Trigger("effort", met, text)


def _old(trained_at: datetime | None, settings: RetrainSettings, now: datetime) -> Trigger:
    if settings.max_age_days is None:
        return Trigger("age", False, "age calls for no training")
    if trained_at is None:
        return Trigger("age", False, "never trained")
    days = (now - trained_at).total_seconds() / 86400
    text = f"last training {days:.1f} days ago ({settings.max_age_days:g} call for a training)"
    return Trigger("age", days >= settings.max_age_days, text)
