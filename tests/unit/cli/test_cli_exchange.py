"""curate models export, import and compare, through the real command line: two labs, two homes."""

import json

import pytest

from matcurate.cli.app import run
from tests.unit.lab_samples import add_version, make_lab


@pytest.fixture(scope="module")
def labs(tmp_path_factory):
    """North has a version and a golden set, south a golden set only."""
    folder = tmp_path_factory.mktemp("labs")
    store = f"sqlite:///{folder / 'mlflow.db'}"
    for name in ("north", "south"):
        made = make_lab(folder / name, name, store, golden=1)
        if name == "north":
            add_version(made, folder / "files")
    return folder


@pytest.fixture
def curate(labs, capsys):
    def call(lab, *arguments, code=0):
        assert run(["--home", str(labs / lab), "models", *arguments]) == code
        said = capsys.readouterr()
        return said.err if code else json.loads(said.out) if "--json" in arguments else said.out

    return call


def test_there_and_back_with_what_the_other_lab_measured(labs, curate):
    first = curate("north", "compare", "--json")
    ((column,), (row,)) = first["golden_sets"], first["versions"]
    assert (column["lab"], column["here"], column["best"], first["computed"]) == ("north", True, "north-v1", 1)
    assert row["scores"][column["golden"]]["lost"] == 0 and row["problem"] is None
    out = labs / "v1.matcurate"
    said = curate("north", "export", "1", "--out", str(out), "--json")
    assert (said["version"], said["bytes"], said["path"]) == ("north-v1", out.stat().st_size, str(out))
    assert "--force" in curate("north", "export", "1", "--out", str(out), code=1)
    assert said["sha256"] in curate("north", "export", "1", "--out", str(out), "--force")
    came = curate("south", "import", str(out), "--json")
    assert (came["name"], came["lab"], came["aliases"]) == ("south-v1", "north", [])
    assert came["original"] == {"name": "north-v1", "lab": "north", "exported_by": "north"}
    assert [each["lab"] for each in came["taken"]] == [each["lab"] for each in came["measured"]] == ["north"]
    matrix = curate("south", "compare", "1", "--json")
    assert [(c["lab"], c["here"]) for c in matrix["golden_sets"]] == [("south", True), ("north", False)]
    scores = matrix["versions"][0]["scores"]
    assert scores[column["golden"]]["dice"] == row["scores"][column["golden"]]["dice"] and None not in scores.values()
    back = labs / "back.matcurate"
    curate("south", "export", "1", "--out", str(back))
    assert f"error: {back}: north-v1 of north is north-v1 here already" in curate("north", "import", str(back), code=1)
    told = curate("north", "import", str(back), "--update")
    assert "golden sets of other labs it was measured on: 1; nothing else was changed" in told
    assert curate("north", "compare", "--json")["versions"][0]["scores"].keys() == scores.keys()
    assert "for golden" not in curate("north", "show", "1") and "Measured" in curate("north", "show", "1")


def test_the_matrix_for_people(labs, curate):
    for seed in (1, 2):
        add_version(make_lab(labs / "west", "west", f"sqlite:///{labs / 'mlflow.db'}"), labs / "west files", seed)
    said = curate("west", "compare")
    assert "west-v2" in said and "Dice, lost against the best" in said
    assert curate("west", "compare", "--json") == {
        "golden_sets": [],
        "computed": 0,
        "versions": [
            {"name": f"west-v{n}", "version": n, "lab": "west", "aliases": [], "scores": {}, "problem": None}
            for n in (2, 1)
        ],
    }
    assert "best" in curate("north", "compare")


def test_what_cannot_be_is_one_line_that_names_the_file(labs, curate):
    (labs / "x").write_text("no zip")
    for arguments in (
        ["import", str(labs / "x")],
        ["import", str(labs / "none")],
        ["import", str(labs / "x"), "--update"],
    ):
        said = curate("south", *arguments, code=1)
        assert said.startswith(f"error: {arguments[1]}: ") and said.count("\n") == 1
    assert "no model version '9'" in curate("north", "export", "9", "--out", str(labs / "y"), code=1)
    assert "no model version '9'" in curate("north", "compare", "9", code=1)
    assert "--out" in curate("north", "export", "1", code=2)


def test_nothing_to_compare_yet(labs, curate):
    make_lab(labs / "empty", "empty", f"sqlite:///{labs / 'mlflow.db'}")
    assert "no model version yet" in curate("empty", "compare")
