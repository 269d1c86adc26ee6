"""Tasks and the images they show."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import PurePosixPath

from pydantic import BaseModel, JsonValue, RootModel

from matcurate.errors import LabelStudioError
from matcurate.labelstudio.connection import Resource, read
from matcurate.labelstudio.records import ImageUpload, TaskRef
from matcurate.types import Progress, silent

FILES_PER_REQUEST = 50
BYTES_PER_REQUEST = 64 << 20
TASKS_PER_PAGE = 500
LISTED = "id,data,updated_at,total_annotations,cancelled_annotations,total_predictions,predictions_score"


class _Uploaded(BaseModel):
    file_upload_ids: list[int]


class _Upload(BaseModel):
    id: int
    file: str
    size: int


class _Imported(BaseModel):
    task_ids: list[int]


class _Page(BaseModel):
    total: int
    tasks: list[TaskRef]


class Tasks(Resource):
    """The tasks of one Label Studio's projects."""

    def import_images(
        self, project_id: int, images: Sequence[ImageUpload], *, key: str = "micrograph", progress: Progress = silent
    ) -> dict[str, int]:
        """Upload images, make a task of each, and return the task id for every ``data[key]``, which must be unique.

        Files are found again by a name of our own (their SHA-256), tasks by ``data[key]``: never by the order
        in which Label Studio answers.
        """
        names = [str(image.data.get(key, "")) for image in images]
        if "" in names or len(set(names)) != len(names):
            raise ValueError(f"every image needs a {key!r} of its own in its data")
        task_ids: dict[str, int] = {}
        for batch in _batches(images):
            task_ids |= self._import_batch(project_id, batch, key)
            progress(len(task_ids), len(images))
        return task_ids

    def upload_image(self, project_id: int, image: ImageUpload) -> str:
        """Upload an image that is to be no task; returns its address on the page."""
        return f"/data/{self._upload(project_id, [image])[_upload_name(image)]}"

    def change_data(self, task: TaskRef, changes: Mapping[str, str]) -> None:
        """Change some keys of a task's data; the others stay as ``task`` has them."""
        self._connection.send("PATCH", f"/api/tasks/{task.id}/", {"data": {**task.data, **changes}})

    def of_project(self, project_id: int, *, progress: Progress = silent) -> Iterator[TaskRef]:
        """All tasks of a project, in the order of their ids."""
        seen = 0
        for page in count(1):
            answer = self._page(project_id, page=page, page_size=TASKS_PER_PAGE)
            yield from answer.tasks
            seen += len(answer.tasks)
            progress(seen, answer.total)
            if seen >= answer.total or not answer.tasks:
                return

    def get(self, task_id: int) -> TaskRef:
        """One task; raises LabelStudioNotFoundError when it is gone."""
        return self._connection.get(f"/api/tasks/{task_id}/", TaskRef, include=LISTED)

    def delete(self, task_id: int) -> None:
        """Delete a task with its annotations."""
        self._connection.http.delete(f"/api/tasks/{task_id}/")

    def _page(self, project_id: int, **params: int | str) -> _Page:
        listing: dict[str, int | str] = {"project": project_id, "include": LISTED, "fields": "all", **params}
        return self._connection.get("/api/tasks/", _Page, **listing)

    def _import_batch(self, project_id: int, batch: Sequence[ImageUpload], key: str) -> dict[str, int]:
        uploaded = self._upload(project_id, batch)
        rows = [{**image.data, "image": f"/data/{uploaded[_upload_name(image)]}"} for image in batch]
        return self.import_rows(project_id, rows, key=key)

    def import_rows(self, project_id: int, rows: Sequence[Mapping[str, JsonValue]], *, key: str) -> dict[str, int]:
        """Make a task of each row of data and return the task id for every ``row[key]``, which must be unique.

        ``row["image"]`` is an address, or a data URI: uploads are refused where a configuration names several keys.
        """
        response = self._connection.http.post(
            f"/api/projects/{project_id}/import",
            params={"return_task_ids": "true"},
            json=[{"data": dict(row)} for row in rows],
        )
        created = read(response, _Imported).task_ids
        chosen = json.dumps({"selectedItems": {"all": False, "included": created}})
        stored = self._page(project_id, query=chosen, page=1, page_size=len(rows)).tasks
        tasks = {str(task.data.get(key)): task for task in stored if task.id in set(created)}
        for row in rows:
            task = tasks.get(str(row[key]))
            if task is None or task.data.get("image") != row["image"]:
                raise LabelStudioError(
                    f"Label Studio stored no task with {key} {row[key]!r} and its image; "
                    "delete the tasks of this import in Label Studio and push again"
                )
        return {name: task.id for name, task in tasks.items()}

    def _upload(self, project_id: int, batch: Sequence[ImageUpload]) -> dict[str, str]:
        """Path under /data/ for the upload name of every image."""
        named = {_upload_name(image): image.content for image in batch}
        files = [(name, (name, content, "application/octet-stream")) for name, content in named.items()]
        response = self._connection.http.post(
            f"/api/projects/{project_id}/import", params={"commit_to_project": "false"}, files=files
        )
        ids = read(response, _Uploaded).file_upload_ids
        listed = self._connection.get(
            f"/api/projects/{project_id}/file-uploads", RootModel[list[_Upload]], ids=json.dumps(ids)
        ).root
        paths: dict[str, str] = {}
        for name, content in named.items():
            # Label Studio puts eight random characters and a dash before the name
            matches = [u for u in listed if u.id in ids and u.file.endswith(f"-{name}") and u.size == len(content)]
            if len(matches) != 1:
                raise LabelStudioError(
                    f"Label Studio stored {len(matches)} files for the upload {name} instead of one; "
                    "push again, and look at its disk space and its log if this persists"
                )
            paths[name] = matches[0].file
        return paths


def _upload_name(image: ImageUpload) -> str:
    suffix = PurePosixPath(image.filename).suffix.lower()
    return hashlib.sha256(image.content).hexdigest() + (suffix if suffix in (".png", ".jpg", ".jpeg") else ".png")


def _batches(images: Sequence[ImageUpload]) -> Iterator[list[ImageUpload]]:
    batch: list[ImageUpload] = []
    size = 0
    for image in images:
        if batch and (len(batch) == FILES_PER_REQUEST or size + len(image.content) > BYTES_PER_REQUEST):
            yield batch
            batch, size = [], 0
        batch.append(image)
        size += len(image.content)
    if batch:
        yield batch
