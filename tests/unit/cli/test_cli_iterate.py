"""curate iterate, through the real command line."""

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
    save_settings(home, {"classes": {"crop": 64}})
    for seed, name in ((0, "cells"), (3, "weave")):
        cv2.imwrite(str(tmp_path / f"{name}.png"), texture((128, 160), np.random.default_rng(seed)))

    def call(*arguments, code=0):
        assert run(["--home", str(home), "iterate", *arguments]) == code
        return capsys.readouterr()

    return call


def test_from_images_to_a_segmenter(curate, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    images = [str(tmp_path / name) for name in ("cells.png", "weave.png", "bad.png")]
    said = curate(*images, "--json", code=1)
    document = json.loads(said.out)
    assert "bad.png" in said.err and document["waiting"] and document["segmenter"] is None
    asked = {each["name"]: each for each in document["questions"]}
    assert asked.keys() == {"cells", "weave"} and asked["cells"]["box"] == [0, 0, 128, 160]
    table = curate().out
    assert asked["cells"]["region"] in table and "2 regions are of no known class" in " ".join(table.split())

    curate("--name", f"{asked['cells']['micrograph']}=alpha", "--json")
    names = tmp_path / "names.txt"
    names.write_text(f"\n{asked['weave']['region']}=beta\n", encoding="utf-8")
    done = json.loads(curate("--names", str(names), "--steps", "1", "--json").out)
    assert done["classes"] == ["alpha", "beta"] and not done["waiting"] and done["named"] == 2
    assert done["segmenter"]["trained"] and 0 <= done["segmenter"]["worst"] <= done["segmenter"]["accuracy"] <= 1
    shown = " ".join(curate("--steps", "1").out.split())
    assert done["segmenter"]["version"] in shown and "2 classes, 2 regions named" in shown


@pytest.mark.parametrize(("name", "reason"), [("ferrite", "names no region"), ("9=ferrite", "9")])
def test_what_cannot_be_named_is_told(curate, name, reason):
    assert reason in curate("--name", name, code=1).err


def test_label_studio_has_to_be_connected(curate):
    assert "curate connect" in curate("--label-studio", code=1).err
