"""Promotion and rollback: catalog and registry say the same, and both say why."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from matcurate.catalog import alias_history
from matcurate.errors import CatalogError, TrackingError
from matcurate.tracking.registry import AliasMove, Origin
from matcurate.tracking.runs import RunReport, live_run
from matcurate.workflows.snapshots import take_snapshot
from matcurate.workflows.versions import (
    as_run_data,
    find_version,
    list_models,
    move_alias,
    open_registry,
    promote,
    rollback,
    show_model,
)
from matcurate.workflows.versions.models import previous_holder
from tests.unit.learning_samples import add_disc, correct, half
from tests.unit.loop_samples import make_workspace, with_settings


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('models') / 'mlflow.db'}"


@pytest.fixture
def workspace(tmp_path, uri, request):
    """A project of its own for each test, in one MLflow store."""
    from matcurate.workflows.home import initialise, open_workspace

    made = make_workspace(tmp_path / "home")
    initialise(made.settings, request.node.name, ("precipitate",))
    settings = made.settings.model_copy(update={"tracking_uri": uri, "project": request.node.name})
    return with_settings(open_workspace(settings), settings)


def register(workspace, registry, folder: Path, lab: str = "north") -> int:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights").write_text("w")
    with live_run(registry.uri, "training", RunReport("train")) as live:
        live.files(folder, "model")
    return registry.register(live.id, "model", Origin("a" * 64, "builtin", "b" * 64, "c" * 64, lab))


@pytest.fixture
def registry(workspace, tmp_path):
    """Versions 1 and 3 from north, 2 from south."""
    found = open_registry(workspace)
    for lab in ("north", "south", "north"):
        register(workspace, found, tmp_path / "model", lab)
    return found


def history(workspace, alias=None):
    with workspace.reading() as session:
        return alias_history(session, workspace.project().id, alias)


def test_versions_are_found_by_number_name_and_alias(workspace, registry):
    promote(workspace, registry, "2", why="better", who="ann")
    name = f"{registry.model}-v2"
    assert {find_version(registry, wanted).version for wanted in ("2", name, "champion")} == {2}
    assert [v.version for v in list_models(workspace, registry)] == [3, 2, 1]
    assert [v.version for v in list_models(workspace, registry, "south")] == [2]
    with pytest.raises(CatalogError, match=f"no model version '9' .newest: {registry.model}-v3"):
        find_version(registry, "9")


def test_promotion_is_written_down_in_both(workspace, registry):
    promote(workspace, registry, "1", why="first", who="ann")
    made = promote(workspace, registry, "2", why="Dice .91 after .88", who="bob")
    assert (made.version, made.previous, made.who, made.why) == (2, 1, "bob", "Dice .91 after .88")
    assert registry.by_alias("champion").version == 2
    catalog = [(m.alias, m.version, m.previous, m.who, m.why, m.changed_at) for m in history(workspace)]
    mirrored = [(m.alias, m.version, m.previous, m.who, m.why, m.at) for m in registry.history()]
    assert catalog == mirrored and len(catalog) == 2
    report = show_model(workspace, registry, "1")
    assert [m.why for m in report.history] == ["first", "Dice .91 after .88"]  # gained, then lost
    assert show_model(workspace, registry, "3").history == ()
    with pytest.raises(CatalogError, match="is champion already"):
        promote(workspace, registry, "2", why="again")


def test_rolling_back_twice_goes_two_back(workspace, registry):
    for number in "123":
        promote(workspace, registry, number, why="newer", who="ann")
    assert rollback(workspace, registry, why="worse on carbides", who="ann").version == 2
    assert rollback(workspace, registry, why="worse too", who="ann").version == 1
    assert registry.by_alias("champion").version == 1
    with pytest.raises(CatalogError, match="no version was champion before"):
        rollback(workspace, registry, why="further")
    promote(workspace, registry, "3", why="mended", who="ann")
    assert rollback(workspace, registry, why="no", who="ann").version == 1


def test_a_lab_has_a_champion_of_its_own(workspace, registry):
    promote(workspace, registry, "1", why="for all", who="ann")
    promote(workspace, registry, "2", why="for south", who="ann", lab="south")
    assert find_version(registry, "champion").version == 1
    assert find_version(registry, "champion-south").version == 2
    with pytest.raises(CatalogError, match="no version was champion-south before"):
        rollback(workspace, registry, why="no", lab="south")


def test_what_mlflow_refuses_is_taken_back_in_the_history(workspace, registry, monkeypatch):
    promote(workspace, registry, "1", why="first", who="ann")

    def refuse(self, move):
        raise TrackingError("MLflow does not answer")

    monkeypatch.setattr(type(registry), "move_alias", refuse)
    with pytest.raises(TrackingError, match="does not answer"):
        promote(workspace, registry, "2", why="second", who="ann")
    moves = [(m.version, m.previous, m.why) for m in history(workspace, "champion")]
    assert moves == [(1, None, "first"), (2, 1, "second"), (1, 2, "taken back: MLflow does not answer")]
    shown = show_model(workspace, registry, "2").history
    assert [move.why for move in shown] == ["second", "taken back: MLflow does not answer"]


def test_moves_made_by_other_homes_are_known(workspace, registry, tmp_path):
    """Two homes share one MLflow: what one promotes, the other shows and rolls back."""
    from matcurate.workflows.home import initialise, open_workspace

    elsewhere = make_workspace(tmp_path / "other")
    initialise(elsewhere.settings, workspace.settings.project, ("precipitate",))
    changes = {"tracking_uri": workspace.settings.tracking_uri, "project": workspace.settings.project}
    settings = elsewhere.settings.model_copy(update=changes)
    elsewhere = with_settings(open_workspace(settings), settings)
    promote(workspace, registry, "1", why="here", who="ann")
    promote(elsewhere, registry, "2", why="there", who="bob")
    assert [(m.who, m.why) for m in show_model(workspace, registry, "2").history] == [("bob", "there")]
    assert [m.why for m in show_model(workspace, registry, "1").history] == ["here", "there"]
    assert rollback(workspace, registry, why="no", who="ann").version == 1


def test_a_version_that_is_not_there_changes_nothing(workspace, registry):
    with pytest.raises(TrackingError, match="has no version 9"):
        move_alias(workspace, registry, "challenger", 9, who="ann", why="x")
    with pytest.raises(ValueError, match="without who and why"):
        promote(workspace, registry, "1", why=" ")
    assert history(workspace) == []


def test_a_run_names_its_snapshot(workspace, tmp_path):
    for _ in range(3):
        correct(workspace, add_disc(workspace, tmp_path / "in"), half())
    report = take_snapshot(workspace, seed=4, validation_share=0.0)
    data = as_run_data(workspace.project(), report)
    name = workspace.project().name
    assert (data.name, data.digest) == (f"{name} {report.snapshot.digest[:12]}", report.snapshot.digest)
    assert data.source == {"project": name, "seed": 4, "train": 3, "validation": 0}


@pytest.mark.parametrize(
    ("moves", "before"),
    [
        ([], None),
        ([1], None),
        ([1, 2], 1),
        ([1, 2, 1], None),
        ([1, 2, 3, 2], 1),
        ([1, 2, 3, 2, 4], 2),
        ([1, 2, 1, 2], 1),
        ([1, None, 2], 1),
        ([1, 2, 3, 1], 3),
    ],
)
def test_who_was_champion_before(moves, before):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    records = [AliasMove("champion", version, None, "a", "b", at) for version in moves]
    assert previous_holder(records) == before
