"""A small installation, generated micrographs, and a Label Studio that fails and shuffles when it is told to."""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from matcurate.config import Settings, load_settings, save_settings
from matcurate.errors import LabelStudioError, LabelStudioNotFoundError, LabelStudioUnreachableError
from matcurate.labelstudio import AnnotationRecord, ImageUpload, PredictionRow, TaskRef, labelling_config
from matcurate.labelstudio.records import BackendRecord, PredictionRecord, ProjectRecord
from matcurate.workflows.home import Workspace, initialise, open_workspace

SHAPE = (96, 160)
URL = "http://label-studio.test:8080"
LS_PROJECT = 7
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def disc(row: int, column: int, radius: int = 12) -> np.ndarray:
    """Bright disc on a dark ground, (96, 160) uint8."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.where((y - row) ** 2 + (x - column) ** 2 <= radius**2, 200, 60).astype(np.uint8)


def png(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def tiff(values: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def write_discs(folder: Path, count: int = 3) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"disc{index}.png" for index in range(count)]
    for index, path in enumerate(paths):
        path.write_bytes(png(disc(30 + 5 * index, 40 + 20 * index)))
    return paths


def make_workspace(home: Path, phases: tuple[str, ...] = ("precipitate",), *, connected: bool = True) -> Workspace:
    initialise(load_settings(home), "default", phases, "phases")
    if connected:
        token = home / "token"
        token.write_text("a" * 40)
        save_settings(
            home, {"label_studio": {"url": URL, "token_file": str(token.absolute()), "project_id": LS_PROJECT}}
        )
    return open_workspace(load_settings(home))


@dataclass
class FakeLabelStudio:
    """Keeps what it is sent, as the real one does; ``outage_after`` calls it stops answering."""

    label_config: str = field(default_factory=lambda: labelling_config(["precipitate"]))
    url: str = URL
    outage_after: int | None = None
    model_version: str = ""
    sampling: str = ""
    stored_tasks: dict[int, TaskRef] = field(default_factory=dict)
    stored_predictions: dict[int, PredictionRecord] = field(default_factory=dict)
    stored_annotations: dict[int, AnnotationRecord] = field(default_factory=dict)
    stored_backends: list[BackendRecord] = field(default_factory=list)
    images: dict[str, bytes] = field(default_factory=dict)
    uploads: list[ImageUpload] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    credentials: dict[str, Any] = field(default_factory=dict)
    ids: int = 100

    def __post_init__(self) -> None:
        self.projects = _Projects(self)
        self.tasks = _Tasks(self)
        self.predictions = _Predictions(self)
        self.annotations = _Annotations(self)
        self.backends = _Backends(self)

    def __enter__(self) -> FakeLabelStudio:
        return self

    def __exit__(self, *error: object) -> None:
        self.calls.append("close")

    def call(self, name: str) -> None:
        if self.outage_after is not None and len(self.calls) >= self.outage_after:
            raise LabelStudioUnreachableError(f"Label Studio does not answer at {self.url}; start it")
        self.calls.append(name)

    def new_id(self) -> int:
        self.ids += 1
        return self.ids

    def whoami(self) -> None:
        self.call("whoami")

    def fetch_image(self, address: str) -> bytes:
        self.call(f"fetch {address}")
        if address not in self.images:
            raise LabelStudioNotFoundError(f"there is no image at {address}; correct the task")
        return self.images[address]

    def add_task(self, data: dict[str, str], updated_at: datetime = START) -> int:
        task_id = self.new_id()
        self.stored_tasks[task_id] = TaskRef(id=task_id, data=data, updated_at=updated_at)
        return task_id

    def annotate(
        self,
        task_id: int,
        result: list[dict[str, Any]],
        *,
        minutes: int = 0,
        annotation_id: int | None = None,
        **more: Any,
    ) -> int:
        """Store an annotation, or a newer state of one."""
        chosen = annotation_id or self.new_id()
        at = START + timedelta(minutes=minutes)
        self.stored_annotations[chosen] = AnnotationRecord(
            id=chosen,
            task=task_id,
            **{"project": LS_PROJECT, "completed_by": 1, "lead_time": 3.5} | more,
            result=result,
            created_at=START,
            updated_at=at,
        )
        self.touch(task_id, at)
        return chosen

    def touch(self, task_id: int, at: datetime) -> None:
        task = self.stored_tasks[task_id]
        here = [a for a in self.stored_annotations.values() if a.task_id == task_id]
        skipped = sum(a.was_cancelled for a in here)
        counts = {"annotations": len(here) - skipped, "skipped": skipped}
        self.stored_tasks[task_id] = task.model_copy(update={"updated_at": max(at, task.updated_at), **counts})

    def predict(self, task_id: int, version: str, result: list[dict[str, Any]]) -> int:
        prediction_id = self.new_id()
        self.stored_predictions[prediction_id] = PredictionRecord(
            id=prediction_id, task=task_id, result=result, score=0.5, model_version=version, created_at=START
        )
        return prediction_id

    def score_of(self, task_id: int) -> float | None:
        """Mean score of the shown version's predictions of a task."""
        shown = [p for p in self.stored_predictions.values() if p.model_version == self.model_version]
        scores = [p.score for p in shown if p.task_id == task_id and p.score is not None]
        return sum(scores) / len(scores) if scores else None

    def served(self) -> list[int]:
        """Tasks in the order in which annotators are given them: by uncertainty sampling, as the real one does it."""
        assert self.sampling == "Uncertainty sampling"
        open_tasks = [t.id for t in self.stored_tasks.values() if not t.annotations + t.skipped]
        scores = {task_id: self.score_of(task_id) for task_id in open_tasks}
        return sorted((t for t in open_tasks if scores[t] is not None), key=lambda t: scores[t] or 0.0)


class _Part:
    def __init__(self, studio: FakeLabelStudio) -> None:
        self.studio = studio


class _Projects(_Part):
    def get(self, project_id: int) -> ProjectRecord:
        self.studio.call("projects.get")
        if project_id != LS_PROJECT:
            raise LabelStudioNotFoundError(f"Label Studio at {self.studio.url} has no project {project_id}")
        return ProjectRecord(
            id=project_id,
            title="t",
            label_config=self.studio.label_config,
            model_version=self.studio.model_version,
            sampling=self.studio.sampling,
        )

    def create(self, title: str, label_config: str, *, sampling: str = "Sequential sampling") -> ProjectRecord:
        self.studio.call("projects.create")
        self.studio.titles.append(title)
        self.studio.label_config = label_config
        return ProjectRecord(id=LS_PROJECT, title=title, label_config=label_config, sampling=sampling)

    def update(
        self,
        project_id: int,
        *,
        model_version: str | None = None,
        sampling: str | None = None,
        label_config: str | None = None,
    ) -> ProjectRecord:
        self.studio.call("projects.update")
        self.studio.label_config = label_config or self.studio.label_config
        if model_version is None:
            return self.get(project_id)
        if model_version not in {p.model_version for p in self.studio.stored_predictions.values()}:
            raise LabelStudioError(f"Label Studio answers 400: no predictions of {model_version}")
        self.studio.model_version = model_version
        self.studio.sampling = sampling or self.studio.sampling
        return self.get(project_id)


class _Tasks(_Part):
    def of_project(self, project_id: int) -> Iterator[TaskRef]:
        self.studio.call("tasks.of_project")
        counts = Counter(p.task_id for p in self.studio.stored_predictions.values())
        listed = [
            t.model_copy(update={"predictions": counts[t.id], "score": self.studio.score_of(t.id)})
            for t in self.studio.stored_tasks.values()
        ]
        return iter(sorted(listed, key=lambda task: -task.id))

    def get(self, task_id: int) -> TaskRef:
        self.studio.call("tasks.get")
        if task_id not in self.studio.stored_tasks:
            raise LabelStudioNotFoundError(f"Label Studio has no task {task_id}")
        return self.studio.stored_tasks[task_id]

    def upload_image(self, project_id: int, image: ImageUpload) -> str:
        self.studio.call("tasks.upload_image")
        address = f"/data/upload/{project_id}/{self.studio.new_id()}.png"
        self.studio.images[address] = image.content
        return address

    def change_data(self, task: TaskRef, changes: dict[str, str]) -> None:
        self.studio.call("tasks.change_data")
        stored = self.studio.stored_tasks[task.id]
        self.studio.stored_tasks[task.id] = stored.model_copy(update={"data": {**task.data, **changes}})

    def import_rows(self, project_id: int, rows: list[dict[str, Any]], *, key: str) -> dict[str, int]:
        self.studio.call("tasks.import_rows")
        return {row[key]: self.studio.add_task(dict(row)) for row in rows}

    def import_images(self, project_id: int, images: list[ImageUpload], *, key: str) -> dict[str, int]:
        self.studio.call("tasks.import_images")
        shuffled = random.Random(3).sample(images, len(images))
        self.studio.uploads += images
        return {image.data[key]: self.studio.add_task(dict(image.data)) for image in shuffled}


class _Predictions(_Part):
    def import_rows(self, project_id: int, rows: list[PredictionRow]) -> int:
        self.studio.call("predictions.import_rows")
        for row in reversed(rows):
            self.studio.predict(row.task_id, row.model_version, [dict(region) for region in row.result])
        return len(rows)

    def of_task(self, task_id: int) -> list[PredictionRecord]:
        self.studio.call("predictions.of_task")
        return [p for p in self.studio.stored_predictions.values() if p.task_id == task_id]

    def rescore(self, prediction_id: int, score: float) -> None:
        self.studio.call("predictions.rescore")
        stored = self.studio.stored_predictions
        if prediction_id not in stored:
            raise LabelStudioNotFoundError(f"Label Studio has no prediction {prediction_id}")
        stored[prediction_id] = stored[prediction_id].model_copy(update={"score": score})

    def versions(self, project_id: int) -> dict[str, int]:
        self.studio.call("predictions.versions")
        found: dict[str, int] = {}
        for prediction in self.studio.stored_predictions.values():
            found[str(prediction.model_version)] = found.get(str(prediction.model_version), 0) + 1
        return found

    def delete_version(self, project_id: int, model_version: str) -> int:
        self.studio.call("predictions.delete_version")
        gone = [k for k, p in self.studio.stored_predictions.items() if p.model_version == model_version]
        for key in gone:
            del self.studio.stored_predictions[key]
        return len(gone)

    def delete(self, prediction_id: int) -> None:
        self.studio.call("predictions.delete")
        del self.studio.stored_predictions[prediction_id]


class _Annotations(_Part):
    def get(self, annotation_id: int) -> AnnotationRecord:
        self.studio.call("annotations.get")
        if annotation_id not in self.studio.stored_annotations:
            raise LabelStudioNotFoundError(f"Label Studio has no annotation {annotation_id}")
        return self.studio.stored_annotations[annotation_id]

    def of_task(self, task_id: int) -> list[AnnotationRecord]:
        self.studio.call("annotations.of_task")
        if task_id not in self.studio.stored_tasks:
            raise LabelStudioNotFoundError(f"Label Studio has no task {task_id}")
        return [a for a in self.studio.stored_annotations.values() if a.task_id == task_id]

    def create(self, task_id: int, result: list[Any], *, lead_time: float | None = None) -> AnnotationRecord:
        self.studio.call("annotations.create")
        made = self.studio.annotate(task_id, [dict(region) for region in result], lead_time=lead_time)
        return self.studio.stored_annotations[made]

    def delete(self, annotation_id: int) -> None:
        gone = self.studio.stored_annotations.pop(annotation_id)
        self.studio.touch(gone.task_id, START + timedelta(hours=1))


class _Backends(_Part):
    def of_project(self, project_id: int) -> list[BackendRecord]:
        return list(self.studio.stored_backends)

    def connect(self, project_id: int, url: str, title: str, **credentials: Any) -> int:
        self.studio.call(f"backends.connect {url}")
        self.studio.credentials = credentials
        self.studio.model_version = title
        self.studio.stored_backends.append(BackendRecord(id=self.studio.new_id(), url=url, title=title))
        return self.studio.ids

    def disconnect(self, project_id: int, url: str) -> int:
        self.studio.call(f"backends.disconnect {url}")
        before = len(self.studio.stored_backends)
        self.studio.stored_backends = [b for b in self.studio.stored_backends if b.url != url]
        return before - len(self.studio.stored_backends)


def with_settings(workspace: Workspace, settings: Settings) -> Workspace:
    return replace(workspace, settings=settings)
