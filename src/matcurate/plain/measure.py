"""Measure label images: what metallographers report, as tables, JSON and a plot."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from matcurate.errors import ConfigError
from matcurate.files import replace_file
from matcurate.imaging.ignored import frame_within
from matcurate.morphology.lines import BoundaryReading
from matcurate.morphology.plot import draw_morphology
from matcurate.morphology.report import Morphology, MorphologyReport, measure_image
from matcurate.morphology.structure import Structure
from matcurate.morphology.tables import Record, object_records, write_objects
from matcurate.plain.label_files import Boundaries, Content, Labels, load_labels
from matcurate.types import Calibration


@dataclass(frozen=True, slots=True)
class MeasureReport:
    """What was measured on one label image.

    Without ``instances_path``, the pieces of each class are the objects. ``boundaries`` says whether an image of two
    colours shows boundary lines, and why; None for other images. ``phase_fractions`` of the classes that occur sum to
    1. ``objects`` have the columns of ``NAME.objects.csv``; ``files`` were written.
    """

    path: str
    name: str
    instances_path: str | None
    phases_path: str | None
    boundaries: BoundaryReading | None
    phase_fractions: dict[int, float]
    summary: MorphologyReport
    objects: list[Record]
    files: tuple[str, ...]


def measure_labels(
    path: Path,
    *,
    phases: Path | None = None,
    content: Content | Literal["auto"] = "auto",
    structure: Structure | Literal["auto"] = "auto",
    boundaries: Boundaries = "auto",
    image: Path | None = None,
    calibration: Calibration | None = None,
    out: Path | None = None,
    ignore_bars: bool = True,
    max_megapixels: float = 400.0,
) -> MeasureReport:
    """Measure the objects and phases of one label image, read by :func:`~matcurate.plain.label_files.load_labels`.

    With ``out``, writes ``NAME.objects.csv``, ``NAME.morphology.json`` (the summary) and ``NAME.morphology.png`` there.
    ``structure`` auto decides by their cover whether the objects fill the image. ``calibration`` goes before what the
    file or its dataset folder says. With ``ignore_bars`` what is no micrograph is left out, where that is known. Raises
    UnreadableImageError or DatasetError for a label image, and ConfigError when the results cannot be written.
    """
    labels = load_labels(path, phases, content, boundaries=boundaries, image=image, max_megapixels=max_megapixels)
    scale = calibration or labels.calibration
    kind = None if structure == "auto" else structure
    morphology = _measured(labels, scale, kind, ignore_bars)
    files = () if out is None else _write(out, labels.name, morphology, scale)
    return MeasureReport(
        path=str(path),
        name=labels.name,
        instances_path=str(labels.instances_path) if labels.instances_path else None,
        phases_path=str(labels.phases_path) if labels.phases_path else None,
        boundaries=labels.reading,
        phase_fractions={phase.id: phase.area_fraction.fraction for phase in morphology.report.phases},
        summary=morphology.report,
        objects=object_records(morphology.table, scale),
        files=files,
    )


def _measured(labels: Labels, scale: Calibration | None, kind: Structure | None, ignore_bars: bool) -> Morphology:
    """Morphology of the frame of the micrograph; places are those of the whole image."""
    frame = frame_within(labels.ignored if ignore_bars else None, labels.instances.shape)
    phases = None if labels.phases is None else labels.phases[frame.inside]
    lines = None if labels.lines is None else labels.lines[frame.inside]
    morphology = measure_image(
        labels.instances[frame.inside], phases, scale, structure=kind, lines=lines, names=labels.classes
    )
    return replace(morphology, table=morphology.table.moved(frame.top, frame.left))


def _write(out: Path, name: str, morphology: Morphology, scale: Calibration | None) -> tuple[str, ...]:
    table, summary, plot = (out / f"{name}{end}" for end in (".objects.csv", ".morphology.json", ".morphology.png"))
    text = json.dumps(asdict(morphology.report), allow_nan=False, indent=2, ensure_ascii=False)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_objects(morphology.table, table, scale)
        replace_file(summary, f"{text}\n".encode())
        replace_file(plot, draw_morphology(morphology, name))
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written to ({error.strerror}); name another folder") from error
    return str(table), str(summary), str(plot)
