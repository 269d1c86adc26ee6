"""The installation: projects, their phases and presets, and the Label Studio that each belongs to."""

import pytest

from matcurate.catalog import link_task
from matcurate.config import load_settings
from matcurate.errors import CatalogError, ConfigError
from matcurate.workflows.home import (
    connected_project_id,
    ensure_project,
    initialise,
    label_studio_client,
    open_workspace,
)
from matcurate.workflows.ingest import ingest_files
from tests.unit.loop_samples import LS_PROJECT, URL, make_workspace, write_discs


def test_the_first_project_gets_the_defaults_and_becomes_the_installations_own(tmp_path):
    record = initialise(load_settings(tmp_path), "alloys")
    assert (record.name, record.phases, record.preset) == ("alloys", ("phase",), "phases")
    assert load_settings(tmp_path).project == "alloys"
    assert open_workspace(load_settings(tmp_path)).project() == record


def test_an_existing_project_is_found_again_without_saying_its_phases(tmp_path):
    first = initialise(load_settings(tmp_path), "a", ("ferrite", "pearlite"), "layers")
    initialise(load_settings(tmp_path), "b", ("pore",), "phases")
    again = initialise(load_settings(tmp_path), "a")
    settings = load_settings(tmp_path)
    assert again == first and (settings.project, settings.preset) == ("a", "layers")
    with pytest.raises(CatalogError, match="ferrite,pearlite"):
        initialise(settings, "a", ("ferrite",))


def test_what_could_not_be_shown_or_segmented_is_refused_before_anything_is_made(tmp_path):
    for phases, preset, message in (
        (("a",), "foam", "no preset 'foam'"),
        (("a", "a"), "phases", "listed twice"),
        ((), "phases", "1 to 254 phases"),
        (("instance",), "grains", "no phase can be called 'instance'"),
    ):
        with pytest.raises(ConfigError, match=message):
            initialise(load_settings(tmp_path), "default", phases, preset)
    with pytest.raises(CatalogError, match="curate init"):
        open_workspace(load_settings(tmp_path)).project()


def test_a_preset_file_is_found_from_any_folder(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text("name: mine\nsmallest: 9\n")
    monkeypatch.chdir(tmp_path)
    assert initialise(load_settings(tmp_path / "home"), "default", None, "mine.yaml").preset == str(
        tmp_path / "mine.yaml"
    )


def test_projects_do_not_share_a_label_studio_project(tmp_path):
    workspace = make_workspace(tmp_path / "home")
    home = tmp_path / "home"
    (micrograph,) = ingest_files(workspace, write_discs(tmp_path / "images", 1)).added
    with workspace.writing() as session:
        link_task(session, workspace.project().id, micrograph.id, LS_PROJECT, 1)
    initialise(load_settings(home), "other")
    assert load_settings(home).label_studio.project_id is None and load_settings(home).label_studio.url == URL
    with pytest.raises(ConfigError, match="curate connect"):
        connected_project_id(load_settings(home))
    initialise(load_settings(home), "default")
    assert connected_project_id(load_settings(home)) == LS_PROJECT
    initialise(load_settings(home), "default")
    assert connected_project_id(load_settings(home)) == LS_PROJECT


def test_ensure_project_keeps_what_is_there(tmp_path):
    assert ensure_project(load_settings(tmp_path), ("a", "b")).phases == ("a", "b")
    assert ensure_project(load_settings(tmp_path), ("c",)).phases == ("a", "b")


def test_a_client_needs_a_connection(tmp_path):
    with pytest.raises(ConfigError, match="curate connect"):
        label_studio_client(load_settings(tmp_path))
    workspace = make_workspace(tmp_path)
    with label_studio_client(workspace.settings) as client:
        assert client.url == URL
