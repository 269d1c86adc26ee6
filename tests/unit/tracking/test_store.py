import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from matcurate.tracking.runs import RunReport, log_run
from matcurate.tracking.store import open_client


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one run: MLflow takes seconds to make one."""
    path = tmp_path_factory.mktemp("store") / "home" / "mlflow.db"
    log_run(f"sqlite:///{path}", "superalloy", RunReport("presegment", {}, {"iou": 0.75}, {}, ()))
    return path


def test_a_store_is_put_in_place_when_it_is_complete(whole: Path) -> None:
    assert sorted(file.name for file in whole.parent.iterdir() if file.is_file() and file.suffix != ".lock") == [
        "mlflow.db"
    ]


@pytest.mark.parametrize("statement", ["DELETE FROM alembic_version", "UPDATE alembic_version SET version_num = 'ff'"])
def test_a_store_in_whose_making_a_process_was_killed_is_made_again(
    whole: Path, tmp_path: Path, statement: str
) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(whole.read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        for table in ("metrics", "latest_metrics", "params", "tags", "runs"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("DROP TABLE scorers")
        connection.execute(statement)
        connection.commit()
    client = open_client(f"sqlite:///{path}")
    assert client.search_registered_models() == [] and client.create_experiment("new")


def test_a_store_with_a_run_is_left_as_it_is(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(whole.read_bytes())
    client = open_client(f"sqlite:///{path}")
    experiment = client.get_experiment_by_name("superalloy")
    assert experiment is not None and len(client.search_runs([experiment.experiment_id])) == 1
