"""The loop's commands through the real command line: documents, tables, exit codes."""

import json

import numpy as np
import pytest

from matcurate.catalog import get_micrograph
from matcurate.cli.app import run
from matcurate.config import load_settings
from matcurate.errors import LabelStudioUnreachableError
from matcurate.labelstudio import encode_prediction, labelling_config, parse_labelling_config
from matcurate.workflows.home import label_studio as home_module
from matcurate.workflows.home import open_workspace
from matcurate.workflows.labelling import connect as connect_module
from tests.unit.loop_samples import LS_PROJECT, URL, disc, write_discs

CONFIG = parse_labelling_config(labelling_config(["phase"]), ["phase"])
BAD = {"note.png": b"this is no image", "empty.tif": b""}


@pytest.fixture
def curate(tmp_path, capsys):
    """Run one command in a home of its own; returns exit code, stdout (a document with --json) and stderr."""

    def call(*arguments):
        code = run(["--home", str(tmp_path / "home"), *map(str, arguments)])
        shown = capsys.readouterr()
        return code, json.loads(shown.out) if "--json" in arguments and shown.out else shown.out, shown.err

    return call


@pytest.fixture
def connected(curate, tmp_path, studio, monkeypatch):
    """Label Studio played, connected."""
    studio.label_config = labelling_config(["phase"])
    monkeypatch.setattr(connect_module, "LabelStudioClient", lambda *_, **__: studio)
    monkeypatch.setattr(home_module, "LabelStudioClient", lambda *_, **__: studio)
    (tmp_path / "token").write_text("t" * 40)
    assert curate("init")[0] == 0
    code, document, _ = curate("connect", "--url", URL, "--token-file", tmp_path / "token", "--json")
    assert code == 0
    assert document == {
        "project_id": LS_PROJECT,
        "project_url": f"{URL}/projects/{LS_PROJECT}/data",
        "url": URL,
        "backend": None,
    }
    return studio


def test_init_says_what_there_is_now(curate, tmp_path):
    code, document, err = curate("init", "--project", "alloys", "--phases", "ferrite, pearlite", "--json")
    assert (code, err) == (0, "")
    assert document == {
        "project": "alloys",
        "phases": ["ferrite", "pearlite"],
        "preset": "phases",
        "home": str(tmp_path / "home"),
    }
    code, table, _ = curate("init", "--project", "alloys")  # found again, without saying its phases
    assert code == 0 and "pearlite" in table and load_settings(tmp_path / "home").project == "alloys"
    code, out, err = curate("init", "--project", "alloys", "--phases", "martensite")
    assert (code, out) == (1, "") and "ferrite,pearlite" in err and err.count("\n") == 1
    assert curate("init", "--preset", "foam")[0] == 1


def test_ingest_goes_on_and_says_what_it_refused(curate, tmp_path):
    curate("init")
    write_discs(tmp_path / "in", 2)
    for name, data in BAD.items():
        (tmp_path / "in" / name).write_bytes(data)
    code, document, err = curate("ingest", tmp_path / "in", "--json")
    assert code == 1 and set(document) == {"added", "known", "refused"}
    assert document["added"] == [{"id": 1, "name": "disc0"}, {"id": 2, "name": "disc1"}] and document["known"] == []
    assert len(document["refused"]) == 2
    assert err.splitlines() == [f"error: {line}" for line in document["refused"]]
    for name, line in zip(sorted(BAD), document["refused"], strict=True):
        assert str(tmp_path / "in" / name) in line
    for name in BAD:
        (tmp_path / "in" / name).unlink()
    code, document, _ = curate("ingest", tmp_path / "in", "--json")
    assert (code, document["added"], len(document["known"]), document["refused"]) == (0, [], 2, [])
    code, table, err = curate("ingest", tmp_path / "in")
    assert code == 0 and "refused" in table and err == ""


def test_ingest_keeps_what_is_said(curate, tmp_path):
    curate("init")
    (path,) = write_discs(tmp_path / "in", 1)
    said = ("--lab", " Jena ", "--specimen", "A7", "--nm-per-px", "2.5", "--golden")
    assert curate("ingest", path, *said)[0] == 0
    workspace = open_workspace(load_settings(tmp_path / "home"))
    with workspace.reading() as session:
        found = get_micrograph(session, 1)
    assert (found.lab, found.specimen, found.nm_per_px, found.golden) == ("Jena", "A7", 2.5, True)


@pytest.mark.parametrize(
    "wrong",
    [("--nm-per-px", "0"), ("--nm-per-px", "-1"), ("--nm-per-px", "nan"), ("--nm-per-px", "inf"), ("--lab", " ")],
)
def test_values_that_mean_nothing_are_usage_errors(curate, tmp_path, wrong):
    curate("init")
    code, out, err = curate("ingest", *write_discs(tmp_path / "in", 1), *wrong)
    assert (code, out) == (2, "") and wrong[0] in err and "Traceback" not in err


def test_presegment_says_what_it_did(curate, tmp_path, segmenter):
    curate("init")
    curate("ingest", *write_discs(tmp_path / "in", 3))
    code, document, err = curate("presegment", "2", "--json")
    assert (code, err) == (0, "") and document["model_version"] == segmenter.version
    (only,) = document["predictions"]
    assert only["micrograph"] == 2 and 0 < only["score"] <= 1
    assert only["phase_fractions"]["phase"] == pytest.approx((disc(35, 60) > 100).mean(), rel=0.1)
    assert (document["skipped"], document["failed"]) == (0, [])
    code, document, _ = curate("presegment", "--new", "--json")
    assert ([p["micrograph"] for p in document["predictions"]], document["skipped"]) == ([1, 3], 1)
    code, table, _ = curate("presegment", "--all")
    assert code == 0 and "had one already" in table
    assert curate("presegment", "--all", "--new")[0] == 2
    code, out, err = curate("presegment", "99", "--json")
    assert (code, out) == (1, "") and "micrograph 99 is not in this project" in err
    assert curate("presegment", "--backbone", "vit_x")[0] == 1


def test_presegment_fails_for_one_and_goes_on(curate, tmp_path):
    curate("init")
    curate("ingest", *write_discs(tmp_path / "in", 2))
    originals = [path for path in (tmp_path / "home" / "objects").rglob("*.png") if path.stat().st_size]
    first = next(p for p in originals if p.read_bytes() == (tmp_path / "in" / "disc0.png").read_bytes())
    first.write_bytes(b"rubbish")
    code, document, err = curate("presegment", "--json")
    assert code == 1 and [p["micrograph"] for p in document["predictions"]] == [2]
    assert document["failed"][0].startswith("disc0: ") and err == f"error: {document['failed'][0]}\n"


def test_push_and_sync(curate, connected, tmp_path, segmenter):
    curate("ingest", *write_discs(tmp_path / "in", 2))
    code, document, err = curate("push", "--json")
    assert (code, document, err) == (0, {"tasks": 2, "predictions": 0, "model_version": None}, "")
    curate("presegment")
    code, document, err = curate("push", "--json")
    assert (code, document) == (0, {"tasks": 0, "predictions": 2, "model_version": segmenter.version})
    assert "predictions" in curate("push")[1]
    good, bad = sorted(connected.stored_tasks)
    drawn = encode_prediction((disc(50, 80) > 100).astype(np.uint8), CONFIG)
    connected.annotate(good, drawn)
    code, document, err = curate("sync", "--json")
    nothing = {"updated": 0, "unchanged": 0, "stale": 0, "retracted": 0}
    assert (code, document, err) == (0, {"added": 1, **nothing, "failed": []}, "")
    broken = encode_prediction(np.ones((10, 10), np.uint8), CONFIG)
    connected.annotate(bad, broken)
    code, document, err = curate("sync", "--json")
    assert code == 1 and document["unchanged"] == 1 and len(document["failed"]) == 1
    assert f"error: {document['failed'][0]}" in err
    code, table, _ = curate("sync", "--since", "2030-01-01")
    assert code == 0 and "retracted" in table
    assert connected.calls[-1] == "close"


@pytest.mark.parametrize(
    "moment",
    ["2026-11-21", "2026-11-21T11:59:59Z", "2026-11-21T12:59:59+01:00", "2026-11-21T11:59:59.5", "2026-11-21T11:59"],
)
def test_since_takes_the_usual_spellings(curate, connected, tmp_path, moment):
    curate("ingest", *write_discs(tmp_path / "in", 1))
    curate("push")
    connected.annotate(next(iter(connected.stored_tasks)), [])  # at 12:00 UTC
    assert curate("sync", "--since", moment, "--json")[1]["added"] == 1
    assert curate("sync", "--since", "yesterday")[0] == 2


def test_connect_shows_where_to_go_and_what_is_wrong(curate, connected, tmp_path):
    token = tmp_path / "token"
    code, table, _ = curate("connect", "--url", URL, "--token-file", token)
    assert code == 0 and f"/projects/{LS_PROJECT}/data" in table.replace("\n", "")
    code, out, err = curate("connect", "--url", URL, "--token-file", token, "--project-id", "8", "--json")
    assert (code, out) == (1, "") and "no project 8" in err
    code, _, err = curate("connect", "--url", URL, "--token-file", tmp_path / "none")
    assert code == 1 and str(tmp_path / "none") in err and err.count("\n") == 1
    assert curate("connect", "--url", URL)[0] == 2


def test_label_studio_down_is_one_line(curate, connected, tmp_path, monkeypatch):
    curate("ingest", *write_discs(tmp_path / "in", 1))

    def down(_):
        raise LabelStudioUnreachableError(f"Label Studio does not answer at {URL} (refused); start it")

    monkeypatch.setattr(connected.projects, "get", down)
    for command in ("push", "sync"):
        code, out, err = curate(command, "--json")
        assert (code, out, err.count("\n")) == (1, "", 1) and "does not answer" in err


@pytest.mark.parametrize("command", ["push", "sync"])
def test_without_a_connection_the_remedy_is_named(curate, command):
    curate("init")
    code, out, err = curate(command, "--json")
    assert (code, out) == (1, "") and "curate connect --url URL --token-file FILE" in err


@pytest.mark.parametrize("command", [("ingest", "."), ("presegment",), ("push",), ("connect", "--url", URL)])
def test_without_a_project_the_remedy_is_named(curate, command, tmp_path):
    (tmp_path / "token").write_text("t")
    more = ("--token-file", tmp_path / "token") if command[0] == "connect" else ()
    code, out, err = curate(*command, *more)
    assert (code, out) == (1, "") and "curate init" in err and err.count("\n") == 1
