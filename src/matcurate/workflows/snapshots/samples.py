"""Reading what a snapshot or the golden set refers to: pixels, masks and phase ratios."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcurate.catalog.learning_records import Part, SnapshotRecord
from matcurate.catalog.micrographs import by_id
from matcurate.catalog.records import MicrographRecord
from matcurate.catalog.snapshots import snapshot_items
from matcurate.errors import CatalogError
from matcurate.imaging.ignored import counted, frame_within, looked_at, with_unknown
from matcurate.imaging.labels import decode_labels
from matcurate.imaging.rescale import rescale_labels, rescale_pixels, rescaled_shape
from matcurate.types import BoolMask, Calibration, LabelMap, Pixels
from matcurate.workflows.home import Workspace, load_counted
from matcurate.workflows.snapshots.snapshot import GoldenSet

Ratios = NDArray[np.float32]
"""Area fractions (n + 1,) of the matrix (0) and the n phases, summing to 1; all 0 means "not given"."""


@dataclass(frozen=True, slots=True, eq=False)
class CorrectedMicrograph:
    """A micrograph with its expert's mask.

    Parameters
    ----------
    name, content_hash : str
        Of the micrograph.
    pixels : uint8, uint16 or float32 array (H, W)
        Grey values in the depth it was recorded in, without data bar and borders.
    phases : unsigned array (H, W)
        Class ids, 0 is the matrix.
    ignored : bool array (H, W) or None
        What of them counts for nothing, as a scale bar; None where all do.
    ratios : float32 array (n + 1,)
        As the expert gave them; see :data:`Ratios`.
    calibration : Calibration or None
        Of ``pixels`` as they are here, None when not known.
    lab, specimen : str or None
        Where it comes from.
    """

    name: str
    content_hash: str
    pixels: Pixels
    phases: LabelMap
    ignored: BoolMask | None
    ratios: Ratios
    calibration: Calibration | None
    lab: str | None
    specimen: str | None

    @property
    def truth(self) -> LabelMap:
        """Class ids (H, W) as they are compared with: ``UNKNOWN`` where they count for nothing."""
        return with_unknown(self.phases, self.ignored)


def snapshot_samples(
    workspace: Workspace, snapshot: SnapshotRecord, part: Part, calibration: Calibration | None = None
) -> Iterator[CorrectedMicrograph]:
    """Yield the micrographs of a part of a snapshot, in the order of their content hashes.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    snapshot : SnapshotRecord
        Which.
    part : Part
        Training or validation.
    calibration : Calibration, optional
        Bring calibrated micrographs to this pixel size; those without a calibration stay as they are. None: all stay.

    Raises
    ------
    CatalogError
        When an object is missing or damaged, or a mask has another size than its image.
    """
    with workspace.reading() as session:
        items = snapshot_items(session, snapshot.id, part)
        micrographs = {item.micrograph_id: by_id(session, item.micrograph_id) for item in items}
    for item in items:
        given = ratio_vector(item.ratios, snapshot.phases)
        micrograph = replace(micrographs[item.micrograph_id], ignores_bars=item.ignores_bars)
        yield _load(workspace, micrograph, item.phases_key, given, item.calibration, calibration)


def golden_samples(
    workspace: Workspace, golden: GoldenSet, calibration: Calibration | None = None
) -> Iterator[CorrectedMicrograph]:
    """Yield the golden set's micrographs, in the order of their content hashes; see :func:`snapshot_samples`."""
    phases = workspace.project().phases
    for item in golden.items:
        own, given = item.micrograph.calibration, ratio_vector(item.correction.ratios, phases)
        yield _load(workspace, item.micrograph, str(item.correction.phases_key), given, own, calibration)


def ratio_vector(given: Mapping[str, float] | None, phases: Sequence[str]) -> Ratios:
    """Ratios by name → vector (n + 1,) that sums to 1, the matrix first; all zero unless every phase is given.

    What the phases leave is the matrix. When an expert's guesses sum to more than 1 they are scaled down to 1.
    """
    vector = np.zeros(len(phases) + 1, dtype=np.float32)
    if given is None or any(phase not in given for phase in phases):
        return vector
    guesses = np.array([given[phase] for phase in phases], dtype=np.float64)
    total = float(guesses.sum())
    vector[1:] = guesses / max(total, 1.0)
    vector[0] = max(0.0, 1.0 - total)
    return vector


def exact_ratios(phases: LabelMap, count: int, ignored: BoolMask | None = None) -> Ratios:
    """Area fractions (count + 1,) of a mask (H, W) with class ids 0 to ``count``, of what is not ignored (H, W)."""
    ids = counted(phases, ignored)
    return np.asarray(np.bincount(ids.ravel(), minlength=count + 1) / ids.size, dtype=np.float32)


def _load(
    workspace: Workspace,
    micrograph: MicrographRecord,
    phases_key: str,
    ratios: Ratios,
    own: Calibration | None,
    wanted: Calibration | None,
) -> CorrectedMicrograph:
    pixels, ignored = load_counted(workspace, micrograph)
    phases = decode_labels(workspace.objects.get(phases_key), f"mask of {micrograph.name}")
    if phases.shape != pixels.shape:
        raise CatalogError(
            f"the mask of {micrograph.name} is {phases.shape[1]} x {phases.shape[0]}, the image "
            f"{pixels.shape[1]} x {pixels.shape[0]}; correct it anew in Label Studio"
        )
    if int(phases.max()) >= len(ratios):
        raise CatalogError(
            f"the mask of {micrograph.name} has class id {int(phases.max())}, the project {len(ratios) - 1} phases; "
            "correct it anew in Label Studio"
        )
    inside = frame_within(ignored, pixels.shape).inside
    pixels, phases = looked_at(pixels, ignored), phases[inside]
    hidden = np.zeros(phases.shape, dtype=np.uint8) if ignored is None else ignored[inside].astype(np.uint8)
    if own is not None and wanted is not None:
        shape = rescaled_shape((pixels.shape[0], pixels.shape[1]), own, wanted, workspace.settings.max_megapixels)
        pixels, phases, own = rescale_pixels(pixels, shape), rescale_labels(phases, shape), wanted
        hidden = rescale_labels(hidden, shape)
    return CorrectedMicrograph(
        name=micrograph.name,
        content_hash=micrograph.content_hash,
        pixels=pixels,
        phases=phases,
        ignored=hidden > 0 if hidden.any() else None,
        ratios=ratios,
        calibration=own,
        lab=micrograph.lab,
        specimen=micrograph.specimen,
    )
