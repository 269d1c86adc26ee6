"""curate models, through the real command line, on a real MLflow store in the home."""

import getpass
import json

import pytest

from matcurate.cli.app import run
from matcurate.tracking.registry import Origin
from matcurate.tracking.runs import RunReport, live_run
from matcurate.tracking.version_tags import VersionTags
from matcurate.workflows.versions import open_registry
from tests.unit.loop_samples import make_workspace


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Versions 1 (north) and 2 (south), nobody champion; the tests of this file follow each other."""
    folder = tmp_path_factory.mktemp("models")
    workspace = make_workspace(folder / "home", connected=False)
    registry = open_registry(workspace)
    (folder / "weights.txt").write_text("w")
    for lab in ("north", "south"):
        with live_run(registry.uri, "default", RunReport("train")) as live:
            live.files(folder / "weights.txt", "model")
        origin = Origin("a" * 64, "builtin", "b" * 64, "c" * 64, lab)
        registry.register(live.id, "model", origin, VersionTags(other={"dice": "0.91"}))
    return folder / "home"


@pytest.fixture
def curate(home, capsys):
    def call(*arguments, code=0):
        assert run(["--home", str(home), "models", *arguments]) == code
        said = capsys.readouterr()
        return said.err if code else json.loads(said.out)

    return call


def test_versions_are_listed_with_lab_and_snapshot(curate):
    newest, oldest = curate("list", "--json")["models"]
    assert (newest["name"], newest["lab"], oldest["version"], oldest["aliases"]) == ("default-v2", "south", 1, [])
    assert newest["snapshot"] == "a" * 64 and newest["base_sha256"] == "b" * 64 and newest["tags"]["dice"] == "0.91"
    assert [m["version"] for m in curate("list", "--lab", "north", "--json")["models"]] == [1]


def test_promotion_and_rollback_are_in_the_history(curate):
    first = curate("promote", "1", "--why", "the first", "--json")
    assert (first["alias"], first["version"], first["previous"]) == ("champion", 1, None)
    assert first["who"] == getpass.getuser()
    curate("promote", "default-v2", "--why", "Dice .93 after .91", "--json")
    assert curate("show", "champion", "--json")["name"] == "default-v2"
    back = curate("rollback", "--why", "carbides are missed", "--json")
    assert (back["version"], back["previous"]) == (1, 2)
    shown = curate("show", "1", "--json")
    assert shown["aliases"] == ["champion"] and not [key for key in shown["tags"] if key.startswith("alias.")]
    assert [(h["version"], h["why"]) for h in shown["history"]] == [
        (1, "the first"),
        (2, "Dice .93 after .91"),
        (1, "carbides are missed"),
    ]


def test_a_labs_own_champion(curate):
    assert curate("promote", "2", "--lab", "south", "--why", "their steel", "--json")["alias"] == "champion-south"
    assert curate("show", "champion-south", "--json")["version"] == 2
    assert curate("show", "champion", "--json")["version"] == 1


def test_what_cannot_be_is_one_line(curate):
    assert "no model version '7' (newest: default-v2, default-v1)" in curate("promote", "7", "--why", "x", code=1)
    assert "default-v1 is champion already" in curate("promote", "1", "--why", "x", code=1)
    assert "no version was champion before" in curate("rollback", "--why", "x", code=1)
    assert "needs a reason" in curate("promote", "2", "--why", " ", code=2)
    assert "--why" in curate("promote", "2", code=2)


def test_tables_for_people(home, capsys):
    for arguments in (["list"], ["show", "1"]):
        assert run(["--home", str(home), "models", *arguments]) == 0
    assert run(["--home", str(home), "models", "promote", "2", "--why", "again"]) == 0
    said = capsys.readouterr().out
    assert "default-v1" in said and "carbides are missed" in said and "champion: version 2 (before: version 1)" in said


def test_nothing_registered_is_an_empty_list(tmp_path, capsys):
    make_workspace(tmp_path / "home", connected=False)
    assert run(["--home", str(tmp_path / "home"), "models", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"models": []}
