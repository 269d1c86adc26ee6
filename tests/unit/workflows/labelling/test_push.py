"""Push: nothing twice and nothing on the wrong task, also when it breaks off or Label Studio changes."""

import numpy as np
import pytest

from matcurate.catalog import create_project, list_predictions, list_task_links
from matcurate.config import load_settings
from matcurate.errors import CatalogError, ConfigError, LabelStudioUnreachableError
from matcurate.imaging.labels import decode_labels
from matcurate.imaging.read import decode_micrograph
from matcurate.labelstudio import decode_annotation, labelling_config, parse_labelling_config
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.types import Calibration
from matcurate.workflows.home import initialise, open_workspace
from matcurate.workflows.ingest import Provenance, ingest_files
from matcurate.workflows.labelling import push as module
from matcurate.workflows.labelling import push_project
from matcurate.workflows.labelling.push import PushReport
from matcurate.workflows.presegment import ZeroShot, presegment_micrographs, register_version, zero_shot
from tests.unit.loop_samples import LS_PROJECT, disc, make_workspace, write_discs

CONFIG = parse_labelling_config(labelling_config(["precipitate"]), ["precipitate"])


@pytest.fixture
def second(segmenter):
    return ZeroShot(MatSam(segmenter.matsam.backbone, MatSamPreset(name="phases", smallest=9)), "phases")


@pytest.fixture
def workspace(loop_workspace, segmenter):
    presegment_micrographs(loop_workspace, segmenter)
    return loop_workspace


def links(workspace):
    with workspace.reading() as session:
        found = list_task_links(session, workspace.project().id, LS_PROJECT)
    return {link.micrograph_id: link.ls_task_id for link in found}


def on_page(studio):
    """(task, version) of every prediction on the page."""
    return sorted((p.task_id, p.model_version) for p in studio.stored_predictions.values())


def test_every_task_shows_its_own_image_and_its_own_prediction(workspace, studio, segmenter):
    assert push_project(workspace, studio, segmenter.version) == PushReport(3, 3, segmenter.version)
    assert studio.model_version == segmenter.version
    uploads = {image.data["micrograph"]: image for image in studio.uploads}
    for micrograph_id, task_id in links(workspace).items():
        row = 30 + 5 * (micrograph_id - 1)
        truth = disc(row, 40 + 20 * (micrograph_id - 1))
        image = uploads[studio.stored_tasks[task_id].data["micrograph"]]
        np.testing.assert_array_equal(decode_micrograph(image.content, "x").pixels, truth)
        (stored,) = studio.predictions.of_task(task_id)
        decoded = decode_annotation(stored.result, (96, 160), CONFIG)
        assert np.count_nonzero((decoded.phases > 0) != (truth > 100)) < 0.1 * np.count_nonzero(truth > 100)
        assert decoded.ratios[0] == pytest.approx((decoded.phases > 0).mean(), abs=5e-4)


def test_the_annotator_sees_what_is_known(tmp_path, studio):
    workspace = make_workspace(tmp_path / "home")
    ingest_files(workspace, write_discs(tmp_path / "a", 1), Provenance("Jena", "A7", Calibration(2.5)))
    push_project(workspace, studio, "none")
    (image,) = studio.uploads
    shown = {key: value for key, value in image.data.items() if key != "micrograph"}
    assert shown == {"name": "disc0", "specimen": "A7", "lab": "Jena", "nm_per_px": "2.5"}


def test_a_second_push_sends_nothing(workspace, studio, segmenter):
    push_project(workspace, studio, segmenter.version)
    before = on_page(studio)
    assert push_project(workspace, studio, segmenter.version) == PushReport(0, 0, segmenter.version)
    assert on_page(studio) == before and len(studio.stored_tasks) == 3


def test_tasks_alone_without_predictions(loop_workspace, studio):
    assert push_project(loop_workspace, studio, "matsam-unknown") == PushReport(3, 0, None)
    assert studio.model_version == ""


def test_a_version_that_has_predicted_nothing_is_not_shown(loop_workspace, studio, segmenter):
    register_version(loop_workspace, loop_workspace.project(), segmenter)
    assert push_project(loop_workspace, studio, segmenter.version) == PushReport(3, 0, None)
    assert studio.model_version == ""


@pytest.mark.parametrize("calls", range(2, 13))
def test_an_outage_anywhere_is_resumed_without_doubles(workspace, studio, segmenter, calls, monkeypatch):
    monkeypatch.setattr(module, "IMAGES_AT_ONCE", 1)
    monkeypatch.setattr(module, "PREDICTIONS_AT_ONCE", 1)
    studio.outage_after = calls
    with pytest.raises(LabelStudioUnreachableError):
        push_project(workspace, studio, segmenter.version)
    studio.outage_after = None
    push_project(workspace, studio, segmenter.version)
    assert on_page(studio) == sorted((task, segmenter.version) for task in links(workspace).values())
    assert len(studio.stored_tasks) == 3 and studio.model_version == segmenter.version


def test_a_crash_before_the_links_were_written_makes_no_second_task(workspace, studio, segmenter, monkeypatch):
    def crash(*_):
        raise CatalogError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(module, "link_task", crash)
        with pytest.raises(CatalogError):
            push_project(workspace, studio, segmenter.version)
    assert len(studio.stored_tasks) == 3 and links(workspace) == {}
    assert push_project(workspace, studio, segmenter.version) == PushReport(0, 3, segmenter.version)


def test_a_crash_before_the_predictions_were_marked_sends_none_twice(workspace, studio, segmenter, monkeypatch):
    def crash(*_):
        raise CatalogError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(module, "mark_pushed", crash)
        with pytest.raises(CatalogError):
            push_project(workspace, studio, segmenter.version)
    assert len(studio.stored_predictions) == 3
    assert push_project(workspace, studio, segmenter.version) == PushReport(0, 0, segmenter.version)
    assert len(studio.stored_predictions) == 3 and studio.model_version == segmenter.version


def test_what_label_studio_fetched_from_the_backend_is_not_sent_again_but_empty_answers_are_replaced(
    workspace, studio, segmenter
):
    push_project(workspace, studio, "none yet")
    tasks = links(workspace)
    fetched = studio.predict(tasks[1], segmenter.version, [{"type": "brushlabels"}])
    empty = studio.predict(tasks[2], segmenter.version, [])
    assert push_project(workspace, studio, segmenter.version).predictions == 2
    assert fetched in studio.stored_predictions and empty not in studio.stored_predictions
    assert on_page(studio) == sorted((task, segmenter.version) for task in tasks.values())


def test_a_deleted_task_is_made_again(workspace, studio, segmenter):
    push_project(workspace, studio, segmenter.version)
    gone = links(workspace)[2]
    del studio.stored_tasks[gone]
    studio.stored_predictions = {k: p for k, p in studio.stored_predictions.items() if p.task_id != gone}
    assert push_project(workspace, studio, segmenter.version) == PushReport(1, 1, segmenter.version)
    assert gone not in links(workspace).values() and len(on_page(studio)) == 3


def test_predictions_deleted_in_label_studio_are_sent_again(workspace, studio, segmenter):
    push_project(workspace, studio, segmenter.version)
    task = links(workspace)[3]
    studio.stored_predictions = {k: p for k, p in studio.stored_predictions.items() if p.task_id != task}
    assert push_project(workspace, studio, segmenter.version).predictions == 1
    assert len(on_page(studio)) == 3


def test_a_newer_version_replaces_the_older_and_back(workspace, studio, segmenter, second):
    push_project(workspace, studio, segmenter.version)
    presegment_micrographs(workspace, second)
    assert push_project(workspace, studio, second.version).predictions == 3
    assert {version for _, version in on_page(studio)} == {second.version} and studio.model_version == second.version
    assert push_project(workspace, studio, segmenter.version).predictions == 3
    assert {version for _, version in on_page(studio)} == {segmenter.version}
    assert studio.model_version == segmenter.version
    assert stored_prediction_versions(workspace) == {1, 2}  # the catalog keeps all


def stored_prediction_versions(workspace):
    with workspace.reading() as session:
        return {p.model_version_id for version in (1, 2) for p in list_predictions(session, version)}


def test_tasks_the_newer_version_has_not_seen_keep_what_they_show(workspace, studio, segmenter, second):
    push_project(workspace, studio, segmenter.version)
    presegment_micrographs(workspace, second, ids=[1])
    push_project(workspace, studio, second.version)
    tasks = links(workspace)
    assert {task for task, version in on_page(studio) if version == segmenter.version} == set(tasks.values())
    presegment_micrographs(workspace, second)
    push_project(workspace, studio, second.version)
    assert on_page(studio) == sorted((task, second.version) for task in tasks.values())


def test_predictions_of_other_models_are_left_alone(workspace, studio, segmenter):
    push_project(workspace, studio, segmenter.version)
    other = studio.predict(links(workspace)[1], "a-lab's-own", [])
    push_project(workspace, studio, segmenter.version)
    assert other in studio.stored_predictions


def test_another_label_studio_at_the_address_is_noticed(workspace, studio, segmenter):
    push_project(workspace, studio, segmenter.version)
    tasks = links(workspace)
    swapped = studio.stored_tasks[tasks[2]].data
    studio.stored_tasks[tasks[1]] = studio.stored_tasks[tasks[1]].model_copy(update={"data": swapped})
    with pytest.raises(CatalogError, match="is this another Label Studio"):
        push_project(workspace, studio, segmenter.version)


def test_tasks_of_other_projects_of_the_catalog_are_no_hindrance(workspace, studio, segmenter, tmp_path):
    with workspace.writing() as session:
        create_project(session, "other", ["precipitate"], "phases")
    other = open_workspace(workspace.settings.model_copy(update={"project": "other"}))
    (foreign,) = ingest_files(other, write_discs(tmp_path / "more", 4)[3:]).added
    studio.add_task({"micrograph": foreign.content_hash})
    studio.add_task({"image": "/data/somebody's.png"})
    assert push_project(workspace, studio, segmenter.version).tasks == 3
    assert foreign.id not in links(workspace)


def test_a_task_that_is_back_counts_again(workspace, studio, segmenter):
    push_project(workspace, studio, segmenter.version)
    task = links(workspace)[1]
    kept = studio.stored_tasks.pop(task)
    with workspace.writing() as session:
        module.mark_gone(session, 1, LS_PROJECT, task)
    studio.stored_tasks[task] = kept
    assert push_project(workspace, studio, segmenter.version).tasks == 0
    assert links(workspace)[1] == task


def test_two_tasks_of_one_micrograph_both_get_its_prediction(workspace, studio, segmenter):
    push_project(workspace, studio, segmenter.version)
    first = links(workspace)[1]
    twin = studio.add_task(dict(studio.stored_tasks[first].data))
    assert push_project(workspace, studio, segmenter.version) == PushReport(0, 1, segmenter.version)
    assert (twin, segmenter.version) in on_page(studio)
    with workspace.reading() as session:
        assert len(list_task_links(session, 1, LS_PROJECT)) == 4


def test_a_project_that_lacks_a_phase_is_refused_before_anything_is_sent(workspace, studio, segmenter):
    studio.label_config = labelling_config(["carbide"])
    with pytest.raises(ConfigError, match="carbide"):
        push_project(workspace, studio, segmenter.version)
    assert studio.stored_tasks == {}


def test_instances_become_polygons(tmp_path, studio, segmenter):
    plain = make_workspace(tmp_path / "home")
    initialise(plain.settings, "polycrystal", ("grain",), "grains")
    settings = load_settings(tmp_path / "home").model_copy(update={"label_studio": plain.settings.label_studio})
    workspace = open_workspace(settings)
    ingest_files(workspace, write_discs(tmp_path / "a", 1))
    grains = zero_shot(workspace, "builtin")
    (prediction,) = presegment_micrographs(workspace, grains).done
    studio.label_config = labelling_config(["grain"], instances=True)
    push_project(workspace, studio, grains.version)
    (stored,) = studio.stored_predictions.values()
    config = parse_labelling_config(studio.label_config, ["grain"])
    decoded = decode_annotation(stored.result, (96, 160), config)
    assert {region["type"] for region in stored.result} == {"polygonlabels", "number"}
    truth = decode_labels(workspace.objects.get(prediction.instances_key))
    assert decoded.instances.max() == truth.max()
