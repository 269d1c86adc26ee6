"""Questions to the backend as Label Studio puts them."""

import time

from matcurate.catalog import list_micrographs
from matcurate.labelstudio import labelling_config, parse_labelling_config
from tests.unit.loop_samples import LS_PROJECT

XML = labelling_config(["precipitate"])
CONFIG = parse_labelling_config(XML, ["precipitate"])


def hashes(workspace) -> dict[int, str]:
    with workspace.reading() as session:
        return {m.id: m.content_hash for m in list_micrographs(session, workspace.project().id)}


def task(task_id: int, **data: str) -> dict[str, object]:
    """A task in the shape of Label Studio's batch request."""
    return {
        "id": task_id,
        "data": data,
        "meta": {},
        "created_at": "2026-11-21T01:54:00.017642Z",
        "is_labeled": False,
        "overlap": 1,
        "inner_id": task_id,
        "total_annotations": 0,
        "project": LS_PROJECT,
        "updated_by": None,
        "file_upload": None,
        "annotations": [],
        "predictions": [],
    }


def predict(http, *tasks, xml=XML, **more):
    body = {"tasks": list(tasks), "project": f"{LS_PROJECT}.1795226039", "label_config": xml}
    return http.post("/predict", json=body | {"params": {"login": None, "context": None}, "new": 1} | more)


def eventually(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)


def metric(http, line):
    return any(found.startswith(line) for found in http.get("/metrics").text.splitlines())
