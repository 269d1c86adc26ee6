"""Connecting project, Label Studio and backend."""

import pytest

from matcurate.config import load_settings, save_settings
from matcurate.errors import ConfigError, LabelStudioNotFoundError
from matcurate.labelstudio import labelling_config, parse_labelling_config
from matcurate.labelstudio.records import BackendRecord
from matcurate.workflows.home import initialise
from matcurate.workflows.labelling import SAMPLING, connect_project
from matcurate.workflows.labelling import connect as module
from matcurate.workflows.labelling.connect import BACKEND_TITLE
from tests.unit.loop_samples import LS_PROJECT, URL, FakeLabelStudio


@pytest.fixture
def home(tmp_path, studio, monkeypatch):
    initialise(load_settings(tmp_path), "default", ("ferrite", "pearlite"), "phases")
    (tmp_path / "token").write_text("t" * 40)
    made = []

    def client(url, token, *, token_source):
        made.append((url, token, token_source))
        return studio

    monkeypatch.setattr(module, "LabelStudioClient", client)
    studio.made = made
    return tmp_path


def run(home, **more):
    return connect_project(load_settings(home), URL + "/", home / "token", **more)


def test_a_new_project_gets_our_phases_and_is_kept(home, studio):
    report = run(home)
    assert (report.project_id, report.project_url) == (LS_PROJECT, f"{URL}/projects/{LS_PROJECT}/data")
    assert parse_labelling_config(studio.label_config, ("ferrite", "pearlite")).ratios == ("ratio_1", "ratio_2")
    assert studio.titles == ["default"] and SAMPLING == "Uncertainty sampling"
    assert studio.made == [(URL, "t" * 40, str(home / "token"))]
    kept = load_settings(home).label_studio
    assert (kept.url, kept.token_file, kept.project_id) == (URL, home / "token", LS_PROJECT)
    assert load_settings(home).backend.password is None


def test_connecting_again_makes_no_second_project(home, studio):
    run(home)
    run(home)
    assert studio.calls.count("projects.create") == 1


def test_a_project_that_is_gone_is_made_anew_unless_it_was_named(home, studio):
    save_settings(home, {"label_studio": {"url": URL, "token_file": str(home / "token"), "project_id": 3}})
    assert run(home).project_id == LS_PROJECT
    with pytest.raises(LabelStudioNotFoundError, match="no project 4"):
        run(home, project_id=4)
    assert load_settings(home).label_studio.project_id == LS_PROJECT


def test_another_servers_project_number_means_nothing(home, studio):
    save_settings(home, {"label_studio": {"url": "http://elsewhere", "token_file": "x", "project_id": LS_PROJECT}})
    run(home)
    assert studio.calls.count("projects.create") == 1


def test_a_project_with_other_labels_is_refused(home, studio):
    studio.label_config = labelling_config(["ferrite", "cementite"])
    with pytest.raises(ConfigError, match="'cementite'"):
        run(home, project_id=LS_PROJECT)
    assert load_settings(home).label_studio.project_id is None


def test_short_and_long_names_fit_label_studios_titles(home, studio):
    for name, title in (("ab", "project ab"), ("x" * 60, "x" * 50)):
        initialise(load_settings(home), name)
        run(home)
        assert studio.titles[-1] == title


def test_the_backend_is_registered_with_credentials_that_stay(home, studio):
    studio.predict(1, "v1", [])
    studio.model_version = "v1"
    run(home, backend_url="http://127.0.0.1:9090")
    kept = load_settings(home).backend
    assert studio.credentials == {
        "username": "label-studio",
        "password": kept.password.get_secret_value(),
        "webhook_secret": kept.webhook_secret.get_secret_value(),
    }
    assert len(kept.password.get_secret_value()) >= 24 and kept.password != kept.webhook_secret
    assert studio.model_version == "v1"  # registering had set it to the backend's title
    run(home, backend_url="http://127.0.0.1:9090/")
    assert load_settings(home).backend == kept


def test_our_backend_at_an_earlier_address_is_forgotten_others_stay(home, studio):
    studio.stored_backends = [
        BackendRecord(id=1, url="http://127.0.0.1:9000", title=BACKEND_TITLE),
        BackendRecord(id=2, url="http://sam.lab:9090", title="SAM"),
    ]
    run(home, backend_url="http://127.0.0.1:9090")
    assert [b.url for b in studio.stored_backends] == ["http://sam.lab:9090", "http://127.0.0.1:9090"]
    assert studio.model_version == BACKEND_TITLE  # no predictions to show yet


def test_a_polygon_preset_offers_outlines(tmp_path, monkeypatch):
    studio = FakeLabelStudio()
    monkeypatch.setattr(module, "LabelStudioClient", lambda *_, **__: studio)
    initialise(load_settings(tmp_path), "default", ("grain",), "grains")
    (tmp_path / "token").write_text("t")
    connect_project(load_settings(tmp_path), URL, tmp_path / "token")
    assert parse_labelling_config(studio.label_config, ("grain",)).instance_control() is not None
