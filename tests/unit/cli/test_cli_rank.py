"""``curate rank`` through the real command line."""

import json

import pytest

from matcurate.cli.app import run
from matcurate.config import load_settings, save_settings
from matcurate.workflows.home import label_studio as home_module
from tests.unit.learning_samples import add_disc
from tests.unit.loop_samples import make_workspace


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    workspace = make_workspace(folder, connected=False)
    save_settings(folder, {"backbone": "builtin"})
    for _ in range(3):
        add_disc(workspace, tmp_path / "in")
    return folder


@pytest.fixture
def curate(home, capsys):
    def call(*arguments):
        code = run(["--home", str(home), *arguments])
        shown = capsys.readouterr()
        return code, json.loads(shown.out) if "--json" in arguments and shown.out else shown.out, shown.err

    return call


def test_the_document_says_what_was_chosen_and_that_nothing_was_written(curate):
    code, document, err = curate("rank", "-k", "2", "--lease", "5", "--json")
    assert code == 0 and "nothing was written" in err and err.count("\n") == 1
    assert {key: document[key] for key in ("strategy", "pool", "failed", "written")} == {
        "strategy": "kcenter",
        "pool": 3,
        "failed": [],
        "written": False,
    }
    assert document["model_version"].startswith("matsam-builtin-phases-")
    assert [each["place"] for each in document["chosen"]] == [1, 2]
    assert set(document["chosen"][0]) == {"place", "id", "name", "task", "scores", "leased_until"}
    code, table, _ = curate("rank")  # what is left
    assert code == 0 and "1 of 1" in table and "leased until" in table


def test_it_is_written_where_label_studio_is_connected(home, curate, studio, monkeypatch, tmp_path):
    make_workspace(home)
    monkeypatch.setattr(home_module, "LabelStudioClient", lambda *_, **__: studio)
    code, document, err = curate("rank", "-k", "1", "--json")
    assert (code, err) == (0, "") and document["written"] and studio.sampling == "Uncertainty sampling"
    assert [each["task"] for each in document["chosen"]] == studio.served()[:1]


def test_what_is_not_possible_is_one_line(curate):
    code, out, err = curate("rank", "--strategy", "entropy")
    assert (code, out) == (1, "") and "'entropy' needs probabilities of the pool" in err and err.count("\n") == 1
    assert curate("rank", "-k", "0")[0] == 2
    code, _, err = curate("rank", "--lease", "0")
    assert code == 1 and "lease_hours" in err


def test_the_settings_are_the_defaults(home, curate):
    save_settings(home, {"rank": {"count": 1, "strategy": "random", "lease_hours": 2}})
    assert load_settings(home).rank.seed == 0
    _, document, _ = curate("rank", "--json")
    assert (document["strategy"], len(document["chosen"])) == ("random", 1)
