"""Corrections → an immutable dataset version; and the golden set, which no training ever sees.

The rules, in one place:

- A correction is usable when it is neither skipped nor retracted and has class ids. Of several on one micrograph the
  one changed last in Label Studio counts, whoever made it; of two changed at the same moment the one with the higher
  id. A skip is no vote against another annotator's mask.
- A *group* is a specimen of a lab; a micrograph without a specimen is grouped with the other pages of its file only.
- A group is wholly for training or wholly for validation. A hash of seed and group decides, so that a group stays
  where it is when others come.
- A micrograph is refused when its image (its file's content, or its 8-bit rendering: the same pixels in another file)
  or its group is in the golden set.
- Ratios that are still what the corrected prediction had put into the page's fields are not the expert's: they are
  left out.
- The golden set is the project's golden micrographs with the usable corrections that experts made of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlmodel import Session

from matcurate.catalog.corrections import list_corrections
from matcurate.catalog.learning_records import NewSnapshot, Part, Refusal, SnapshotItemRecord, SnapshotRecord
from matcurate.catalog.micrographs import DEFAULT_LAB, list_for_project
from matcurate.catalog.predictions import by_id as prediction_by_id
from matcurate.catalog.records import CorrectionRecord, MicrographRecord, ProjectRecord
from matcurate.catalog.snapshots import store_snapshot
from matcurate.errors import CatalogError
from matcurate.labelstudio.ratios import same_on_the_page
from matcurate.workflows.home import Workspace

FORMAT = 1
"""Of the text that is hashed; a snapshot's digest never changes its meaning."""


@dataclass(frozen=True, slots=True)
class SnapshotReport:
    """The snapshot, whether it is new, and what is in it."""

    snapshot: SnapshotRecord
    added: bool
    items: tuple[SnapshotItemRecord, ...]
    refused: tuple[Refusal, ...]

    def count(self, part: Part) -> int:
        """Count the micrographs of a part."""
        return sum(item.part is part for item in self.items)


@dataclass(frozen=True, slots=True)
class GoldenItem:
    """A golden micrograph with its expert's mask: what models are compared on."""

    micrograph: MicrographRecord
    correction: CorrectionRecord


@dataclass(frozen=True, slots=True)
class GoldenSet:
    """The frozen evaluation images of a project; ``digest`` changes when an image or a mask does.

    ``missing``: golden micrographs without a usable correction; they cannot be evaluated on.
    """

    items: tuple[GoldenItem, ...]
    missing: tuple[MicrographRecord, ...]
    digest: str


def take_snapshot(workspace: Workspace, *, seed: int = 0, validation_share: float | None = None) -> SnapshotReport:
    """Freeze the project's usable corrections. The same corrections give the same snapshot.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    seed : int
        Decides, with the groups' names, which are for validation.
    validation_share : float, optional
        Share of the groups for validation, in [0, 1); that of the settings by default. There is always a group for
        training, and with two or more one for validation, unless the share is 0.

    Raises
    ------
    CatalogError
        When the project is unknown, or nothing is left to train on.
    """
    project = workspace.project()
    share = workspace.settings.retrain.validation_share if validation_share is None else validation_share
    with workspace.reading() as session:
        micrographs = list_for_project(session, project.id)
        newest = _that_count(session, project)
    trusted, refused = refuse_leaks([m for m in micrographs if m.id in newest], micrographs)
    if not trusted:
        why = f"; refused: {refused[0].micrograph}: {refused[0].reason}" if refused else ""
        raise CatalogError(
            f"project {project.name!r} has no usable correction outside of the golden set{why}; correct micrographs "
            "in Label Studio and run 'curate sync'"
        )
    parts = split([group_of(m) for m in trusted], seed, share)
    items = tuple(_item(m, newest[m.id], parts[group_of(m)]) for m in trusted)
    new = NewSnapshot(
        project_id=project.id,
        digest=_digest(project, items, seed, share),
        phases=project.phases,
        seed=seed,
        validation_share=share,
        items=items,
        refused=tuple(refused),
    )
    with workspace.writing() as session:
        record, added = store_snapshot(session, new)
    return SnapshotReport(record, added, items, new.refused)


def golden_set(workspace: Workspace) -> GoldenSet:
    """Read the project's golden micrographs with the experts' newest usable corrections of them."""
    project = workspace.project()
    with workspace.reading() as session:
        golden = list_for_project(session, project.id, golden=True)
        newest = _that_count(session, project)
    known = sorted((m for m in golden if m.id in newest), key=lambda m: m.content_hash)
    items = tuple(GoldenItem(m, newest[m.id]) for m in known)
    said = [
        [i.micrograph.content_hash, i.correction.phases_key, i.correction.instances_key]
        + ([] if i.micrograph.ignores_bars else ["bars counted"])
        for i in items
    ]
    digest = _sha256({"format": FORMAT, "phases": list(project.phases), "items": said})
    return GoldenSet(items, tuple(m for m in golden if m.id not in newest), digest)


def newest_usable(corrections: Sequence[CorrectionRecord]) -> dict[int, CorrectionRecord]:
    """For each micrograph (by id) the correction that counts; see the rules above."""
    usable = [c for c in corrections if not c.skipped and c.retracted_at is None and c.phases_key is not None]
    ordered = sorted(usable, key=lambda c: (c.ls_updated_at, c.ls_annotation_id))
    return {correction.micrograph_id: correction for correction in ordered}


def _that_count(session: Session, project: ProjectRecord) -> dict[int, CorrectionRecord]:
    """By micrograph the correction that counts, with the ratios that the expert gave."""
    newest = newest_usable(list_corrections(session, project.id))
    return {micrograph_id: _with_own_ratios(session, correction) for micrograph_id, correction in newest.items()}


def _with_own_ratios(session: Session, correction: CorrectionRecord) -> CorrectionRecord:
    if correction.ratios is None or correction.parent_prediction_id is None:
        return correction
    prefilled = prediction_by_id(session, correction.parent_prediction_id).phase_fractions
    return replace(correction, ratios=None) if same_on_the_page(correction.ratios, prefilled) else correction


def group_of(micrograph: MicrographRecord) -> str:
    """Name of what must not be split: the lab's specimen, else the file that the image is a page of."""
    if micrograph.specimen is not None:
        return f"specimen {micrograph.specimen} of {micrograph.lab or DEFAULT_LAB}"
    return f"file {micrograph.object_key}"


def refuse_leaks(
    candidates: Sequence[MicrographRecord], micrographs: Sequence[MicrographRecord]
) -> tuple[list[MicrographRecord], list[Refusal]]:
    """Part the candidates for training from those that are in the golden set or would tell about it.

    Parameters
    ----------
    candidates : sequence of MicrographRecord
        May be golden themselves: they are left out without a word, as is their purpose.
    micrographs : sequence of MicrographRecord
        All of the project, golden ones among them.

    Returns
    -------
    trusted : list of MicrographRecord
        In the order of their content hashes.
    refused : list of Refusal
        In the same order.
    """
    golden = [m for m in micrographs if m.golden]
    hashes = {m.content_hash for m in golden}
    renderings = {m.proxy_key: m.name for m in golden}
    groups = {group_of(m): m.name for m in golden}
    trusted, refused = [], []
    for each in sorted(candidates, key=lambda m: m.content_hash):
        if each.content_hash in hashes:
            continue
        if each.proxy_key in renderings:
            reason = f"shows the same pixels as the golden micrograph {renderings[each.proxy_key]}"
        elif group_of(each) in groups:
            reason = f"{group_of(each)} is also that of the golden micrograph {groups[group_of(each)]}"
        else:
            trusted.append(each)
            continue
        refused.append(Refusal(each.name, reason))
    return trusted, refused


def split(groups: Sequence[str], seed: int, share: float) -> dict[str, Part]:
    """Which part each group belongs to.

    A group is for validation when the first 8 bytes of SHA-256 over ``seed:group``, as a fraction of 2**64, lie below
    ``share``. Where that leaves no group for training, the one with the highest fraction crosses over; where it leaves
    none for validation, though there are two or more and ``share`` > 0, the one with the lowest does.

    Parameters
    ----------
    groups : sequence of str
        Names; repeated ones count once.
    seed : int
    share : float
        In [0, 1).
    """
    if not 0.0 <= share < 1.0:  # also refuses NaN
        raise ValueError(f"the validation share must lie in [0, 1), got {share}")
    draws = {group: _draw(seed, group) for group in groups}
    validation = {group for group, draw in draws.items() if draw < share}
    if validation and len(validation) == len(draws):
        validation -= {max(draws, key=draws.__getitem__)}
    elif not validation and share > 0 and len(draws) > 1:
        validation = {min(draws, key=draws.__getitem__)}
    return {group: Part.VALIDATION if group in validation else Part.TRAIN for group in draws}


def _draw(seed: int, group: str) -> float:
    return int.from_bytes(hashlib.sha256(f"{seed}:{group}".encode()).digest()[:8], "big") / 2**64


def _item(micrograph: MicrographRecord, correction: CorrectionRecord, part: Part) -> SnapshotItemRecord:
    if correction.phases_key is None:
        raise CatalogError(f"correction {correction.id} of {micrograph.name} has no class ids; run 'curate sync'")
    return SnapshotItemRecord(
        micrograph_id=micrograph.id,
        correction_id=correction.id,
        part=part,
        content_hash=micrograph.content_hash,
        phases_key=correction.phases_key,
        instances_key=correction.instances_key,
        ratios=correction.ratios,
        nm_per_px=micrograph.nm_per_px,
        nm_per_px_y=micrograph.nm_per_px_y,
        lab=micrograph.lab,
        specimen=micrograph.specimen,
        ignores_bars=micrograph.ignores_bars,
    )


def _digest(project: ProjectRecord, items: Sequence[SnapshotItemRecord], seed: int, share: float) -> str:
    """Over content, not over catalog ids: two labs that froze the same data see the same name."""
    rows = [
        {
            "image": item.content_hash,
            "phases": item.phases_key,
            "instances": item.instances_key,
            "ratios": None if item.ratios is None else dict(item.ratios),
            "nm_per_px": item.nm_per_px,
            **({} if item.nm_per_px_y is None else {"nm_per_px_y": item.nm_per_px_y}),
            "lab": item.lab,
            "specimen": item.specimen,
            "part": item.part.value,
            **({} if item.ignores_bars else {"bars": "counted"}),
        }
        for item in items
    ]
    said = {"format": FORMAT, "phases": list(project.phases), "seed": seed, "share": share, "items": rows}
    return _sha256(said)


def _sha256(said: Mapping[str, object]) -> str:
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
