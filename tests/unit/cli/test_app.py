from pathlib import Path

import pytest

from matcurate import __version__
from matcurate.cli.app import run


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    commands = "segment measure synth bench checkpoints init connect ingest presegment push sync serve up demo"
    for command in commands.split():
        assert command in text


def test_usage_errors_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ingest"]) == 2
    assert run(["no-such-command"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no-such-command" in captured.err


def test_what_could_not_be_done_is_one_line_and_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--home", str(tmp_path), "presegment", "--json"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("error: no project 'default'")
    assert "curate init" in captured.err


def test_debug_shows_where_it_happened(tmp_path: Path) -> None:
    from matcurate.errors import CatalogError

    with pytest.raises(CatalogError):
        run(["--home", str(tmp_path), "--debug", "presegment"])
