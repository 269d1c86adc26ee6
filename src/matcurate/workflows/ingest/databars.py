"""Data bars and scale bars recognised on a project's micrographs, and the switch for where that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matcurate.catalog.micrographs import list_for_project, set_ignores_bars
from matcurate.catalog.records import MicrographRecord
from matcurate.imaging.ignored import frame_within, ignored_of
from matcurate.types import Progress, silent
from matcurate.workflows.home import Workspace, load_original


@dataclass(frozen=True, slots=True)
class Bars:
    """What was recognised on one micrograph.

    ``top``, ``bottom``: rows above and below its frame. ``share``: part of the image that is no micrograph, scale bars
    included. ``ignored``: whether these pixels count for nothing.
    """

    id: int
    name: str
    top: int
    bottom: int
    share: float
    ignored: bool


def bars_of(workspace: Workspace, ids: Sequence[int] | None = None, progress: Progress = silent) -> tuple[Bars, ...]:
    """Bars recognised on the project's micrographs, or on those of some catalog ids.

    Raises CatalogError when an id is not in the project, or an original is missing or damaged.
    """
    with workspace.reading() as session:
        micrographs = list_for_project(session, workspace.project().id, ids=ids)
    bars = []
    for done, micrograph in enumerate(micrographs):
        progress(done, len(micrographs), micrograph.name)
        bars.append(_bars(workspace, micrograph))
    progress(len(micrographs), len(micrographs))
    return tuple(bars)


def switch_bars(workspace: Workspace, ids: Sequence[int], ignored: bool) -> int:
    """Set whether the bars of some micrographs are ignored; returns how many that changed.

    Stored predictions stay as they are; trainings, measurements and later versions follow. Raises CatalogError, and
    changes nothing, when an id is not in the project.
    """
    with workspace.writing() as session:
        micrographs = list_for_project(session, workspace.project().id, ids=ids)
        return sum(set_ignores_bars(session, micrograph.id, ignored) for micrograph in micrographs)


def _bars(workspace: Workspace, micrograph: MicrographRecord) -> Bars:
    ignored = ignored_of(load_original(workspace, micrograph))
    frame = frame_within(ignored, micrograph.shape)
    return Bars(
        id=micrograph.id,
        name=micrograph.name,
        top=frame.top,
        bottom=micrograph.height - frame.bottom,
        share=0.0 if ignored is None else float(ignored.mean()),
        ignored=micrograph.ignores_bars,
    )
