"""curate checkpoints, through the real command line."""

import hashlib
import json

import pytest

from matcurate.cli.app import run
from matcurate.promptable import catalogue
from matcurate.promptable.catalogue import IMAGENET, OFFICIAL, Checkpoint

CONTENT = b"weights for a test" * 100_000


@pytest.fixture
def small(monkeypatch):
    """A catalogue with one more entry, known by its digest as the official ones are."""
    entry = Checkpoint(
        "small", "small_test.pth", "http://127.0.0.1:9/x", len(CONTENT), hashlib.sha256(CONTENT).hexdigest()
    )
    monkeypatch.setitem(catalogue.OFFICIAL, "small", entry)
    return entry


def curate(tmp_path, *arguments):
    return run(["--home", str(tmp_path / "home"), "checkpoints", *arguments])


def test_list_names_what_there_is(tmp_path, capsys):
    store = tmp_path / "home" / "cache" / "checkpoints"
    store.mkdir(parents=True)
    (store / "sam_vit_b_01ec64.pth").write_bytes(b"x")
    (store / "sam_vit_l_0b3195.pth.part").write_bytes(bytes(3_000_000))
    assert curate(tmp_path, "list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["checkpoints"]
    assert [(row["name"], row["present"], row["size"], row["partial_bytes"]) for row in rows[:3]] == [
        ("vit_b", True, 375_042_383, 0),
        ("vit_l", False, 1_249_524_607, 3_000_000),
        ("vit_h", False, 2_564_550_879, 0),
    ]
    assert rows[0]["path"] == str(store / "sam_vit_b_01ec64.pth")
    entries = [*OFFICIAL.values(), *IMAGENET.values()]
    assert [(row["sha256"], row["url"]) for row in rows] == [(e.sha256, e.url) for e in entries]
    assert curate(tmp_path, "list") == 0
    table = capsys.readouterr().out
    assert "Published checkpoints" in table and "yes" in table and "3 MB so" in table


def test_pull_from_a_file(tmp_path, capsys, small):
    (tmp_path / "fetched").write_bytes(CONTENT)
    assert curate(tmp_path, "pull", "small", "--from", str(tmp_path / "fetched"), "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    path = tmp_path / "home" / "cache" / "checkpoints" / "small_test.pth"
    assert answer == {
        "name": "small",
        "path": str(path),
        "size": 1_800_000,
        "sha256": small.sha256,
        "added": True,
    }
    assert path.read_bytes() == CONTENT
    assert curate(tmp_path, "pull", "small") == 0
    assert capsys.readouterr().out.endswith("was there already, sha256 verified\n")


def test_what_cannot_be_done_is_one_line_and_exit_code_1(tmp_path, capsys):
    (tmp_path / "fetched").write_bytes(CONTENT)
    for arguments, message in (
        (("pull", "vit_b", "--from", str(tmp_path / "fetched")), "is not the official vit_b"),
        (("pull", "vit_x"), "no checkpoint 'vit_x'; use one of: vit_b, vit_l, vit_h"),
        (("pull", "vit_b", "--url", "ftp://mirror/x"), "is not an http or https URL"),
    ):
        assert curate(tmp_path, *arguments, "--json") == 1
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.startswith("error: ") and captured.err.count("\n") == 1
        assert message in captured.err


def test_url_and_file_together_are_a_usage_error(tmp_path, capsys):
    assert curate(tmp_path, "pull", "vit_b", "--url", "https://mirror/x", "--from", "file") == 2
    assert "--from, not both" in capsys.readouterr().err
