"""Model versions in a real MLflow store: what they come from, which alias is whose, and who moved it."""

from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from mlflow import MlflowClient

from matcurate.errors import TrackingError
from matcurate.tracking.registry import AliasMove, Origin, Registry, champion_alias, model_name
from matcurate.tracking.runs import RunReport, live_run
from matcurate.tracking.version_tags import VersionTags

ORIGIN = Origin("a" * 64, "builtin", "b" * 64, "c" * 64, "north")
T0 = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
projects = count(1)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('registry') / 'mlflow.db'}"


@pytest.fixture
def registry(uri: str) -> Registry:
    return Registry(uri, f"alloy {next(projects)}")


def trained(uri: str, folder: Path, text: str = "weights") -> str:
    (folder / "model" / "deep").mkdir(parents=True, exist_ok=True)
    (folder / "model" / "deep" / "adapter.txt").write_text(text)
    with live_run(uri, "training", RunReport("train")) as live:
        live.files(folder / "model", "model")
    return live.id


def move(alias: str, version: int | None, previous: int | None = None, minutes: int = 0) -> AliasMove:
    return AliasMove(alias, version, previous, "ann", f"because {minutes}", T0 + timedelta(minutes=minutes))


def test_versions_are_numbered_and_traceable(registry: Registry, uri: str, tmp_path: Path) -> None:
    assert registry.versions() == []
    first, second = trained(uri, tmp_path), trained(uri, tmp_path)
    assert registry.register(first, "model", ORIGIN, VersionTags.read({"dice": "0.9"})) == 1
    assert registry.register(second, "model", ORIGIN) == 2
    assert registry.register(first, "model", ORIGIN) == 1  # again is the same
    newest, oldest = registry.versions()
    assert (newest.version, newest.run_id, oldest.version, oldest.run_id) == (2, second, 1, first)
    assert oldest.name == f"{registry.model}-v1" and abs(oldest.created_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert oldest.tags.stored() == {
        "snapshot": "a" * 64, "base": "builtin", "base_sha256": "b" * 64, "settings_sha256": "c" * 64,
        "lab": "north", "dice": "0.9", "folder": "model",
    }  # fmt: skip
    assert registry.version(2) == newest
    with pytest.raises(TrackingError, match="has no version 3"):
        registry.version(3)


def test_files_come_back_as_they_were(registry: Registry, uri: str, tmp_path: Path) -> None:
    registry.register(trained(uri, tmp_path, "one"), "model", ORIGIN)
    registry.register(trained(uri, tmp_path, "two"), "model", ORIGIN)
    for number, text in [(1, "one"), (2, "two")]:
        folder = registry.download(registry.version(number), tmp_path / f"got{number}")
        assert (folder / "deep" / "adapter.txt").read_text() == text


def test_only_finished_runs_with_files_become_versions(registry: Registry, uri: str, tmp_path: Path) -> None:
    run = trained(uri, tmp_path)
    with pytest.raises(TrackingError, match="keeps no files in 'elsewhere'"):
        registry.register(run, "elsewhere", ORIGIN)
    with live_run(uri, "training", RunReport("train")) as live:
        live.files(tmp_path / "model", "model")
        with pytest.raises(TrackingError, match="is RUNNING, not FINISHED"):
            registry.register(live.id, "model", ORIGIN)
    with pytest.raises(TrackingError, match="refused a version from run nonsense"):
        registry.register("nonsense", "model", ORIGIN)


@pytest.mark.parametrize("change", [{"snapshot": "abc"}, {"base_sha256": ""}, {"base": ""}, {"lab": ""}])
def test_a_version_without_its_origin_cannot_be_described(change: dict[str, str]) -> None:
    values = {"snapshot": "a" * 64, "base": "b", "base_sha256": "b" * 64, "settings_sha256": "c" * 64, "lab": "n"}
    with pytest.raises(ValueError, match=r"must be a hex SHA-256|needs the names"):
        Origin(**values | change)


def test_aliases_move_and_everything_is_written_down(registry: Registry, uri: str, tmp_path: Path) -> None:
    for _ in range(2):
        registry.register(trained(uri, tmp_path), "model", ORIGIN)
    moves = [
        move("champion", 1),
        move("challenger", 2, minutes=1),
        move("champion", 2, 1, minutes=2),
        move("challenger", None, 2, minutes=3),
    ]
    assert registry.by_alias("champion") is None
    for each in moves:
        registry.move_alias(each)
    champion = registry.by_alias("champion")
    assert champion is not None and champion.version == 2 and champion.aliases == ("champion",)
    assert registry.by_alias("challenger") is None
    assert registry.history() == moves
    stored = MlflowClient(tracking_uri=uri, registry_uri=uri).get_registered_model(registry.model).tags
    key = "alias_change.20261121T120200.123456Z.champion"
    assert '"who": "ann"' in stored[key] and '"why": "because 2"' in stored[key]
    assert '"why": "because 2"' in champion.tags.moves["champion"]


def test_an_alias_of_a_version_that_does_not_exist_is_refused(registry: Registry, uri: str, tmp_path: Path) -> None:
    registry.register(trained(uri, tmp_path), "model", ORIGIN)
    with pytest.raises(TrackingError, match="refused alias 'champion'"):
        registry.move_alias(move("champion", 9))
    assert registry.history() == []  # what did not happen is not in the history


def test_projects_do_not_see_each_other(uri: str, tmp_path: Path) -> None:
    one, other = Registry(uri, "a/b:c"), Registry(uri, "a/b")
    one.register(trained(uri, tmp_path), "model", ORIGIN)
    assert len(one.versions()) == 1 and other.versions() == []


def test_names_that_mlflow_takes() -> None:
    assert model_name("a/b:c 50%") == "a%2Fb%3Ac 50%25"
    assert champion_alias(None) == "champion" and champion_alias("north_2") == "champion-north_2"
    names = {champion_alias(lab) for lab in ("north lab", "north-lab", "north/lab", "Nürnberg")}
    assert len(names) == 4 and all(name.isascii() and " " not in name for name in names)


def test_nobody_moves_an_alias_without_a_reason() -> None:
    for who, why in [("", "better"), ("ann", " ")]:
        with pytest.raises(ValueError, match="without who and why"):
            AliasMove("champion", 1, None, who, why, T0)


def test_a_server_that_is_down_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match="is it up"):
        Registry("http://127.0.0.1:9/", "x").versions()
