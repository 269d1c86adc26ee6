"""The backend over HTTP, on a real installation; only Label Studio itself is played."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from matcurate.catalog import JobState, list_corrections, pending
from matcurate.config import load_settings, save_settings
from matcurate.errors import LabelStudioAuthError, LabelStudioUnreachableError
from matcurate.jobs.queue import jobs_of
from matcurate.labelstudio import (
    SECRET_HEADER,
    decode_annotation,
    encode_prediction,
    labelling_config,
)
from matcurate.workflows.ingest import ingest_files
from matcurate.workflows.presegment import presegment_micrographs
from matcurate_backend import state as state_module
from matcurate_backend.app import create_app
from matcurate_backend.metrics import Metrics
from tests.unit.backend.backend_samples import CONFIG, XML, eventually, hashes, metric, predict, task
from tests.unit.loop_samples import LS_PROJECT, FakeLabelStudio, disc, make_workspace, png, write_discs

MASK = (disc(50, 80) > 100).astype(np.uint8)


def webhook(http, action, *, headers=None, **body):
    project = {"id": LS_PROJECT, "title": "t", "parsed_label_config": {"phase": {"type": "BrushLabels"}}}
    return http.post("/webhook", json={"action": action, "project": project} | body, headers=headers or {})


def annotation(annotation_id, task_id=1):
    return {"id": annotation_id, "task": task_id, "result": [], "was_cancelled": False, "prediction": {}}


def corrections(workspace):
    with workspace.reading() as session:
        return list_corrections(session, workspace.project().id)


# / and /health, /setup, /versions


def test_health_says_up_and_which_version(http, segmenter):
    expected = {"status": "UP", "model_class": "MatSAM", "model_version": segmenter.version, "project": "default"}
    assert http.get("/health").json() == expected and http.get("/").json() == expected


def test_health_answers_while_a_prediction_runs_even_after_a_change_of_settings(http, workspace, segmenter):
    with ThreadPoolExecutor(1) as pool, http.app.state.live.current().serving.turn():
        save_settings(workspace.settings.home, {"cache_gib": 5.0})
        # A route that waited for the turn would wait for the end of this block.
        health = pool.submit(http.get, "/health").result(timeout=60)
        assert health.json()["model_version"] == segmenter.version
        setup = pool.submit(http.post, "/setup", json={"project": "7.1", "schema": XML}).result(timeout=60)
        assert setup.json() == {"model_version": segmenter.version}


def test_setup_answers_with_the_version_and_ignores_what_it_does_not_know(http, segmenter):
    body = {
        "project": "7.1795226039",
        "schema": XML,
        "hostname": "http://localhost:8180",
        "access_token": "<legacy-token-of-project-creator>",
        "extra_params": {"foo": "bar"},
    }
    response = http.post("/setup", json=body)
    assert (response.status_code, response.json()) == (200, {"model_version": segmenter.version})


@pytest.mark.parametrize(
    ("schema", "reason"),
    [(labelling_config(["ferrite"]), "'ferrite'"), ("<View/>", "<Image> tags"), ("<View", "is not XML")],
)
def test_setup_refuses_a_configuration_that_does_not_fit(http, schema, reason):
    response = http.post("/setup", json={"project": "7.1", "schema": schema})
    assert response.status_code == 409 and reason in response.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("/setup", {"project": "7.1"}, "schema"),
        ("/setup", {"schema": XML}, "project"),
        ("/predict", {"tasks": [{"data": {}}], "label_config": XML}, "id"),
        ("/predict", {"label_config": XML}, "tasks"),
        ("/webhook", {"annotation": {"id": 1}}, "action"),
        ("/webhook", {"action": "ANNOTATION_CREATED", "annotation": {"id": "x"}}, "annotation"),
        ("/webhook", {"action": "ANNOTATION_CREATED", "project": {"id": 2**70}}, "project"),
        ("/webhook", {"action": "ANNOTATION_CREATED", "annotations": [{"id": 2**63}]}, "annotations"),
        ("/predict", {"tasks": [{"id": 2**70, "data": {}}], "label_config": XML}, "id"),
    ],
)
def test_malformed_bodies_get_422_with_the_place(http, path, body, where):
    response = http.post(path, json=body)
    assert response.status_code == 422 and where in json.dumps(response.json()["detail"][0]["loc"])
    assert http.post(path, content=b"{").status_code == 422


def test_a_body_that_is_no_number_is_refused(http):
    response = http.post("/webhook", content=b"NaN", headers={"Content-Type": "application/json"})
    assert response.status_code == 422 and response.json()["detail"][0]["loc"] == ["body"]


def test_versions_newest_first(http, workspace, segmenter):
    assert http.get("/versions").json() == {"versions": []}
    presegment_micrographs(workspace, segmenter)
    assert http.get("/versions").json() == {"versions": [segmenter.version]}


def test_the_page_of_the_interface_is_there(http):
    assert set(http.get("/openapi.json").json()["paths"]) == {
        *("/", "/health", "/setup", "/predict", "/webhook", "/versions", "/metrics")
    }
    assert http.get("/docs").status_code == 200


# /predict


def test_predictions_come_in_the_order_asked(http, workspace, segmenter):
    presegment_micrographs(workspace, segmenter, ids=[2])
    known = hashes(workspace)
    asked = [(21, 3), (19, 1), (20, 2), (21, 3)]
    results = predict(http, *(task(t, micrograph=known[m], image="/x") for t, m in asked)).json()["results"]
    assert {one["model_version"] for one in results} == {segmenter.version}
    masks = [decode_annotation(one["result"], (96, 160), CONFIG).phases for one in results]
    centres = [tuple(round(axis.mean()) for axis in np.nonzero(mask)) for mask in masks]
    assert centres == [(40, 80), (30, 40), (35, 60), (40, 80)]  # row, column of the discs
    assert metric(http, 'matcurate_predictions_total{source="store"} 2.0')
    assert metric(http, 'matcurate_predictions_total{source="computed"} 2.0')
    assert metric(http, "matcurate_predict_seconds_count 1.0")


def test_one_unreadable_image_is_an_empty_result_among_the_others(http, studio):
    studio.images = {"/data/good.png": png(disc(60, 100)), "/data/bad.png": b"no image"}
    response = predict(http, task(1, image="/data/bad.png"), task(2, image="/data/good.png"), task(3, text="none"))
    first, second, third = response.json()["results"]
    assert response.status_code == 200 and (first["result"], third["result"]) == ([], []) and first["score"] == 0
    assert second["result"][0]["original_width"] == 160 and second["result"][0]["original_height"] == 96
    assert metric(http, 'matcurate_predictions_total{source="failed"} 2.0')


def test_no_tasks_no_results(http):
    assert predict(http).json() == {"results": []}


def test_a_configuration_that_does_not_fit_is_no_prediction(http):
    response = predict(http, task(1, image="/x"), xml=labelling_config(["ferrite"]))
    assert response.status_code == 409 and "ferrite" in response.json()["detail"]


@pytest.mark.parametrize(
    ("error", "code"), [(LabelStudioUnreachableError("no answer"), 503), (LabelStudioAuthError("no token"), 502)]
)
def test_errors_have_their_codes(http, workspace, monkeypatch, error, code):
    def fail(*_):
        raise error

    monkeypatch.setattr(state_module, "answer_tasks", fail)
    response = predict(http)
    assert (response.status_code, response.json()) == (code, {"detail": str(error)})


# /webhook


@pytest.fixture
def quiet(http):
    """The thread that handles webhooks stopped, so that one can see what waits."""
    http.app.state.webhooks.stop()
    return http


def waiting(workspace):
    with workspace.reading() as session:
        return [(e.action, e.ls_project_id, e.ls_annotation_id) for e in pending(session)]


def test_webhooks_leave_one_row_for_each_annotation(quiet, workspace):
    assert webhook(quiet, "ANNOTATION_CREATED", annotation=annotation(5), task={"id": 1}).status_code == 200
    webhook(quiet, "ANNOTATION_UPDATED", annotation=annotation(5))
    webhook(quiet, "ANNOTATIONS_CREATED", annotation=[annotation(6), annotation(7)], task=[{"id": 6}, {"id": 7}])
    webhook(quiet, "ANNOTATIONS_DELETED", annotations=[{"id": 5}, {"id": 5}])
    assert waiting(workspace) == [
        ("ANNOTATION_CREATED", LS_PROJECT, 5),
        ("ANNOTATION_UPDATED", LS_PROJECT, 5),
        ("ANNOTATIONS_CREATED", LS_PROJECT, 6),
        ("ANNOTATIONS_CREATED", LS_PROJECT, 7),
        ("ANNOTATIONS_DELETED", LS_PROJECT, 5),
    ]
    assert metric(quiet, 'matcurate_webhooks_total{action="ANNOTATIONS_CREATED"} 1.0')


@pytest.mark.parametrize(
    "body",
    [
        {"action": "TASKS_DELETED", "tasks": [{"id": 10}]},
        {"action": "PROJECT_UPDATED"},  # label-studio-ml-backend#768: without "annotation"
        {"action": "PROJECT_UPDATED", "annotation": None, "annotations": None},
        {"action": "TASKS_CREATED", "tasks": [{"id": 10, "data": {}}]},
    ],
)
def test_other_events_are_accepted_and_ignored(quiet, workspace, body):
    assert webhook(quiet, **body).json() == {"status": "accepted"}
    assert waiting(workspace) == []


def test_the_button_on_the_page_asks_for_a_training_once(quiet, workspace):
    for _ in range(2):
        assert webhook(quiet, "START_TRAINING").json() == {"status": "accepted"}
    assert webhook(quiet, "START_TRAINING", project={"id": LS_PROJECT + 1}).status_code == 200  # another project's
    (job,) = jobs_of(workspace)
    assert (job.kind, job.trigger, job.state) == ("retrain", "the page", JobState.QUEUED) and waiting(workspace) == []


def test_the_same_webhook_twice_is_one_correction(http, workspace, studio):
    known = hashes(workspace)
    on_task = studio.add_task({"micrograph": known[2]})
    made = studio.annotate(on_task, encode_prediction(MASK, CONFIG))
    for _ in range(2):
        webhook(http, "ANNOTATION_CREATED", annotation=annotation(made, on_task))
        eventually(lambda: corrections(workspace) and not waiting(workspace))
    assert metric(http, 'matcurate_webhooks_total{action="ANNOTATION_CREATED"} 2.0')
    (found,) = corrections(workspace)
    assert (found.micrograph_id, found.ls_annotation_id) == (2, made)
    eventually(lambda: metric(http, "matcurate_inbox_pending 0.0"))


def test_the_answer_does_not_wait_for_the_work(http, workspace, studio, monkeypatch):
    release, ended = threading.Event(), threading.Event()

    def stuck(*_):
        release.wait(60)
        ended.set()
        raise LabelStudioUnreachableError("no answer")

    monkeypatch.setattr(studio.projects, "get", stuck)
    for _ in range(3):
        assert webhook(http, "ANNOTATION_CREATED", annotation=annotation(5)).status_code == 200
    assert not ended.is_set()
    release.set()


def test_what_was_missed_while_down_is_pulled_at_the_start(workspace, studio):
    on_task = studio.add_task({"micrograph": hashes(workspace)[1]})
    studio.annotate(on_task, encode_prediction(MASK, CONFIG))
    with TestClient(create_app(workspace.settings)) as http:
        eventually(lambda: len(corrections(workspace)) == 1)
        assert http.get("/health").status_code == 200


# who may call


def secure(workspace):
    save_settings(
        workspace.settings.home,
        {"backend": {"username": "label-studio", "password": "open-sesame", "webhook_secret": "s3cret"}},
    )


def test_credentials_guard_what_label_studio_sends_them_with(http, workspace, studio):
    assert http.get("/versions").status_code == 200
    secure(workspace)
    right, wrong = ("label-studio", "open-sesame"), ("label-studio", "pass")
    for method, path, body in (
        ("GET", "/versions", None),
        ("POST", "/setup", {"project": "1", "schema": XML}),
        ("POST", "/predict", {"tasks": [], "label_config": XML}),
    ):
        for auth in (None, wrong, ("somebody", "open-sesame")):
            refused = http.request(method, path, json=body, auth=auth)
            assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Basic"
        assert http.request(method, path, json=body, auth=right).status_code == 200
    assert http.get("/health").status_code == 200 and http.get("/metrics").status_code == 200


def test_webhooks_need_the_secret_or_the_credentials(quiet, workspace):
    secure(workspace)
    body = {"action": "START_TRAINING", "project": {"id": LS_PROJECT}}
    for headers, auth, code in (
        ({}, None, 401),
        ({SECRET_HEADER: "guess"}, None, 401),
        ({SECRET_HEADER: "s3cret"}, None, 200),
        ({}, ("label-studio", "open-sesame"), 200),
        ({}, ("label-studio", "guess"), 401),
    ):
        assert quiet.post("/webhook", json=body, headers=headers, auth=auth).status_code == code
    webhook(quiet, "ANNOTATION_CREATED", annotation=annotation(5), headers={SECRET_HEADER: "guess"})
    assert waiting(workspace) == []


def test_a_secret_alone_is_enough_to_guard_webhooks(quiet, workspace):
    save_settings(workspace.settings.home, {"backend": {"webhook_secret": "s3cret"}})
    assert webhook(quiet, "START_TRAINING").status_code == 401
    assert webhook(quiet, "START_TRAINING", headers={SECRET_HEADER: "s3cret"}).status_code == 200


# changed settings


def test_a_changed_config_is_seen_and_the_model_and_catalog_stay(http, workspace):
    live = http.app.state.live
    before = live.current()
    assert live.current() is before
    secure(workspace)
    after = live.current()
    assert after is not before and after.serving is before.serving and after.workspace.engine is before.workspace.engine
    assert after.settings.backend.username == "label-studio" and after.workspace.settings is after.settings


def test_another_preset_is_another_model(http, workspace, segmenter):
    live = http.app.state.live
    before = live.current().serving
    save_settings(workspace.settings.home, {"preset": "layers"})
    assert live.current().serving is not before
    assert http.get("/health").json()["model_version"] is None  # not loaded yet, and health does not wait for it
    assert http.post("/setup", json={"project": "1", "schema": XML}).json() == {"model_version": segmenter.version}
    assert http.get("/health").json()["model_version"] == segmenter.version


def test_another_catalog_is_opened(http, workspace, tmp_path):
    live = http.app.state.live
    before = live.current()
    save_settings(workspace.settings.home, {"database_url": f"sqlite:///{tmp_path / 'other.db'}"})
    assert live.current().workspace.engine is not before.workspace.engine
    response = http.get("/versions")
    assert response.status_code == 409 and "curate init" in response.json()["detail"]


def test_a_broken_config_is_told(http, workspace):
    Path(workspace.settings.home / "config.yaml").write_text("backbones: tree\n")
    response = http.get("/versions")
    assert response.status_code == 409 and "config.yaml" in response.json()["detail"]
    Path(workspace.settings.home / "config.yaml").unlink()
    assert http.get("/health").status_code == 200


def test_a_home_without_a_project_starts_and_is_ready_after_init(tmp_path, caplog, segmenter):
    with TestClient(create_app(load_settings(tmp_path))) as http:
        assert "not ready: no project 'default'" in caplog.text
        assert http.get("/health").json()["model_version"] is None
        assert http.post("/setup", json={"project": "1", "schema": XML}).status_code == 409
        make_workspace(tmp_path, connected=False)
        assert http.post("/setup", json={"project": "1", "schema": XML}).json() == {"model_version": segmenter.version}
        refused = predict(http, task(1, image="/x"))
        assert refused.status_code == 409 and "curate connect" in refused.json()["detail"]


def test_the_home_comes_from_the_environment(tmp_path, monkeypatch):
    make_workspace(tmp_path, ("pore",), connected=False)
    monkeypatch.setenv("CURATE_HOME", str(tmp_path))
    with TestClient(create_app()) as http:
        assert http.post("/setup", json={"project": "1", "schema": labelling_config(["pore"])}).status_code == 200


def test_the_client_is_made_once_for_all_threads(workspace, monkeypatch):
    made = []

    def slowly(settings):
        time.sleep(0.05)
        made.append(settings)
        return FakeLabelStudio()

    monkeypatch.setattr(state_module, "label_studio_client", slowly)
    state = state_module.BackendState(workspace, metrics=None)
    threads = [threading.Thread(target=lambda: state.client) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_everything_is_pulled_every_ten_minutes(workspace, studio, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(state_module.time, "monotonic", lambda: clock[0])
    state = state_module.BackendState(workspace, Metrics())
    for elapsed, pulls in ((0, 1), (30, 1), (state_module.RECONCILE_SECONDS + 1, 2)):
        clock[0] = 1000.0 + elapsed
        state.drain()
        assert studio.calls.count("tasks.of_project") == pulls
    ingest_files(workspace, write_discs(workspace.settings.home / "more", 4))
    assert len(hashes(workspace)) == 4
