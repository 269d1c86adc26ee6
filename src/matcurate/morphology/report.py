"""Everything that is reported of one image."""

from dataclasses import dataclass

import numpy as np

from matcurate.morphology.grain_size import (
    InterceptGrainSize,
    PlanimetricGrainSize,
    intercept_grain_size,
    planimetric_grain_size,
)
from matcurate.morphology.numbering import LabelIds, compact_ids
from matcurate.morphology.objects import ObjectTable, tabulate
from matcurate.morphology.phases import PhaseReport, measure_phases
from matcurate.morphology.sizes import SizeDistribution, size_distribution, whole_weights
from matcurate.morphology.spacing import Spacing, measure_spacing
from matcurate.morphology.structure import Structure, boundary_lines, close_lines, decide_structure
from matcurate.morphology.units import Unit
from matcurate.types import BoolMask, Calibration, LabelMap


@dataclass(frozen=True, slots=True)
class Shape:
    """Mean shape of the objects that lie whole in the image, border-corrected; None without such objects."""

    circularity: float | None
    aspect_ratio: float | None
    solidity: float | None
    neighbours: float | None


@dataclass(frozen=True, slots=True)
class GrainSize:
    """ASTM E112 grain size; ``note`` says why a part is missing."""

    intercept: InterceptGrainSize | None
    planimetric: PlanimetricGrainSize | None
    note: str | None


@dataclass(frozen=True, slots=True)
class MorphologyReport:
    """Summary of one image.

    ``unit`` (px, nm or um) is that of every length, areas are in its square; ``px_size`` and ``px_size_y`` are width
    and height of a pixel in it. ``count`` includes objects that the edge of the image cuts. ``sizes`` and ``spacing``
    are first of all objects, then, where there are several classes of objects, of each.
    """

    height: int
    width: int
    nm_per_px: float | None
    nm_per_px_y: float | None
    unit: str
    px_size: float
    px_size_y: float
    structure: Structure
    count: int
    phases: tuple[PhaseReport, ...]
    grain_size: GrainSize
    shape: Shape
    sizes: tuple[SizeDistribution, ...]
    spacing: tuple[Spacing, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Morphology:
    """The summary of an image and the table of its objects."""

    report: MorphologyReport
    table: ObjectTable


def measure_image(
    instances: LabelMap,
    phases: LabelMap | None = None,
    calibration: Calibration | None = None,
    *,
    structure: Structure | None = None,
    lines: BoolMask | None = None,
    names: tuple[str, ...] = (),
) -> Morphology:
    """Measure the objects and the phases of one image (H, W).

    Without class ids, objects are 1 and the rest 0; without a pixel size, lengths are in pixels and there is no grain
    size number. ``structure`` and ``lines`` (H, W), background that is boundary lines between grains, are decided from
    the map by default; ``names[i]`` is that of class i.
    """
    classes: LabelMap = (instances > 0).astype(np.uint8) if phases is None else phases
    height, width = instances.shape
    shape, unit = (height, width), Unit.of(calibration)
    compact, ids = compact_ids(instances)
    if lines is None and structure != "objects":
        lines = boundary_lines(compact)
    kind = structure or decide_structure(compact, lines)
    closed = close_lines(compact, lines) if kind == "grains" else compact
    table = tabulate(compact, ids, closed, classes, aspect=unit.aspect)
    kinds = [None, *several] if len(several := np.unique(table.phase).tolist()) > 1 else [None]
    report = MorphologyReport(
        height=height,
        width=width,
        nm_per_px=calibration.nm_per_px if calibration else None,
        nm_per_px_y=calibration.nm_per_px_y if calibration else None,
        unit=unit.name,
        px_size=unit.per_px,
        px_size_y=unit.per_px * unit.aspect,
        structure=kind,
        count=len(table),
        phases=measure_phases(classes, unit, names),
        grain_size=_grain_size(closed, unit) if kind == "grains" else GrainSize(None, None, _APART),
        shape=_shape(table, shape),
        sizes=tuple(size_distribution(table, shape, unit, phase) for phase in kinds),
        spacing=tuple(measure_spacing(table, shape, unit, phase) for phase in kinds),
    )
    return Morphology(report, table)


_APART = "the objects do not fill the image; a grain size needs grains that do"


def _grain_size(grains: LabelIds, unit: Unit) -> GrainSize:
    intercept, planimetric = intercept_grain_size(grains, unit), planimetric_grain_size(grains, unit)
    note = None
    if intercept is None or planimetric is None:
        note = "too few grains; take a larger field"
    elif unit.mm_per_px is None:
        note = "no pixel size, so no grain size number; give --nm-per-px"
    return GrainSize(intercept, planimetric, note)


def _shape(table: ObjectTable, shape: tuple[int, int]) -> Shape:
    weight = whole_weights(table, shape)
    if not weight.any():
        return Shape(None, None, None, None)
    share = weight / weight.sum()
    columns = (table.circularity, table.aspect_ratio, table.solidity, table.neighbours)
    return Shape(*(float(share @ column) for column in columns))
