"""``curate report`` through the real command line."""

import json

import pytest

from matcurate.cli.app import run
from tests.unit.learning_samples import add_disc, correct, half
from tests.unit.loop_samples import make_workspace


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    workspace = make_workspace(folder, connected=False)
    for columns in (40, 80, 120):
        correct(workspace, add_disc(workspace, tmp_path / "in"), half(columns))
    return folder


def test_verdict_document_and_page(home, capsys, tmp_path):
    page = tmp_path / "report.html"
    assert run(["--home", str(home), "report", "--out", str(page), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "go on" and document["counts"]["corrected"] == 3
    fraction = document["fractions"]["precipitate"]
    assert fraction["mean"] == pytest.approx(0.5) and fraction["low"] < 0.5 < fraction["high"]
    assert document["out"] == str(page) and page.read_text().startswith("<!doctype html>")
    assert run(["--home", str(home), "report"]) == 0
    shown = capsys.readouterr().out
    assert "go on" in shown and "precipitate" in shown


def test_what_is_not_possible_is_one_line(home, capsys, tmp_path):
    assert run(["--home", str(home), "report", "--out", str(tmp_path / "no" / "r.html")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert run(["--home", str(home), "report", "--seed", "-1"]) == 2
