"""serve, up and demo: what they print and how they end; the services are started elsewhere."""

import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from matcurate.cli.app import run
from matcurate.cli.output import emit_json, emit_table, progress_bar
from matcurate.demo import run as demo_module
from matcurate.demo.expert import DemoCorrection, DemoReport
from matcurate.demo.learning import LearningReport, UntouchedMicrograph
from matcurate.services import run as services_module
from matcurate.services.run import Services

ENDED = SimpleNamespace(poll=lambda: 3)
URL = "http://127.0.0.1:8080/projects/1/data"


def services(process):
    return Services(
        "http://127.0.0.1:8080", "http://127.0.0.1:5000", "http://127.0.0.1:9090", "me", "pw", {"MLflow": process}
    )


def interrupting():
    def poll():
        raise KeyboardInterrupt

    return SimpleNamespace(poll=poll)


@pytest.fixture
def demo(monkeypatch):
    """Plays a demo whose report and processes a test chooses."""
    asked = []

    def prepare(report=None, process=ENDED, problems=(), learning=None):
        @contextmanager
        def run_demo(settings, folder, n, seed, preset, progress):
            asked.append((folder, n, seed, preset))
            progress(0, 1, "ingest")
            yield SimpleNamespace(
                services=services(process),
                project_url=URL,
                problems=problems,
                play_expert=lambda _: report,
                learn=lambda played, _: learning if played is report else None,
            )

        monkeypatch.setattr(demo_module, "run_demo", run_demo)
        return asked

    return prepare


def report(*lost):
    done = DemoCorrection("m[/0]", 0.91, 12, "webhook", True)
    return DemoReport(URL, "matsam-tree-phases-1", (done,), lost, "/tmp/overview.png", "run7")


def test_once_prints_one_document_and_names_what_was_left_out(demo, tmp_path, capsys):
    asked = demo(report(), problems=("bad.png: empty",))
    assert run(["--home", str(tmp_path), "demo", "--once", "--n", "2", "--seed", "5", "--json"]) == 1
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert document["corrections"] == [
        {"name": "m[/0]", "iou": 0.91, "pixels_changed": 12, "arrived_by": "webhook", "identical": True}
    ]
    assert (document["lost"], document["run_id"], document["label_studio"]) == ([], "run7", URL)
    assert document["learning"] is None
    assert shown.err == "· ingest\nerror: bad.png: empty\n" and asked == [(None, 2, 5, "phases")]


def test_lost_corrections_are_an_error_after_the_report(demo, tmp_path, capsys):
    demo(report("m1", "m2"))
    assert run(["--home", str(tmp_path), "demo", "--once", "--json"]) == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out)["lost"] == ["m1", "m2"]
    assert [line for line in shown.err.splitlines() if line.startswith("error: the correction of m2 did not arrive")]


def test_once_shows_tables(demo, tmp_path, capsys):
    demo(report())
    assert run(["--home", str(tmp_path), "demo", "--once"]) == 0
    table = capsys.readouterr().out
    assert "m[/0]" in table and "0.91" in table and "run7" in table


def test_what_was_learned_is_shown(demo, tmp_path, capsys):
    learning = LearningReport(
        "default-v1", "run8", True, "better by far", 61.4, (UntouchedMicrograph("m9", 0.61, 0.93),), ("m12", "m9")
    )
    demo(report(), learning=learning)
    assert run(["--home", str(tmp_path), "demo", "--once", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["learning"] == {
        "model_version": "default-v1",
        "run_id": "run8",
        "promoted": True,
        "why": "better by far",
        "seconds": 61.4,
        "untouched": [{"name": "m9", "before": 0.61, "after": 0.93}],
        "next_images": ["m12", "m9"],
    }
    assert run(["--home", str(tmp_path), "demo", "--once"]) == 0
    table = capsys.readouterr().out
    assert all(part in table for part in ("default-v1 is champion", "m9", "0.61", "0.93", "run8"))


def test_without_once_it_shows_where_everything_is_until_stopped(demo, tmp_path, capsys):
    demo(process=interrupting())
    assert run(["--home", str(tmp_path), "demo"]) == 0
    shown = capsys.readouterr()
    assert URL in shown.out and "me / pw" in shown.out and shown.err.endswith("stopping\n")
    assert run(["--home", str(tmp_path), "demo", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "label_studio": URL,
        "username": "me",
        "password": "pw",
        "mlflow": "http://127.0.0.1:5000",
        "backend": "http://127.0.0.1:9090",
    }


def test_up_ends_when_a_service_does(tmp_path, capsys, monkeypatch):
    asked = []

    @contextmanager
    def run_connected(settings, phases, progress):
        asked.append(phases)
        yield services(ENDED), settings, URL

    monkeypatch.setattr(services_module, "run_connected", run_connected)
    assert run(["--home", str(tmp_path), "up", "--phases", "a, b"]) == 1
    shown = capsys.readouterr()
    assert asked == [("a", "b")] and "log in as" in shown.out and "error: MLflow has ended by itself" in shown.err


def test_serve_listens_where_it_is_told(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(services_module, "serve_backend", lambda settings, host, port: asked.append((host, port)))
    assert run(["--home", str(tmp_path), "serve"]) == 0
    assert run(["--home", str(tmp_path), "serve", "--host", "0.0.0.0", "--port", "0"]) == 0
    assert asked == [("127.0.0.1", 9090), ("0.0.0.0", 0)]


def test_serve_without_a_project_is_one_line(tmp_path, capsys):
    assert run(["--home", str(tmp_path), "serve"]) == 1
    assert capsys.readouterr().err.startswith("error: no project 'default'")


def test_names_with_brackets_are_shown_as_they_are(capsys):
    emit_table("[/home]", ["[bold]"], [["m[/1]"], [0.123456]])
    out = capsys.readouterr().out
    assert "[/home]" in out and "[bold]" in out and "m[/1]" in out and "0.1235" in out


def test_json_has_no_nan():
    with pytest.raises(ValueError):
        emit_json({"x": float("nan")})


def test_progress_is_silent_without_a_terminal(capsys):
    with progress_bar("work") as progress:
        progress(1, 2, "m[/1]")
    assert capsys.readouterr() == ("", "")


def test_progress_shows_any_name_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress_bar("work") as progress:
        progress(1, 2, "m[/1]")
    shown = capsys.readouterr()
    assert shown.out == "" and "m[/1]" in shown.err
