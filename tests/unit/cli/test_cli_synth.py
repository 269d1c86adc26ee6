"""``curate synth``: documents, tables and exit codes."""

import json
from pathlib import Path

import pytest

from matcurate.cli.app import run
from matcurate.cli.synth import Kind, parse_size
from matcurate.imaging.dataset import open_dataset
from matcurate.imaging.synth.registry import KINDS


def arguments(out: Path, *more: str) -> list[str]:
    return ["synth", "--kind", "precipitates", "--n", "1", "--out", str(out), "--size", "48x80", *more]


def test_every_registered_kind_can_be_asked_for() -> None:
    assert [kind.value for kind in Kind] == list(KINDS)


def test_json_is_one_document_about_what_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments(tmp_path, "--seed", "4", "--bits", "16", "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    sample = next(iter(open_dataset(tmp_path)))
    assert document["samples"][0]["path"] == str(sample.image_path)
    assert document["samples"][0]["name"] == "precipitates-4-0000" and document["size"] == [48, 80]
    assert document["classes"] == ["matrix", "secondary", "tertiary"] and document["nm_per_px"] == 10.0
    loaded = sample.load()
    assert loaded.instances is not None and document["samples"][0]["instances"] == loaded.instances.max()
    assert loaded.micrograph.pixels.dtype == "uint16"


def test_table_names_the_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments(tmp_path)) == 0
    shown = capsys.readouterr()
    assert "precipitates-0-0000" in shown.out and "%" in shown.out and shown.err == ""


def test_a_clash_is_one_line_and_exit_code_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(arguments(tmp_path))
    capsys.readouterr()
    assert run(arguments(tmp_path, "--json")) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1 and "--force" in shown.err
    assert run(arguments(tmp_path, "--force")) == 0


@pytest.mark.parametrize(
    "wrong",
    [["--kind", "foam"], ["--n", "0"], ["--size", "48"], ["--size", "48x"], ["--size", "-4x80"], ["--bits", "12"]],
)
def test_usage_errors_are_exit_code_two(tmp_path: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments(tmp_path / "out", *wrong)) == 2
    assert wrong[0] in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_the_megapixel_setting_is_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_MAX_MEGAPIXELS", "0.001")
    assert run(arguments(tmp_path / "out")) == 1 and not (tmp_path / "out").exists()


def test_sizes_are_height_first() -> None:
    assert parse_size("96x160") == (96, 160) and parse_size(" 96X160 ") == (96, 160)
