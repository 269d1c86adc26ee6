"""Corrections in a catalog without a Label Studio: micrographs of discs and the masks that experts made of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np

from matcurate.catalog import (
    CorrectionRecord,
    MicrographRecord,
    NewCorrection,
    NewPrediction,
    correction_of,
    ensure_model_version,
    link_task,
    record_correction,
    store_prediction,
)
from matcurate.types import Calibration
from matcurate.workflows.home import Workspace, put_labels
from matcurate.workflows.ingest import Provenance, ingest_files
from tests.unit.loop_samples import LS_PROJECT, START, disc, png

numbers: defaultdict[Path, Iterator[int]] = defaultdict(lambda: count(1))
"""Of micrographs and annotations, for all homes in one folder: what a test is given does not hang on others."""


def add_disc(
    workspace: Workspace,
    folder: Path,
    *,
    specimen: str | None = None,
    lab: str | None = None,
    golden: bool = False,
    nm_per_px: float | None = None,
    nm_per_px_y: float | None = None,
) -> MicrographRecord:
    """Ingest a micrograph that no home in the folder has seen."""
    number = next(numbers[workspace.settings.home.parent])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"m{number}.png"
    path.write_bytes(png(disc(20 + number % 60, 20 + number // 60, 8)))
    calibration = Calibration.of_edges(nm_per_px, nm_per_px_y)
    return ingest_files(workspace, [path], Provenance(lab, specimen, calibration, golden)).added[0]


def half(columns: int = 80) -> np.ndarray:
    """Mask (96, 160) whose first ``columns`` columns are phase 1."""
    mask = np.zeros((96, 160), dtype=np.uint8)
    mask[:, :columns] = 1
    return mask


def correct(
    workspace: Workspace,
    micrograph: MicrographRecord,
    mask: np.ndarray,
    *,
    minutes: float = 0,
    annotation: int | None = None,
    received_at: datetime | None = None,
    **more: object,
) -> CorrectionRecord:
    """Record an expert's annotation of a micrograph."""
    number = annotation or 1000 + next(numbers[workspace.settings.home.parent])
    project = workspace.project()
    at = START + timedelta(minutes=minutes)
    new = NewCorrection(
        ls_annotation_id=number,
        result_key=workspace.objects.put(b"[]", ".json"),
        phases_key=None if more.get("skipped") else put_labels(workspace, mask),
        ls_created_at=START,
        ls_updated_at=at,
        received_at=received_at or at,
        **more,  # type: ignore[arg-type]
    )
    with workspace.writing() as session:
        link = link_task(session, project.id, micrograph.id, LS_PROJECT, 5000 + micrograph.id)
        record_correction(session, link, new)
        found = correction_of(session, project.id, number)
    assert found is not None
    return found


def predicted(
    workspace: Workspace,
    micrograph: MicrographRecord,
    mask: np.ndarray,
    version: str = "v1",
    phase_fractions: dict[str, float] | None = None,
) -> int:
    """Store a prediction of a version; returns its id."""
    with workspace.writing() as session:
        known = ensure_model_version(
            session,
            workspace.project().id,
            version,
            backbone="builtin",
            backbone_digest="0" * 64,
            preset="phases",
            settings={},
        )
        new = NewPrediction(
            micrograph_id=micrograph.id,
            model_version_id=known.id,
            phases_key=put_labels(workspace, mask),
            instances_key=None,
            score=0.5,
            phase_fractions=phase_fractions or {},
        )
        return store_prediction(session, new)[0].id
