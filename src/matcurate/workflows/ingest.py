"""Micrograph files → catalog. Idempotent by content hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from matcurate.catalog.micrographs import add_micrograph, by_hash
from matcurate.catalog.records import MicrographRecord, NewMicrograph, ProjectRecord
from matcurate.errors import CurateError, UnreadableImageError
from matcurate.imaging.micrograph import Micrograph
from matcurate.imaging.proxy import encode_png, to_uint8
from matcurate.imaging.read import decode_micrograph, find_images
from matcurate.types import Calibration, Progress, silent
from matcurate.workflows.workspace import Workspace

_STORED_SUFFIX = re.compile(r"\.[a-z0-9]{1,16}")


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the person who ingests says about the images; calibration overrides the file's own."""

    lab: str | None = None
    specimen: str | None = None
    calibration: Calibration | None = None
    golden: bool = False


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Micrographs added and known already, and one line for each file refused."""

    added: tuple[MicrographRecord, ...]
    known: tuple[MicrographRecord, ...]
    refused: tuple[str, ...]


def content_hash(data: bytes, page: int, pages: int) -> str:
    """Identity of a micrograph: SHA-256 of the file's bytes, and of the page number in files of several pages."""
    digest = hashlib.sha256(data)
    if pages > 1:
        digest.update(f"#page={page}".encode())
    return digest.hexdigest()


def ingest(
    workspace: Workspace,
    paths: Sequence[Path],
    provenance: Provenance | None = None,
    progress: Progress = silent,
) -> IngestReport:
    """Take files, and the images in folders, into the catalog and its project.

    Each page of a multi-page TIFF becomes a micrograph of its own. A file that cannot be read is refused with its
    reason; the rest goes on.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    paths : sequence of Path
        Files and folders.
    provenance : Provenance, optional
        Lab, specimen, calibration, golden set.
    progress : Progress
        Called once a file.

    Raises
    ------
    CatalogError
        When the project has not been created.
    """
    workspace.project()
    files, refused = find_images(paths)
    added: list[MicrographRecord] = []
    known: list[MicrographRecord] = []
    for index, file in enumerate(files):
        progress(index, len(files), file.name)
        try:
            for record, is_new in ingest_bytes(
                workspace, _read(file), str(file), str(file.absolute()), provenance or Provenance()
            ):
                (added if is_new else known).append(record)
        except CurateError as error:
            refused.append(str(error))
    progress(len(files), len(files))
    return IngestReport(tuple(added), tuple(known), tuple(refused))


def ingest_bytes(
    workspace: Workspace, data: bytes, name: str, source: str, provenance: Provenance
) -> Iterator[tuple[MicrographRecord, bool]]:
    """Take one file's bytes into the catalog: yields every page with whether it was new, once it is in.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    data : bytes
        Content of the file.
    name : str
        Its name or path, for messages; the last part, without its suffix, names the micrograph.
    source : str
        Where it came from.
    provenance : Provenance
        What is said about it.

    Raises
    ------
    CatalogError
        When the catalog knows the image with another calibration, lab or specimen.
    UnreadableImageError
        When the bytes are not a readable micrograph; pages before a damaged one stay.
    """
    limit = workspace.settings.max_megapixels
    project = workspace.project()
    first = decode_micrograph(data, name, max_megapixels=limit)
    object_key = workspace.objects.put(data, _stored_suffix(name))
    for page in range(first.pages):
        micrograph = decode_micrograph(data, name, page, max_megapixels=limit) if page else first
        new = _describe(workspace, micrograph, content_hash(data, page, first.pages), source, object_key)
        yield _add(workspace, project, new, provenance)


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
    )


def _edges(calibration: Calibration | None) -> dict[str, float | None]:
    """Width and height of a pixel as the catalog keeps them: no height where pixels are square."""
    if calibration is None:
        return {"nm_per_px": None, "nm_per_px_y": None}
    return {
        "nm_per_px": calibration.nm_per_px,
        "nm_per_px_y": None if calibration.aspect == 1 else calibration.nm_per_px_y,
    }


def _add(
    workspace: Workspace, project: ProjectRecord, new: NewMicrograph, provenance: Provenance
) -> tuple[MicrographRecord, bool]:
    said = replace(new, lab=provenance.lab, specimen=provenance.specimen, golden=provenance.golden)
    if provenance.calibration is not None:
        said = replace(said, **_edges(provenance.calibration))
    with workspace.writing() as session:
        earlier = by_hash(session, new.content_hash)
        if provenance.calibration is None and earlier is not None and earlier.nm_per_px is not None:
            said = replace(said, **_edges(None))  # what a person said at first outlives the file's own tags
        return add_micrograph(session, said, project.id)
