"""Reaching an MLflow store, and its failures in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from matcurate.errors import TrackingError
from matcurate.tracking.reach import SQLITE


def open_client(tracking_uri: str) -> MlflowClient:
    """Client of a store, for runs and for the model registry in it; the folder of a SQLite store is made."""
    if tracking_uri.startswith(SQLITE):
        Path(tracking_uri.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


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
    try:
        yield
    except MlflowException as error:
        reason = str(error).splitlines()[0]
        raise TrackingError(f"MLflow at {tracking_uri} refused {what}: {reason}; is it up?") from error
