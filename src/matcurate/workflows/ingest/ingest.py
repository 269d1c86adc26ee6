"""Micrograph files → catalog. Idempotent by content hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypedDict

from matcurate.catalog.micrographs import add_micrograph, by_hash
from matcurate.catalog.records import MicrographRecord, NewMicrograph, ProjectRecord
from matcurate.errors import CurateError, UnreadableImageError
from matcurate.imaging.micrograph import Micrograph
from matcurate.imaging.proxy import encode_png, to_uint8
from matcurate.imaging.read import OpenImage, decoded_image, find_images, opened_image
from matcurate.types import Calibration, Progress, silent
from matcurate.workflows.home import Workspace

_STORED_SUFFIX = re.compile(r"\.[a-z0-9]{1,16}")


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the person who ingests states about the images; its calibration overrides the file's own."""

    lab: str | None = None
    specimen: str | None = None
    calibration: Calibration | None = None
    golden: bool = False


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Micrographs added and known already, and one line for each file or page refused."""

    added: tuple[MicrographRecord, ...]
    known: tuple[MicrographRecord, ...]
    refused: tuple[str, ...]


def content_hash(data: bytes, page: int, pages: int) -> str:
    """Identity of a micrograph: SHA-256 of the file's bytes, and of the page number in files of several pages."""
    digest = hashlib.sha256(data)
    if pages > 1:
        digest.update(f"#page={page}".encode())
    return digest.hexdigest()


def ingest_files(
    workspace: Workspace,
    paths: Sequence[Path],
    provenance: Provenance | None = None,
    progress: Progress = silent,
) -> IngestReport:
    """Take files, and the images in folders, into the catalog and its project.

    Each page of a file (image, slice, channel) becomes a micrograph of its own. A file or page that cannot be read is
    refused with its reason; the rest goes on. Scale and recording come from the file and from what its microscope
    wrote beside it. Raises CatalogError when the project has not been created.
    """
    workspace.project()
    files, refused = find_images(paths)
    added: list[MicrographRecord] = []
    known: list[MicrographRecord] = []
    for index, file in enumerate(files):
        progress(index, len(files), file.name)
        try:
            data = _read(file)
            with opened_image(file, max_megapixels=workspace.settings.max_megapixels) as image:
                new = _described_pages(workspace, image, data, str(file), str(file.absolute()), refused)
                for record, is_new in _added(workspace, new, provenance or Provenance(), refused):
                    (added if is_new else known).append(record)
        except CurateError as error:
            refused.append(str(error))
    progress(len(files), len(files))
    return IngestReport(tuple(added), tuple(known), tuple(refused))


def ingest_bytes(
    workspace: Workspace, data: bytes, name: str, source: str, provenance: Provenance
) -> Iterator[tuple[MicrographRecord, bool]]:
    """Take one file's bytes into the catalog; yields every stored page, and whether it is new.

    ``name`` is the file's name or path: its last part, without suffix, names the micrograph. ``source`` is where it
    came from. Raises CatalogError when the catalog knows the image with another calibration, lab or specimen;
    UnreadableImageError when a page is not readable, after all others are stored.
    """
    problems: list[str] = []
    with decoded_image(data, name, max_megapixels=workspace.settings.max_megapixels) as image:
        project = workspace.project()
        for new in _described_pages(workspace, image, data, name, source, problems):
            yield _add(workspace, project, new, provenance)
    if problems:
        raise UnreadableImageError(problems[0])


def _added(
    workspace: Workspace, pages: Iterator[NewMicrograph], provenance: Provenance, refused: list[str]
) -> Iterator[tuple[MicrographRecord, bool]]:
    """Take pages into the catalog, one by one; ``refused`` gets one line for each that contradicts it."""
    project = workspace.project()
    for new in pages:
        try:
            outcome = _add(workspace, project, new, provenance)
        except CurateError as error:
            refused.append(str(error))
        else:
            yield outcome


def _described_pages(
    workspace: Workspace, image: OpenImage, data: bytes, name: str, source: str, problems: list[str]
) -> Iterator[NewMicrograph]:
    """Store the file once one of its pages is readable, and describe each readable page."""
    if not image.in_one_file:
        raise UnreadableImageError(
            f"{name}: its pixels lie in files beside it, and the catalog keeps single files; save it in one file"
        )
    object_key: str | None = None
    for micrograph in image.readable(problems):
        object_key = object_key or workspace.objects.put(data, _stored_suffix(name))
        identity = content_hash(data, micrograph.page, image.pages)
        yield _describe(workspace, micrograph, identity, source, object_key)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"{file}: {error.strerror}; name an image file that can be read") from error


def _stored_suffix(name: str) -> str:
    """Suffix under which the original is stored: only the content decides how it is read."""
    suffix = Path(name).suffix.lower()
    return suffix if _STORED_SUFFIX.fullmatch(suffix) else ""


def _describe(
    workspace: Workspace, micrograph: Micrograph, identity: str, source: str, object_key: str
) -> NewMicrograph:
    height, width = micrograph.pixels.shape
    stem = Path(micrograph.name).stem
    return NewMicrograph(
        content_hash=identity,
        page=micrograph.page,
        name=f"{stem}_p{micrograph.page:03d}" if micrograph.pages > 1 else stem,
        source_path=source,
        object_key=object_key,
        proxy_key=workspace.objects.put(encode_png(to_uint8(micrograph.pixels)), ".png"),
        width=width,
        height=height,
        dtype=str(micrograph.pixels.dtype),
        **_edges(micrograph.calibration),
        acquisition=acquisition_facts(micrograph),
    )


class _Edges(TypedDict):
    nm_per_px: float | None
    nm_per_px_y: float | None


def _edges(calibration: Calibration | None) -> _Edges:
    """Width and height of a pixel as the catalog keeps them: no height where pixels are square."""
    if calibration is None:
        return {"nm_per_px": None, "nm_per_px_y": None}
    return {
        "nm_per_px": calibration.nm_per_px,
        "nm_per_px_y": None if calibration.aspect == 1 else calibration.nm_per_px_y,
    }


def acquisition_facts(micrograph: Micrograph) -> dict[str, str | float] | None:
    """What the file states about the recording, by name, with the page's name and the source of the scale."""
    facts: dict[str, str | float] = {
        name: value for name, value in asdict(micrograph.acquisition).items() if value is not None
    }
    if micrograph.page_name:
        facts["page_name"] = micrograph.page_name
    if micrograph.calibration is not None and micrograph.calibration.source:
        facts["scale_source"] = micrograph.calibration.source
    return facts or None


def _add(
    workspace: Workspace, project: ProjectRecord, new: NewMicrograph, provenance: Provenance
) -> tuple[MicrographRecord, bool]:
    stated = replace(new, lab=provenance.lab, specimen=provenance.specimen, golden=provenance.golden)
    if provenance.calibration is not None:
        stated = replace(stated, **_edges(provenance.calibration))
    with workspace.writing() as session:
        earlier = by_hash(session, new.content_hash)
        if provenance.calibration is None and earlier is not None and earlier.nm_per_px is not None:
            stated = replace(stated, **_edges(None))  # what a person stated first outlives the file's own tags
        return add_micrograph(session, stated, project.id)
