"""Two homes stand for two labs: what one learned the other takes, compares, promotes, teaches on, and sends back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from matcurate.cli.app import run
from tests.integration.lab_homes import make_home

pytestmark = pytest.mark.integration

Curate = Callable[..., dict]


@pytest.fixture
def curate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Curate:
    def call(lab: str, *arguments: str) -> dict:
        assert run(["--home", str(tmp_path / lab), *arguments, "--json"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return call


def test_from_lab_to_lab_and_back(tmp_path: Path, curate: Curate, capsys: pytest.CaptureFixture[str]) -> None:
    for lab, kind in (("north", "precipitates"), ("south", "pores")):
        make_home(tmp_path, lab, kind)
        capsys.readouterr()
        assert curate(lab, "retrain")["model_version"] == "alloy-v1"
    post = [str(tmp_path / name) for name in ("there", "back", "again")]
    curate("north", "models", "export", "alloy-v1", "--out", post[0])
    assert curate("south", "models", "import", post[0])["name"] == "alloy-v2"
    matrix = curate("south", "models", "compare")
    own, other = matrix["golden_sets"]
    assert (own["lab"], own["here"], other["lab"], other["here"]) == ("south", True, "north", False)
    scores = {row["name"]: row["scores"] for row in matrix["versions"]}
    assert scores["alloy-v1"][other["golden"]] is None and scores["alloy-v2"][other["golden"]]["lost"] == 0
    assert matrix["computed"] == 1 and curate("south", "models", "compare")["computed"] == 0  # v1 by its retraining

    assert curate("south", "models", "promote", "2", "--why", "north's weights")["version"] == 2
    taught = curate("south", "retrain")
    assert taught["champion_metrics"]["dice"] == scores["alloy-v2"][own["golden"]]["dice"]
    shown = curate("south", "models", "show", "3")
    assert shown["lab"] == "south" and shown["tags"]["start"] == "from alloy-v2 (alloy-v1 of north)"

    curate("south", "models", "export", "3", "--out", post[1])
    came = curate("north", "models", "import", post[1])
    assert (came["name"], came["lab"]) == ("alloy-v2", "south")
    matrix = curate("north", "models", "compare")
    assert [column["lab"] for column in matrix["golden_sets"]] == ["north", "south"] and matrix["computed"] == 1
    newest = matrix["versions"][0]["scores"]
    assert newest[own["golden"]]["dice"] == pytest.approx(taught["metrics"]["dice"])
    best = max(row["scores"][other["golden"]]["dice"] for row in matrix["versions"])
    assert newest[other["golden"]]["lost"] == best - newest[other["golden"]]["dice"]

    if "champion-north" not in curate("north", "models", "show", "1")["aliases"]:  # so short a training may be refused
        curate("north", "models", "promote", "1", "--lab", "north", "--why", "ours")
    curate("north", "models", "promote", "2", "--lab", "north", "--why", "try south's")
    back = curate("north", "models", "rollback", "--lab", "north", "--why", "it forgot our precipitates")
    assert (back["alias"], back["version"], back["previous"]) == ("champion-north", 1, 2)
    history = curate("north", "models", "show", "champion-north")["history"]
    assert [move["why"] for move in history][-2:] == ["try south's", "it forgot our precipitates"]

    curate("north", "models", "export", "2", "--out", post[2])
    assert run(["--home", str(tmp_path / "south"), "models", "import", post[2]]) == 1
    assert "alloy-v3 of south is alloy-v3 here already" in capsys.readouterr().err
    taken = curate("south", "models", "import", post[2], "--update")["taken"]
    assert [(each["lab"], each["dice"]) for each in taken] == [("north", newest[other["golden"]]["dice"])]
    last = curate("south", "models", "compare", "--no-measure")["versions"][0]
    assert last["name"] == "alloy-v3" and None not in last["scores"].values()
