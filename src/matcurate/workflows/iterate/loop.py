"""The loop: find regions, classify them, have them named, train the segmenter; then the next micrographs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from matcurate.types import Progress, silent
from matcurate.workflows.classes import name_micrographs
from matcurate.workflows.classes.classes import known_classes
from matcurate.workflows.home import Workspace
from matcurate.workflows.ingest import ingest_files
from matcurate.workflows.iterate.questions import RegionQuestion, parse_name, region_of, region_state
from matcurate.workflows.iterate.segmenter import SegmenterReport, train_segmenter


@dataclass(frozen=True, slots=True)
class IterationReport:
    """Where the project stands: regions to be named, least known first; classes; the segmenter, if it was trained.

    ``named`` and ``recognised`` count regions of known classes. ``waiting``: nothing goes on before a region is named.
    """

    waiting: bool
    questions: tuple[RegionQuestion, ...]
    classes: tuple[str, ...]
    named: int
    recognised: int
    segmenter: SegmenterReport | None
    why: str
    problems: tuple[str, ...]


def iterate(
    workspace: Workspace,
    paths: Sequence[Path] = (),
    names: Iterable[str] = (),
    *,
    until: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> IterationReport:
    """Take in micrographs and names, find what is still unknown, and train when nothing is.

    ``names`` are ``ID=NAME`` or ``ID:TOP,LEFT,HEIGHT,WIDTH=NAME``. When ``until`` regions have names it trains, even if
    others are unknown. All state is in the catalog and the registry: killed at any moment, the same call goes on from
    there. Raises ConfigError for a name that cannot be read, CatalogError for a micrograph that is not there.
    """
    stated = [parse_name(each) for each in names]
    workspace = divided(workspace)
    problems = list(ingest_files(workspace, paths).refused) if paths else []
    named_as = {(each.micrograph_id, each.box): each.named_as for each in known_classes(workspace).members}
    for micrograph, box, name in stated:
        if box is not None and named_as.get((micrograph, box)) == name:
            continue  # given again after a kill, or still in Label Studio, also when its class was merged since
        name_micrographs(
            workspace, name, [micrograph], box=region_of(workspace, micrograph, box), seed=seed, progress=progress
        )
    state = region_state(workspace, progress)
    named = [region for region in state.settled if not region.recognised]
    enough = not state.questions or (until is not None and len(named) >= until)
    segmenter, why = None, f"{len(state.questions)} regions are of no known class: name the first, and run it again"
    if enough and len(state.classes) < 2:
        why = f"{len(state.classes)} class; a segmenter tells two or more apart: add micrographs of another material"
    elif enough:
        segmenter = train_segmenter(workspace, state.classes, state.settled, steps=steps, seed=seed, progress=progress)
        why = "every region is of a known class" if not state.questions else f"{len(named)} regions are named"
    return IterationReport(
        waiting=not enough,
        questions=state.questions,
        classes=state.classes,
        named=len(named),
        recognised=len(state.settled) - len(named),
        segmenter=segmenter,
        why=why,
        problems=(*problems, *state.problems),
    )


def divided(workspace: Workspace) -> Workspace:
    """The same, with micrographs divided into regions of one texture."""
    settings = workspace.settings
    classes = settings.classes.model_copy(update={"regions": True})
    return replace(workspace, settings=settings.model_copy(update={"classes": classes}))
