import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from matcurate.cli.app import run
from matcurate.imaging.synth.textures import texture

FIELDS = {"accuracy", "top5", "u_known", "u_novel", "auroc", "auroc_max_softmax"}


@pytest.fixture(scope="module")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("textures")
    for seed in range(4):
        cv2.imwrite(str(folder / f"t{seed}.png"), texture((64, 128), np.random.default_rng(seed)))
    return folder


def command(textures: Path, home: Path, *more: str) -> list[str]:
    return ["--home", str(home), "bench", "novelty", str(textures), "--crop", "32", "--choices", "1", *more]


def test_the_report_has_the_contracts_fields(
    textures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command(textures, tmp_path, "--known", "3", "--novel", "1", "--json")) == 0
    report = json.loads(capsys.readouterr().out)
    assert report.keys() >= FIELDS
    assert all(0 <= report[name] <= 1 for name in FIELDS)
    assert report["top5"] == 1  # three classes
    assert len(report["per_choice"]) == 1


def test_the_table_names_the_novel_classes(textures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command(textures, tmp_path, "--novel", "2")) == 0
    out = capsys.readouterr().out
    assert "2 known and 2 novel" in " ".join(out.split())
    assert "mean" in out


def test_too_few_textures_are_one_line(textures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command(textures, tmp_path, "--novel", "4")) == 1
    assert "choose --known and --novel" in capsys.readouterr().err
