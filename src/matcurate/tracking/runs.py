"""Runs in an MLflow tracking store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from matcurate.errors import TrackingError


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one piece of work leaves behind: parameters, metrics, tags and files."""

    name: str
    parameters: Mapping[str, str | int | float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    artifacts: tuple[Path, ...] = ()


def log_run(tracking_uri: str, experiment: str, report: RunReport) -> str:
    """Write one finished run.

    Parameters
    ----------
    tracking_uri : str
        ``http(s)://`` server or a local store such as ``sqlite:///…``.
    experiment : str
        Created when it does not exist.
    report : RunReport
        What is written.

    Returns
    -------
    str
        The run's id.

    Raises
    ------
    TrackingError
        When the store does not answer or refuses.
    """
    try:
        client = MlflowClient(tracking_uri=tracking_uri)
        known = client.get_experiment_by_name(experiment)
        run = client.create_run(
            known.experiment_id if known else client.create_experiment(experiment),
            run_name=report.name,
            tags=dict(report.tags),
        )
        for key, parameter in report.parameters.items():
            client.log_param(run.info.run_id, key, parameter)
        for key, value in report.metrics.items():
            client.log_metric(run.info.run_id, key, value)
        for artifact in report.artifacts:
            client.log_artifact(run.info.run_id, str(artifact))
        client.set_terminated(run.info.run_id)
    except MlflowException as error:
        reason = str(error).splitlines()[0]
        raise TrackingError(f"MLflow at {tracking_uri} refused the run {report.name!r}: {reason}; is it up?") from error
    return str(run.info.run_id)
