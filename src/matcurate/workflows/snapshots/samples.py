"""Read what a snapshot or the golden set refers to: pixels and masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcurate.catalog import MicrographRecord, Part, SnapshotRecord, get_micrograph, snapshot_items
from matcurate.errors import CatalogError
from matcurate.imaging.ignored import counted, frame_within, looked_at, with_unknown
from matcurate.imaging.labels import decode_labels
from matcurate.types import BoolMask, LabelMap, Pixels
from matcurate.workflows.home import Workspace, load_counted
from matcurate.workflows.snapshots.snapshot import GoldenSet


@dataclass(frozen=True, slots=True, eq=False)
class CorrectedMicrograph:
    """A micrograph with its expert's mask, without data bar and borders.

    ``pixels`` (H, W) in the depth it was recorded in; ``phases`` (H, W), class ids, 0 is the matrix; ``ignored``
    (H, W): what counts for nothing, as a scale bar.
    """

    name: str
    content_hash: str
    pixels: Pixels
    phases: LabelMap
    ignored: BoolMask | None
    specimen: str | None

    @property
    def truth(self) -> LabelMap:
        """Class ids (H, W) as they are compared with: ``UNKNOWN`` where they count for nothing."""
        return with_unknown(self.phases, self.ignored)


def snapshot_samples(workspace: Workspace, snapshot: SnapshotRecord, part: Part) -> Iterator[CorrectedMicrograph]:
    """Yield the micrographs of a part of a snapshot, in the order of their content hashes.

    Raises CatalogError when an object is missing or damaged, or a mask has another size than its image.
    """
    with workspace.reading() as session:
        items = snapshot_items(session, snapshot.id, part)
        micrographs = {item.micrograph_id: get_micrograph(session, item.micrograph_id) for item in items}
    for item in items:
        micrograph = replace(micrographs[item.micrograph_id], ignores_bars=item.ignores_bars)
        yield _load(workspace, micrograph, item.phases_key, len(snapshot.phases))


def golden_samples(workspace: Workspace, golden: GoldenSet) -> Iterator[CorrectedMicrograph]:
    """Yield the golden set's micrographs, in the order of their content hashes; see :func:`snapshot_samples`."""
    phases = len(workspace.project().phases)
    for item in golden.items:
        yield _load(workspace, item.micrograph, str(item.correction.phases_key), phases)


def exact_ratios(phases: LabelMap, count: int, ignored: BoolMask | None = None) -> NDArray[np.float32]:
    """Area fractions (count + 1,) of a mask (H, W) with class ids 0 to ``count``, of what is not ignored (H, W)."""
    ids = counted(phases, ignored)
    return np.asarray(np.bincount(ids.ravel(), minlength=count + 1) / ids.size, dtype=np.float32)


def _load(workspace: Workspace, micrograph: MicrographRecord, phases_key: str, count: int) -> CorrectedMicrograph:
    pixels, ignored = load_counted(workspace, micrograph)
    phases = decode_labels(workspace.objects.get(phases_key), f"mask of {micrograph.name}")
    if phases.shape != pixels.shape:
        raise CatalogError(
            f"the mask of {micrograph.name} is {phases.shape[1]} x {phases.shape[0]}, the image "
            f"{pixels.shape[1]} x {pixels.shape[0]}; correct it again in Label Studio"
        )
    if int(phases.max()) > count:
        raise CatalogError(
            f"the mask of {micrograph.name} has class id {int(phases.max())}, the project {count} phases; "
            "correct it again in Label Studio"
        )
    inside = frame_within(ignored, pixels.shape).inside
    hidden = None if ignored is None else ignored[inside]
    return CorrectedMicrograph(
        name=micrograph.name,
        content_hash=micrograph.content_hash,
        pixels=looked_at(pixels, ignored),
        phases=phases[inside],
        ignored=hidden if hidden is not None and hidden.any() else None,
        specimen=micrograph.specimen,
    )
