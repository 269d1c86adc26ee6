"""Original pixels and label images of micrographs, from the object store and back."""

from __future__ import annotations

from matcurate.catalog import MicrographRecord
from matcurate.imaging.ignored import ignored_of
from matcurate.imaging.labels import encode_labels, label_suffix
from matcurate.imaging.micrograph import Micrograph
from matcurate.imaging.read import decode_micrograph
from matcurate.types import BoolMask, LabelMap, Pixels
from matcurate.workflows.home.workspace import Workspace


def load_original(workspace: Workspace, micrograph: MicrographRecord) -> Micrograph:
    """Original pixels of a micrograph, from the object store."""
    data = workspace.objects.get(micrograph.object_key)
    limit = workspace.settings.max_megapixels
    return decode_micrograph(data, micrograph.name, micrograph.page, max_megapixels=limit)


def load_counted(workspace: Workspace, micrograph: MicrographRecord) -> tuple[Pixels, BoolMask | None]:
    """Original pixels of a micrograph, and the mask of ignored ones; None where all count."""
    original = load_original(workspace, micrograph)
    return original.pixels, ignored_of(original) if micrograph.ignores_bars else None


def put_labels(workspace: Workspace, labels: LabelMap) -> str:
    """Store a label image losslessly; returns its key."""
    return workspace.objects.put(encode_labels(labels), label_suffix(labels))
