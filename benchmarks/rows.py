"""Time of `curate report` and `curate retrain --dry-run` with many micrographs in the catalog, beside an empty home.

python benchmarks/rows.py [--rows 100000] [--corrected 200]

Every micrograph has a prediction, one in a hundred is golden, ``--corrected`` have a correction of the prediction.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image
from sqlalchemy import insert

from matcurate.catalog.columns import CatalogTable
from matcurate.catalog.model_versions import ensure_model_version
from matcurate.catalog.tables import Correction, LabelStudioTask, Micrograph, Prediction, ProjectMicrograph
from matcurate.config import load_settings
from matcurate.workflows.home import Workspace, initialise, open_workspace, put_labels

SHAPE = (96, 160)
COMMANDS = (("report", "--json"), ("retrain", "--dry-run", "--json"))
REPEATS = 3
BATCH = 5000


def make_home(home: Path) -> Workspace:
    """A home with an empty project."""
    initialise(load_settings(home), "rows", ("phase",), "phases")
    return open_workspace(load_settings(home))


def fill(workspace: Workspace, count: int, corrected: int) -> None:
    """Insert ``count`` micrographs with predictions, ``corrected`` of them with corrections; all share their pixels."""
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, SHAPE, dtype=np.uint8)).save(buffer, "PNG")
    image = workspace.objects.put(buffer.getvalue(), ".png")
    masks = [put_labels(workspace, (np.arange(SHAPE[1]) < edge) * np.ones(SHAPE, np.uint8)) for edge in (40, 48)]
    result, project, now = workspace.objects.put(b"[]", ".json"), workspace.project(), datetime.now(UTC)
    with workspace.writing() as session:
        version = ensure_model_version(
            session, project.id, "v1", backbone="builtin", backbone_digest="0" * 64, preset="phases", settings={}
        )

    def rows(table: type[CatalogTable], number: int) -> dict[str, object]:
        if table is Micrograph:
            return {
                "id": number,
                "content_hash": f"{number:064x}",
                "page": 0,
                "name": f"m{number}.png",
                "source_path": f"/data/session/m{number}.png",
                "object_key": image,
                "proxy_key": f"{number:066x}.png",
                "width": SHAPE[1],
                "height": SHAPE[0],
                "dtype": "uint8",
                "golden": number % 100 == 0,
                "ignores_bars": False,
                "added_at": now,
                "acquisition": {"instrument": "SEM", "voltage_kv": 15.0, "detector": "SE2", "magnification": 5000.0},
            }
        own: dict[str, object] = {"micrograph_id": number}
        if table is ProjectMicrograph:
            return own | {"project_id": project.id, "added_at": now}
        if table is LabelStudioTask:
            task = {"id": number, "project_id": project.id, "ls_project_id": 1, "ls_task_id": number}
            return own | task | {"linked_at": now}
        if table is Prediction:
            shares = {"phase": float(rng.uniform(0.2, 0.3))}
            made = {"id": number, "model_version_id": version.id, "phases_key": masks[0], "created_at": now}
            return own | made | {"score": 0.5, "phase_fractions": shares}
        state = {"digest": "0" * 64, "revision": 1, "skipped": False, "phases_key": masks[1], "result_key": result}
        moments = dict.fromkeys(("ls_created_at", "ls_updated_at", "received_at"), now)
        parents = {"project_id": project.id, "task_id": number, "parent_prediction_id": number}
        return own | state | moments | parents | {"ls_annotation_id": number}

    def batches(total: int) -> Iterator[range]:
        return (range(first, min(first + BATCH, total + 1)) for first in range(1, total + 1, BATCH))

    for table, total in (
        (Micrograph, count),
        (ProjectMicrograph, count),
        (LabelStudioTask, count),
        (Prediction, count),
        (Correction, corrected),
    ):
        for numbers in batches(total):
            with workspace.writing() as session:
                session.execute(insert(table), [rows(table, number) for number in numbers])


def seconds(home: Path, command: tuple[str, ...]) -> float:
    """Median wall time of a command in a process of its own."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", "from matcurate.cli.app import main; main()", "--home", str(home), *command],
            check=True,
            capture_output=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--corrected", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        homes = {"empty": Path(folder) / "empty", f"{options.rows} micrographs": Path(folder) / "full"}
        empty, full = (make_home(home) for home in homes.values())
        fill(full, options.rows, options.corrected)
        for workspace in (empty, full):
            workspace.engine.dispose()
        print(f"| command | {' | '.join(homes)} | more |\n|---|---|---|---|")
        for command in COMMANDS:
            times = [seconds(home, command) for home in homes.values()]
            cells = [f"{each:.2f} s" for each in (*times, times[1] - times[0])]
            print(f"| curate {' '.join(command)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
