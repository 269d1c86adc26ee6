"""What the loop uses of Label Studio's HTTP API, kept in memory: for scripts that provoke faults by the thousand."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request

from matcurate.labelstudio import labelling_config

PROJECT = 1


class StandIn:
    """Tasks, predictions, annotations and files of one project, as dictionaries that scripts may change."""

    def __init__(self, phases: list[str]) -> None:
        self.project: dict[str, Any] = {"id": PROJECT, "title": "faults", "label_config": labelling_config(phases)}
        self.tasks: dict[int, dict[str, Any]] = {}
        self.annotations: dict[int, dict[str, Any]] = {}
        self.predictions: dict[int, dict[str, Any]] = {}
        self.files: dict[int, dict[str, Any]] = {}
        self.lock = threading.RLock()
        self._last = 0

    def new_id(self) -> int:
        with self.lock:
            self._last += 1
            return self._last

    def add_task(self, data: dict[str, Any]) -> int:
        number = self.new_id()
        self.tasks[number] = {"id": number, "data": data, "updated_at": now(), "project": PROJECT}
        return number

    def annotate(self, task: int, result: list[Any], annotation: int | None = None) -> int:
        """Store a new annotation, or a new state of one."""
        with self.lock:
            number = annotation or self.new_id()
            created = self.annotations[number]["created_at"] if number in self.annotations else now()
            moments = {"created_at": created, "updated_at": now()}
            self.annotations[number] = {"id": number, "task": task, "project": PROJECT, "result": result, **moments}
            self.tasks[task]["updated_at"] = now()
            return number

    def delete(self, annotation: int) -> None:
        with self.lock:
            self.tasks[self.annotations.pop(annotation)["task"]]["updated_at"] = now()

    def task(self, number: int) -> dict[str, Any]:
        """A task as the API shows it, with all that it holds."""
        with self.lock:
            if number not in self.tasks:
                raise HTTPException(404)
            annotations = [each for each in self.annotations.values() if each["task"] == number]
            predictions = [each for each in self.predictions.values() if each["task"] == number]
        shown = [each["score"] for each in predictions if each["model_version"] == self.project.get("model_version")]
        counts = {
            **{"total_annotations": len(annotations), "total_predictions": len(predictions)},
            "predictions_score": sum(shown) / len(shown) if shown else None,
        }
        return {**self.tasks[number], **counts, "annotations": annotations, "predictions": predictions}

    def app(self) -> FastAPI:
        app, api = FastAPI(), "/api/projects/{project}"

        @app.get(api + "/")
        def project() -> dict[str, Any]:
            return self.project

        @app.patch(api + "/")
        async def change_project(request: Request) -> dict[str, Any]:
            self.project |= await request.json()
            return self.project

        @app.get("/api/tasks/")
        def tasks(page: int = 1, page_size: int = 100, query: str | None = None) -> dict[str, Any]:
            chosen = json.loads(query)["selectedItems"]["included"] if query else sorted(self.tasks)
            shown = [self.task(number) for number in chosen[(page - 1) * page_size : page * page_size]]
            return {"total": len(chosen), "tasks": [{**each, "annotations": [], "predictions": []} for each in shown]}

        @app.get("/api/tasks/{number}/")
        def task(number: int) -> dict[str, Any]:
            return self.task(number)

        @app.patch("/api/tasks/{number}/")
        async def change_task(number: int, request: Request) -> dict[str, Any]:
            self.tasks[number] |= await request.json()
            return self.task(number)

        @app.get("/api/annotations/{number}/")
        def annotation(number: int) -> dict[str, Any]:
            with self.lock:
                if number not in self.annotations:
                    raise HTTPException(404)
                return self.annotations[number]

        @app.post(api + "/import")
        async def imported(request: Request) -> dict[str, Any]:
            if request.query_params.get("commit_to_project") != "false":
                return {"task_ids": [self.add_task(row["data"]) for row in await request.json()]}
            ids = []
            boundary = b"--" + request.headers["content-type"].partition("boundary=")[2].encode()
            for part in (await request.body()).split(boundary)[1:-1]:
                head, _, content = part.partition(b"\r\n\r\n")
                name = head.partition(b'filename="')[2].partition(b'"')[0].decode()
                ids.append(self.new_id())
                size = len(content.removesuffix(b"\r\n"))
                self.files[ids[-1]] = {"id": ids[-1], "file": f"upload/1/abcdefgh-{name}", "size": size}
            return {"file_upload_ids": ids}

        @app.get(api + "/file-uploads")
        def uploads(ids: str) -> list[dict[str, Any]]:
            return [self.files[number] for number in json.loads(ids)]

        @app.post(api + "/import/predictions")
        async def predicted(request: Request) -> dict[str, int]:
            rows = await request.json()
            for row in rows:
                number = self.new_id()
                self.predictions[number] = {"id": number, "created_at": now(), **row}
            return {"created": len(rows)}

        @app.patch("/api/predictions/{number}/")
        async def rescored(number: int, request: Request) -> dict[str, Any]:
            self.predictions[number] |= await request.json()
            return self.predictions[number]

        @app.get(api + "/model-versions/")
        def versions() -> dict[str, int]:
            with self.lock:
                names = [str(each["model_version"]) for each in self.predictions.values()]
            return {name: names.count(name) for name in names}

        return app


def now() -> str:
    """This moment as Label Studio writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


@contextmanager
def serving(stand_in: StandIn, port: int) -> Iterator[str]:
    """Answer on a port of this machine in a thread of this process; yields the address."""
    server = uvicorn.Server(uvicorn.Config(stand_in.app(), port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)
