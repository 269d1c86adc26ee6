"""Microstructure classes: an expert names what micrographs show, and a classifier learns it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from matcurate.catalog import Box as Box  # entry points name the type
from matcurate.catalog import (
    ClassHeadRecord,
    ClassRecord,
    MemberRecord,
    MicrographRecord,
    NewClassHead,
    append_head,
    list_classes,
    list_members,
    list_micrographs,
    merge_classes,
    name_class,
    newest_head,
)
from matcurate.errors import CatalogError, ConfigError
from matcurate.learned.class_model import Accuracy, LabelledCrops, hold_out
from matcurate.types import Progress, silent
from matcurate.workflows.classes.crops import CropEmbeddings, open_embeddings, whole
from matcurate.workflows.classes.heads import EMBEDDING, GROWN, class_learner, make_heads, store_class_head
from matcurate.workflows.home import Workspace, current_user

Change = Callable[[Session, int], None]
"""Names or merges classes of a project, in a writing session."""


@dataclass(frozen=True, slots=True)
class KnownClasses:
    """A project's classes in the catalog at one moment."""

    classes: tuple[ClassRecord, ...]
    members: tuple[MemberRecord, ...]
    head: ClassHeadRecord | None

    @property
    def names(self) -> tuple[str, ...]:
        """Classes that are merged into no other, in the order of the head's outputs."""
        return tuple(record.name for record in self.classes if record.channel is not None)

    def members_of(self, name: str) -> tuple[MemberRecord, ...]:
        """Micrographs and boxes that show a class."""
        return tuple(member for member in self.members if member.class_name == name)


@dataclass(frozen=True, slots=True)
class ClassChange:
    """Result of naming or merging a class.

    ``added``: whether it is new; ``channel``: its output of the head; ``micrographs``: ids of all that show it now;
    ``classes``: all, in the order of the outputs; ``threshold``: vacuity above which a micrograph may be new;
    ``before``, ``after``: accuracy on held out micrographs of the other classes, None where there are none, or no head
    before; ``grown``: number of the head whose new output alone has learned, None where there was no head to grow;
    ``head``: number of the head in use now.
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
    """Name what micrographs show, by a new class or a known one, and train the head for it.

    ``box`` is the part of a single micrograph that shows it, by default all of it. Raises CatalogError when a
    micrograph is not in the project or in its golden set, or the class was merged into another; ConfigError when the
    name is no name, the box does not fit, or an image is too small.
    """
    wanted = name.strip()
    if not wanted or wanted.isdigit():
        raise ConfigError(f"{name!r} is no name of a class; write a word, then the ids of the micrographs")
    boxes = _boxes(workspace, ids, box)
    author = who or current_user()

    def change(session: Session, project_id: int) -> None:
        name_class(session, project_id, wanted, boxes, author)

    return _apply(workspace, wanted, change, f"named {wanted}", seed, author, progress)


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

    Raises CatalogError when one of them is not there or was merged already, or both are the same.
    """
    author = who or current_user()

    def change(session: Session, project_id: int) -> None:
        merge_classes(session, project_id, old, into, author)

    return _apply(workspace, into, change, f"merged {old} into {into}", seed, author, progress)


def known_classes(workspace: Workspace) -> KnownClasses:
    """Read classes, the micrographs that show them, and the head in use."""
    with workspace.reading() as session:
        return _read_classes(session, workspace.project().id)


def labelled_crops(
    workspace: Workspace, members: Sequence[MemberRecord], embeddings: CropEmbeddings, progress: Progress = silent
) -> tuple[LabelledCrops, ...]:
    """Embeddings of what shows classes, in the order of ``members``."""
    with workspace.reading() as session:
        records = {record.id: record for record in list_micrographs(session, workspace.project().id)}
    crops = []
    for done, member in enumerate(members):
        progress(done, len(members), records[member.micrograph_id].name)
        crops.append(LabelledCrops(member.class_name, embeddings(records[member.micrograph_id], member.box)))
    progress(len(members), len(members))
    return tuple(crops)


def _apply(
    workspace: Workspace, name: str, change: Change, why: str, seed: int, who: str, progress: Progress
) -> ClassChange:
    """Preview a change of the catalog, train for it, then store both at once."""
    project, before = workspace.project(), known_classes(workspace)
    after = _preview(workspace, project.id, change)
    embeddings, chosen = open_embeddings(workspace), workspace.settings.classes
    learner = class_learner(workspace.settings, len(after.names))
    labelled = labelled_crops(workspace, after.members, embeddings, progress)
    held_out = hold_out(after.names, labelled, chosen, seed, learner)
    threshold = held_out.threshold(chosen.quantile)
    made = make_heads(workspace, before.head, name, after.names, labelled, threshold, embeddings, learner, seed)
    kept = [each for each in before.names if each in after.names and each != name]
    earlier = labelled_crops(workspace, before.members, embeddings)
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
        numbers = [append_head(session, project.id, each, first + index).number for index, each in enumerate(new)]
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


def _preview(workspace: Workspace, project_id: int, change: Change) -> KnownClasses:
    """Read the classes as they would be after a change, which is rolled back."""
    with workspace.writing() as session:
        rehearsal = session.begin_nested()
        change(session, project_id)
        classes = _read_classes(session, project_id)
        rehearsal.rollback()
    return classes


def _read_classes(session: Session, project_id: int) -> KnownClasses:
    members = tuple(list_members(session, project_id))
    return KnownClasses(tuple(list_classes(session, project_id)), members, newest_head(session, project_id))


def _boxes(workspace: Workspace, ids: Sequence[int], box: Box | None) -> list[tuple[int, Box]]:
    """Boxes of micrographs of the project, none of the golden set."""
    if not ids or (box is not None and len(ids) != 1):
        raise ConfigError("name the ids of one or more micrographs; a box is of a single one")
    with workspace.reading() as session:
        records = list_micrographs(session, workspace.project().id, ids=ids)
    for record in records:
        _check(record, box)
    return [(record.id, box or whole(record)) for record in records]


def _check(record: MicrographRecord, box: Box | None) -> None:
    if record.golden:
        raise CatalogError(f"micrograph {record.id} ({record.name}) is in the golden set, which is never trained on")
    if box is not None and not box.within(record.shape):
        raise ConfigError(f"micrograph {record.id} has {record.width} x {record.height} pixels; the box reaches beyond")
