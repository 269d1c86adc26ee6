"""Microstructure classes: an expert names what micrographs show, a head learns it, and what may be new is queued."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from matcurate.catalog.class_records import Box as Box  # entry points name the type
from matcurate.catalog.class_records import ClassHeadRecord, ClassRecord, MemberRecord, NewClassHead
from matcurate.catalog.classes import (
    append_head,
    list_classes,
    list_members,
    merge_classes,
    name_class,
    newest_head,
)
from matcurate.catalog.micrographs import list_for_project
from matcurate.catalog.records import MicrographRecord
from matcurate.errors import CatalogError, ConfigError
from matcurate.learned.class_model import Accuracy, Shown, hold_out
from matcurate.types import Progress, silent
from matcurate.workflows.classes.crops import CropEmbeddings, open_embeddings, whole
from matcurate.workflows.classes.heads import EMBEDDING, GROWN, class_learner, make_heads, store_class_head
from matcurate.workflows.home import Workspace, current_user

Change = Callable[[Session, int], None]
"""Names or merges classes of a project, in a writing session."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalog knows of a project's classes at one moment."""

    classes: tuple[ClassRecord, ...]
    members: tuple[MemberRecord, ...]
    head: ClassHeadRecord | None

    @property
    def names(self) -> tuple[str, ...]:
        """Classes that are merged into no other, in the order of the head's outputs."""
        return tuple(each.name for each in self.classes if each.channel is not None)

    def members_of(self, name: str) -> tuple[MemberRecord, ...]:
        """What shows a class."""
        return tuple(each for each in self.members if each.class_name == name)


@dataclass(frozen=True, slots=True)
class ClassChange:
    """What came of naming or merging.

    Parameters
    ----------
    name : str
        The class that was named, or the one that took the other's micrographs.
    added : bool
        Whether it is new.
    channel : int
        Its output of the head, from 0.
    micrographs : tuple of int
        All that show it now.
    classes : tuple of str
        All classes, in the order of the outputs.
    threshold : float
        Vacuity above which a micrograph may be new.
    before, after : Accuracy, optional
        Of micrographs of the other classes that were held out; None where there are none, or there was no head before.
    grown : int, optional
        Number of the head in which the class's output alone has learned; None where there was no head to grow.
    head : int
        Number of the head that counts now: of the grown one, or of that which was trained after it.
    """

    name: str
    added: bool
    channel: int
    micrographs: tuple[int, ...]
    classes: tuple[str, ...]
    threshold: float
    before: Accuracy | None
    after: Accuracy | None
    grown: int | None
    head: int


def name_micrographs(
    workspace: Workspace,
    name: str,
    ids: Sequence[int],
    *,
    box: Box | None = None,
    seed: int = 0,
    who: str | None = None,
    progress: Progress = silent,
) -> ClassChange:
    """Name what micrographs show, and teach it to the head.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    name : str
        A new class, or one that is known.
    ids : sequence of int
        Catalog ids of micrographs of the project.
    box : Box, optional
        The part of a single micrograph that shows it; all of it by default.
    seed : int
        Of training and of what is held out, non-negative.
    who : str, optional
        The user of this machine by default.
    progress : Progress
        Told of micrographs embedded.

    Raises
    ------
    CatalogError
        When a micrograph is not in the project or in its golden set, or the class was merged into another.
    ConfigError
        When the name is no name, the box does not fit, or an image is too small.
    """
    wanted = name.strip()
    if not wanted or wanted.isdigit():
        raise ConfigError(f"{name!r} is no name of a class; write a word, then the ids of the micrographs")
    boxes = _boxes(workspace, ids, box)
    author = who or current_user()

    def change(session: Session, project_id: int) -> None:
        name_class(session, project_id, wanted, boxes, author)

    return _changed(workspace, wanted, change, f"named {wanted}", seed, author, progress)


def merge(
    workspace: Workspace,
    old: str,
    into: str,
    *,
    seed: int = 0,
    who: str | None = None,
    progress: Progress = silent,
) -> ClassChange:
    """Let one class take another's micrographs; the other's output of the head goes.

    Raises
    ------
    CatalogError
        When one of them is not there or was merged already, or both are the same.
    """
    author = who or current_user()

    def change(session: Session, project_id: int) -> None:
        merge_classes(session, project_id, old, into, author)

    return _changed(workspace, into, change, f"merged {old} into {into}", seed, author, progress)


def known_classes(workspace: Workspace) -> Known:
    """Classes, what shows them, and the head that counts."""
    with workspace.reading() as session:
        return _known(session, workspace.project().id)


def shown_by(
    workspace: Workspace, members: Sequence[MemberRecord], embeddings: CropEmbeddings, progress: Progress = silent
) -> tuple[Shown, ...]:
    """Embeddings of what shows classes, in the order of ``members``."""
    with workspace.reading() as session:
        records = {each.id: each for each in list_for_project(session, workspace.project().id)}
    found = []
    for done, member in enumerate(members):
        progress(done, len(members), records[member.micrograph_id].name)
        found.append(Shown(member.class_name, embeddings(records[member.micrograph_id], member.box)))
    progress(len(members), len(members))
    return tuple(found)


def _changed(
    workspace: Workspace, name: str, change: Change, why: str, seed: int, who: str, progress: Progress
) -> ClassChange:
    """Rehearse a change of the catalog, train for it, then make both count at once."""
    project, before = workspace.project(), known_classes(workspace)
    after = _rehearsed(workspace, project.id, change)
    embeddings, chosen = open_embeddings(workspace), workspace.settings.classes
    learner = class_learner(workspace.settings, len(after.names))
    shown = shown_by(workspace, after.members, embeddings, progress)
    held_out = hold_out(after.names, shown, chosen, seed, learner)
    threshold = held_out.threshold(chosen.quantile)
    made = make_heads(workspace, before.head, name, after.names, shown, threshold, embeddings, learner, seed)
    kept = [each for each in before.names if each in after.names and each != name]
    earlier = shown_by(workspace, before.members, embeddings)
    new = [
        NewClassHead(
            object_key=store_class_head(workspace, each.head, embeddings),
            model=EMBEDDING if chosen.model == "head" else chosen.model,
            embedder_sha256=embeddings.embedder.digest,
            crop=chosen.crop,
            classes=each.head.classes,
            threshold=each.threshold,
            seed=seed,
            why=f"{why}; {each.how}",
            made_by=who,
        )
        for each in made
    ]
    first = before.head.number if before.head else 0
    with workspace.writing() as session:
        change(session, project.id)
        numbers = [append_head(session, project.id, each, first + place).number for place, each in enumerate(new)]
    return ClassChange(
        name=name,
        added=name not in before.names,
        channel=made[-1].head.classes.index(name),
        micrographs=tuple(sorted({each.micrograph_id for each in after.members_of(name)})),
        classes=made[-1].head.classes,
        threshold=made[-1].threshold,
        before=hold_out(before.names, earlier, chosen, seed, learner).accuracy(kept) if kept else None,
        after=held_out.accuracy(kept) if kept else None,
        grown=numbers[0] if made[0].how == GROWN else None,
        head=numbers[-1],
    )


def _rehearsed(workspace: Workspace, project_id: int, change: Change) -> Known:
    """What the catalog would know after a change; nothing of it stays."""
    with workspace.writing() as session:
        rehearsal = session.begin_nested()
        change(session, project_id)
        found = _known(session, project_id)
        rehearsal.rollback()
    return found


def _known(session: Session, project_id: int) -> Known:
    members = tuple(list_members(session, project_id))
    return Known(tuple(list_classes(session, project_id)), members, newest_head(session, project_id))


def _boxes(workspace: Workspace, ids: Sequence[int], box: Box | None) -> list[tuple[int, Box]]:
    """What is named: micrographs of the project, none of the golden set."""
    if not ids or (box is not None and len(ids) != 1):
        raise ConfigError("name the ids of one or more micrographs; a box is of a single one")
    with workspace.reading() as session:
        records = list_for_project(session, workspace.project().id, ids=ids)
    for record in records:
        _check(record, box)
    return [(record.id, box or whole(record)) for record in records]


def _check(record: MicrographRecord, box: Box | None) -> None:
    if record.golden:
        raise CatalogError(f"micrograph {record.id} ({record.name}) is in the golden set, which nothing is taught from")
    if box is not None and not box.within(record.shape):
        raise ConfigError(f"micrograph {record.id} has {record.width} x {record.height} pixels; the box reaches beyond")
