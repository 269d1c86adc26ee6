from pathlib import Path

import pytest
from mlflow import MlflowClient

from matcurate.errors import TrackingError
from matcurate.tracking.runs import RunReport, log_run


def test_a_run_is_written_with_its_parameters_metrics_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    picture = tmp_path / "overview.txt"
    picture.write_text("γ'")
    report = RunReport("presegment", {"backbone": "tree"}, {"iou": 0.75}, {"lab": "north"}, (picture,))
    first, second = log_run(uri, "superalloy", report), log_run(uri, "superalloy", report)
    client = MlflowClient(tracking_uri=uri)
    run = client.get_run(first)
    assert run.data.params == {"backbone": "tree"}
    assert run.data.metrics == {"iou": 0.75}
    assert run.data.tags["lab"] == "north"
    assert run.info.status == "FINISHED"
    assert [file.path for file in client.list_artifacts(first)] == ["overview.txt"]
    assert first != second
    assert client.get_run(second).info.experiment_id == run.info.experiment_id


def test_a_store_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match="is it up"):
        log_run("http://127.0.0.1:9/", "x", RunReport("presegment"))
