"""What of a project's micrographs is taken for data bars and scale bars, and the switch for where that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matcurate.catalog.micrographs import list_for_project, set_ignores_bars
from matcurate.catalog.records import MicrographRecord
from matcurate.imaging.ignored import frame_within, ignored_of
from matcurate.types import Progress, silent
from matcurate.workflows.home.pixels import load_original
from matcurate.workflows.home.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Bars:
    """What was recognised on one micrograph.

    Parameters
    ----------
    id, name : int, str
        Of the micrograph.
    top, bottom : int
        Rows above and below its frame.
    share : float
        Part of the image that is no micrograph, scale bars included.
    ignored : bool
        Whether that counts for nothing; else all pixels count.
    """

    id: int
    name: str
    top: int
    bottom: int
    share: float
    ignored: bool


def bars_of(workspace: Workspace, ids: Sequence[int] | None = None, progress: Progress = silent) -> tuple[Bars, ...]:
    """What is recognised on the project's micrographs, or on those of some catalog ids.

    Raises
    ------
    CatalogError
        When an id is not in the project, or an original is missing or damaged.
    """
    with workspace.reading() as session:
        micrographs = list_for_project(session, workspace.project().id, ids=ids)
    found = []
    for done, micrograph in enumerate(micrographs):
        progress(done, len(micrographs), micrograph.name)
        found.append(_bars(workspace, micrograph))
    progress(len(micrographs), len(micrographs))
    return tuple(found)


def switch_bars(workspace: Workspace, ids: Sequence[int], ignored: bool) -> int:
    """Decide for some micrographs whether their bars count for nothing; returns how many that changed.

    Predictions that are stored stay as they are; trainings, measurements and later versions follow.

    Raises
    ------
    CatalogError
        When an id is not in the project; nothing is changed then.
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
