"""curate classes, through the real command line."""

import json

import cv2
import numpy as np
import pytest

from matcurate.cli.app import run
from matcurate.config import save_settings
from matcurate.imaging.synth.textures import texture
from tests.unit.loop_samples import make_workspace


@pytest.fixture
def curate(tmp_path, capsys):
    home = tmp_path / "home"
    make_workspace(home, connected=False)
    save_settings(home, {"classes": {"crop": 64, "per_edge": 2}})
    for seed in (0, 3):
        sheet = texture((128, 192), np.random.default_rng(seed))
        for number in range(2):
            cv2.imwrite(str(tmp_path / f"t{seed}_{number}.png"), sheet[64 * number : 64 * number + 64])

    def call(*arguments, code=0):
        assert run(["--home", str(home), *arguments]) == code
        said = capsys.readouterr()
        return said.err if code else json.loads(said.out)

    call("ingest", *(str(path) for path in sorted(tmp_path.glob("t*.png"))), "--json")
    return call


def test_list_name_merge_and_show(curate, tmp_path):
    empty = curate("classes", "list", "--json")
    assert (empty["classes"], empty["threshold"], len(empty["queue"])) == ([], None, 4)
    assert "no class has been named yet" in curate("classes", "show", "a", "--out", str(tmp_path / "out"), code=1)
    first = curate("classes", "name", "ferrite", "1", "--json")
    assert (first["class"], first["new"], first["channel"], first["micrographs"]) == ("ferrite", True, 0, [1])
    assert (first["accuracy_before"], first["accuracy_after"], first["head"]) == (None, None, 1)
    second = curate("classes", "name", "pearlite", "3", "--seed", "2", "--json")
    assert second["classes"] == ["ferrite", "pearlite"]
    assert (second["accuracy_before"], second["crops_before"]) == (1.0, 1.0)
    assert (second["grown"], second["head"]) == (2, 3)
    listed = curate("classes", "list", "--json")
    assert [(each["name"], each["channel"], each["micrographs"]) for each in listed["classes"]] == [
        ("ferrite", 0, 1),
        ("pearlite", 1, 1),
    ]
    asked = {each["micrograph"]: each for each in (*listed["queue"], *listed["recognised"])}
    assert {number: each["similar"][0]["name"] for number, each in asked.items()} == {2: "ferrite", 4: "pearlite"}
    (example, *_) = asked[2]["similar"][0]["examples"]
    assert (example["micrograph"], example["box"][2:]) == (1, [64, 64])
    files = curate("classes", "show", "pearlite", "--out", str(tmp_path / "out"), "--count", "1", "--json")["files"]
    assert cv2.imread(files[0], 0).shape == (64, 64)
    merged = curate("classes", "merge", "ferrite", "pearlite", "--json")
    assert (merged["classes"], merged["micrographs"], merged["channel"]) == (["pearlite"], [1, 3], 0)
    assert "was merged into 'pearlite'" in curate("classes", "name", "ferrite", "2", code=1)
    assert run(["--home", str(tmp_path / "home"), "classes", "list"]) == 0


def test_mistakes_are_one_line(curate):
    assert "micrograph 9 is not in this project" in curate("classes", "name", "a", "9", code=1)
    assert "no class 'a'" in curate("classes", "merge", "a", "b", code=1)
    assert "TOP,LEFT,HEIGHT,WIDTH" in curate("classes", "name", "a", "1", "--box", "1,2,3", code=2)
