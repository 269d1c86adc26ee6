"""Reaching an MLflow store, and its failures in our words."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from matcurate.errors import TrackingError
from matcurate.tracking.reach import SQLITE

if TYPE_CHECKING:  # MLflow is imported once its store is asked
    from mlflow import MlflowClient


def open_client(tracking_uri: str) -> MlflowClient:
    """Client of a store, for runs and for the model registry in it; a SQLite store is made with its folder."""
    if tracking_uri.startswith(SQLITE):
        _make_whole(Path(tracking_uri.removeprefix(SQLITE)))
    return _client(tracking_uri)


def _client(tracking_uri: str) -> MlflowClient:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


@cache  # once a process is enough
def _make_whole(path: Path) -> None:
    """Make a SQLite store in a file of its own, and put it in place when it is complete.

    MLflow makes some fifty tables one after the other, and refuses for ever a file in which it was killed. Such a file
    holds neither runs nor models, so it is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if _holds_something(path):
        return
    with FileLock(path.with_name(f"{path.name}.lock")):
        if _holds_something(path):
            return
        for left in path.parent.glob(f"{path.name}.*.part"):
            left.unlink()
        part = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}.part")  # MLflow keeps stores by name
        _client(f"{SQLITE}{part}").search_experiments(max_results=1)
        if _schema(path) == _schema(part):
            part.unlink()  # empty, and as it should be
        else:
            part.replace(path)


def _holds_something(path: Path) -> bool:
    """Whether a SQLite store has runs or registered models."""
    return any(_rows(path, f"SELECT 1 FROM {table} LIMIT 1") for table in ("runs", "registered_models"))


def _schema(path: Path) -> list[tuple[object, ...]]:
    """The version of a SQLite store's tables; empty where there is none."""
    return _rows(path, "SELECT version_num FROM alembic_version")


def _rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """Rows of a SQLite file; none where the file or the table is missing."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:  # no such table
            return []


def experiment_id(client: MlflowClient, tracking_uri: str, name: str) -> str:
    """Id of the experiment of that name, made when it does not exist.

    A SQLite store keeps the files of its runs in ``artifacts`` beside it, wherever the command was started; a server
    decides for itself.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    if not tracking_uri.startswith(SQLITE):
        return str(client.create_experiment(name))
    files = Path(tracking_uri.removeprefix(SQLITE)).absolute().parent / "artifacts"
    return str(client.create_experiment(name, artifact_location=files.as_uri()))


@contextmanager
def translated(tracking_uri: str, what: str) -> Iterator[None]:
    """Turn MLflow's complaints about ``what`` into one line.

    Raises TrackingError when the store does not answer or refuses.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        reason = str(error).splitlines()[0]
        raise TrackingError(f"MLflow at {tracking_uri} refused {what}: {reason}; is it up?") from error
