"""Homes of labs with generated micrographs, and what their experts made of them, without a Label Studio."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import yaml

from matcurate.catalog.corrections import record_correction
from matcurate.catalog.records import MicrographRecord, NewCorrection
from matcurate.catalog.tasks import link_task
from matcurate.cli.app import run
from matcurate.config import load_settings, save_settings
from matcurate.imaging.labels import read_labels
from matcurate.workflows.home import Workspace, open_workspace, put_labels
from matcurate.workflows.ingest import Provenance, ingest_files

SIZE = "96x160"
PRESET = {
    "name": "tiny",
    "model": {"lora": {"rank": 2}, "plm": {"hidden": 4}},
    "train": {"steps": 20, "learning_rate": 0.01, "validate_every": 10, "sampling": {"crop": 64, "batch": 2}},
}


def make_home(folder: Path, lab: str, kind: str, *, learn: int = 3, golden: int = 2) -> Workspace:
    """A home ``FOLDER/LAB`` that has learned nothing yet: corrected micrographs of one kind, the first are golden."""
    home, data, preset = folder / lab, folder / f"{lab} data", folder / "tiny.yaml"
    preset.write_text(yaml.safe_dump(PRESET))
    count = str(learn + golden)
    assert run(["synth", "--kind", kind, "-n", count, "--size", SIZE, "--out", str(data), "--seed", "3"]) == 0
    assert run(["--home", str(home), "init", "--project", "alloy", "--phases", "second"]) == 0
    save_settings(
        home, {"lab": lab, "retrain": {"min_corrections": learn, "new_corrections": learn, "preset": str(preset)}}
    )
    workspace = open_workspace(load_settings(home))
    for index, path in enumerate(sorted((data / "images").iterdir())):
        (added,) = ingest_files(workspace, [path], Provenance(lab, path.stem, None, index < golden)).added
        _correct(workspace, added, (read_labels(data / "masks" / f"{path.stem}.png") > 0).astype(np.uint8))
    return workspace


def _correct(workspace: Workspace, micrograph: MicrographRecord, mask: np.ndarray) -> None:
    now = datetime.now(UTC)
    new = NewCorrection(
        ls_annotation_id=1000 + micrograph.id,
        result_key=workspace.objects.put(b"[]", ".json"),
        phases_key=put_labels(workspace, mask),
        ls_created_at=now,
        ls_updated_at=now,
        received_at=now,
    )
    with workspace.writing() as session:
        link = link_task(session, workspace.project().id, micrograph.id, 1, 5000 + micrograph.id)
        record_correction(session, link, new)
