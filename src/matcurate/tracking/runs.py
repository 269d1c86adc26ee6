"""Runs in an MLflow tracking store."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.exceptions import MlflowException

from matcurate.tracking.store import experiment_id, open_client, translated

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunData:
    """The data that a run has used, shown on the run's page.

    MLflow keeps the first 36 characters of ``digest``, and all of it in the source, with where the data come from.
    ``context`` is ``training`` or ``evaluation``.
    """

    name: str
    digest: str
    source: Mapping[str, str | int]
    context: str = "training"


@dataclass(frozen=True, slots=True)
class RunReport:
    """Record of one piece of work: parameters, metrics, tags, data and files."""

    name: str
    parameters: Mapping[str, str | int | float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    artifacts: tuple[Path, ...] = ()
    data: tuple[RunData, ...] = ()


class LiveRun:
    """A run that is being written."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self.id = run_id

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log metrics at a step (an epoch)."""
        for key, value in values.items():
            self._client.log_metric(self.id, key, value, step=step)

    def files(self, path: Path, folder: str | None = None) -> None:
        """Keep a file, or everything in a folder, under ``folder`` of the run."""
        if path.is_dir():
            self._client.log_artifacts(self.id, str(path), folder)
        else:
            self._client.log_artifact(self.id, str(path), folder)

    def parameters(self, values: Mapping[str, str | int | float]) -> None:
        """Log parameters; one that is logged cannot be changed."""
        for key, value in values.items():
            self._client.log_param(self.id, key, value)

    def used(self, data: RunData) -> None:
        """Log the data the run uses."""
        self._client.log_inputs(self.id, [_dataset_input(data)])


@contextmanager
def live_run(tracking_uri: str, experiment: str, report: RunReport) -> Iterator[LiveRun]:
    """Write a run while the work goes on. It ends FINISHED; FAILED when an error passes, KILLED when stopped.

    Raises TrackingError when the store does not answer or refuses.
    """
    with translated(tracking_uri, f"the run {report.name!r}"):
        client = open_client(tracking_uri)
        experiment_number = experiment_id(client, tracking_uri, experiment)
        run = client.create_run(experiment_number, run_name=report.name, tags=dict(report.tags))
        live = LiveRun(client, str(run.info.run_id))
        try:
            _write(live, report)
            yield live
        except KeyboardInterrupt:
            _terminate(client, live.id, "KILLED")
            raise
        except BaseException:
            _terminate(client, live.id, "FAILED")
            raise
        client.set_terminated(live.id)


def log_run(tracking_uri: str, experiment: str, report: RunReport) -> str:
    """Write one run of work that is done; see :func:`live_run`. Returns the run's id."""
    with live_run(tracking_uri, experiment, report) as live:
        return live.id


def _write(live: LiveRun, report: RunReport) -> None:
    live.parameters(report.parameters)
    live.metrics(report.metrics)
    for data in report.data:
        live.used(data)
    for artifact in report.artifacts:
        live.files(artifact)


def _terminate(client: MlflowClient, run_id: str, status: str) -> None:
    """Say how a run ended; the error that ended it matters more than a store that is gone."""
    try:
        client.set_terminated(run_id, status)
    except MlflowException as error:
        log.warning("run %s stays as it is, MLflow does not answer: %s", run_id, str(error).splitlines()[0])


def _dataset_input(data: RunData) -> DatasetInput:
    source = ", ".join(f"{key}={value}" for key, value in {**data.source, "digest": data.digest}.items())
    dataset = Dataset(name=data.name, digest=data.digest[:36], source_type="matcurate", source=source)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", data.context)])
