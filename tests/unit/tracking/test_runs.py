import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from matcurate.errors import TrackingError
from matcurate.tracking.runs import RunData, RunReport, live_run, log_run


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store for all tests of this file: MLflow takes seconds to make one."""
    return f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'home' / 'mlflow.db'}"


def test_a_run_is_written_with_its_parameters_metrics_and_files(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture = tmp_path / "overview.txt"
    picture.write_text("γ'")
    report = RunReport("presegment", {"backbone": "builtin"}, {"iou": 0.75}, {"lab": "north"}, (picture,))
    first, second = log_run(uri, "superalloy", report), log_run(uri, "superalloy", report)
    client = MlflowClient(tracking_uri=uri)
    run = client.get_run(first)
    assert run.data.params == {"backbone": "builtin"}
    assert run.data.metrics == {"iou": 0.75}
    assert run.data.tags["lab"] == "north"
    assert run.info.status == "FINISHED"
    assert [file.path for file in client.list_artifacts(first)] == ["overview.txt"]
    assert first != second
    assert client.get_run(second).info.experiment_id == run.info.experiment_id
    assert [path.name for path in tmp_path.iterdir()] == ["overview.txt"]  # nothing beside the command
    store = Path(uri.removeprefix("sqlite:///")).parent
    assert (store / "artifacts" / first / "artifacts" / "overview.txt").read_text() == "γ'"


def test_the_snapshot_is_the_data_of_a_run(uri: str) -> None:
    data = RunData("superalloy 0123456789ab", "01" * 32, {"micrographs": 12})
    run = MlflowClient(tracking_uri=uri).get_run(log_run(uri, "data", RunReport("train", data=(data,))))
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("superalloy 0123456789ab", ("01" * 32)[:36])
    assert used.dataset.source == f"micrographs=12, digest={'01' * 32}"
    assert {tag.key: tag.value for tag in used.tags} == {"mlflow.data.context": "training"}


def test_a_live_run_keeps_its_curve(uri: str, tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "settings.json").write_text(json.dumps({"rank": 8}))
    with live_run(uri, "live", RunReport("train")) as live:
        for epoch, loss in enumerate([0.9, 0.5]):
            live.metrics({"loss": loss}, step=epoch)
        live.files(tmp_path / "adapter", "model")
    client = MlflowClient(tracking_uri=uri)
    assert [(m.step, m.value) for m in client.get_metric_history(live.id, "loss")] == [(0, 0.9), (1, 0.5)]
    assert [file.path for file in client.list_artifacts(live.id, "model")] == ["model/settings.json"]


@pytest.mark.parametrize(("error", "status"), [(ZeroDivisionError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_that_breaks_off_says_so(uri: str, error: type[BaseException], status: str) -> None:
    found = []
    with pytest.raises(error), live_run(uri, "broken", RunReport("train")) as live:
        found.append(live.id)
        raise error
    assert MlflowClient(tracking_uri=uri).get_run(found[0]).info.status == status


def test_a_run_that_cannot_be_written_half_way_is_failed(uri: str, tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="refused the run 'half'"):
        log_run(uri, "half", RunReport("half", {"a": 1}, metrics={"not/../allowed?": 1.0}))
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("half")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.data.params) == ("FAILED", {"a": "1"})


def test_a_store_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match="is it up"):
        log_run("http://127.0.0.1:9/", "x", RunReport("presegment"))
