"""The demo's expert, with Label Studio played: what it draws, what arrives, what is lost."""

from dataclasses import replace

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from matcurate.catalog import list_corrections
from matcurate.demo import expert as module
from matcurate.demo.expert import Expert
from matcurate.demo.pictures import DemoSet, labelled_set
from matcurate.errors import CatalogError, DatasetError
from matcurate.imaging.dataset import write_sample
from matcurate.labelstudio import labelling_config
from matcurate.workflows.ingest import ingest_files
from matcurate.workflows.labelling import pull_corrections, push_project
from matcurate.workflows.presegment import presegment_micrographs
from tests.unit.loop_samples import disc, make_workspace


@pytest.fixture
def stage(tmp_path, studio, segmenter, monkeypatch):
    """Two micrographs with masks, pushed; whoever waits pulls at once."""
    monkeypatch.setattr(module, "WEBHOOK_SECONDS", 0.0)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.0)
    folder = tmp_path / "set"
    for index, row in enumerate((30, 60)):
        mask = (disc(row, 80) > 100).astype(np.uint8)
        mask[:4] = 1  # what the pre-segmentation cannot know
        write_sample(folder, f"m{index}", disc(row, 80), mask)
    data = labelled_set(folder, "set")
    workspace = make_workspace(tmp_path / "home", data.phases)
    studio.label_config = labelling_config(data.phases)
    ingest_files(workspace, [data.images])
    presegment_micrographs(workspace, segmenter)
    push_project(workspace, studio, segmenter.version)
    return Expert(workspace, studio, data, f"sqlite:///{tmp_path / 'mlflow.db'}")


def test_what_was_drawn_is_in_the_catalog_pixel_for_pixel(stage, segmenter, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    steps = []
    report = stage.play("http://ls/projects/7/data", lambda done, total, note="": steps.append(note))
    assert [c.name for c in report.corrections] == ["m0", "m1"] and steps[0] == "the expert corrects m0"
    assert all(c.identical and c.arrived_by == "sync" for c in report.corrections) and report.lost == ()
    for correction in report.corrections:
        assert 640 <= correction.pixels_changed <= 740 and 0.5 < correction.iou < 0.9  # four rows of 160 are new
    assert (report.label_studio, report.model_version) == ("http://ls/projects/7/data", segmenter.version)
    with Image.open(report.overview) as picture:
        assert picture.size == (3 * 160, 2 * 96)
    run = MlflowClient(tracking_uri=stage.tracking_uri).get_run(report.run_id)
    assert run.data.metrics["corrections"] == 2 and run.data.params["model_version"] == segmenter.version
    assert run.data.metrics["mean_iou"] == pytest.approx(np.mean([c.iou for c in report.corrections]))


def test_played_again_there_is_nothing_left_to_correct(stage, studio, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stage.play("url")
    again = stage.play("url")
    assert again.corrections == () and again.lost == () and len(studio.stored_annotations) == 2


def test_what_is_to_be_left_alone_is(stage, studio, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = stage.data.masks
    left = replace(stage, data=replace(stage.data, untouched=frozenset([first])))
    report = left.play("url")
    assert [c.name for c in report.corrections] == ["m1"] and report.lost == () and second != first


def test_how_each_correction_arrived(stage, studio, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    create = studio.annotations.create

    def with_a_lost_webhook(*arguments, **more):
        made = create(*arguments, **more)
        if len(studio.stored_annotations) == 1:
            pull_corrections(stage.workspace, studio)  # as the first webhook would have it
        return made

    monkeypatch.setattr(studio.annotations, "create", with_a_lost_webhook)
    assert [c.arrived_by for c in stage.play("url").corrections] == ["webhook", "sync"]


def test_waiting_ends_as_soon_as_everything_is_there(stage, studio, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "WEBHOOK_SECONDS", 3600.0)
    waits = []

    def then_the_webhooks_come(seconds):
        waits.append(seconds)
        pull_corrections(stage.workspace, studio)

    monkeypatch.setattr(module.time, "sleep", then_the_webhooks_come)
    assert [c.arrived_by for c in stage.play("url").corrections] == ["webhook", "webhook"]
    assert len(waits) == 1


def test_lost_corrections_are_named(stage, studio, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "pull_corrections", lambda *_: None)
    report = stage.play("url")
    assert report.lost == ("m0", "m1") and report.corrections == ()
    with stage.workspace.reading() as session:
        assert list_corrections(session, 1) == []


def test_without_masks_nobody_can_be_played(stage):
    blind = Expert(stage.workspace, stage.client, DemoSet("set", stage.data.images, ("phase 1",), {}), "sqlite:///x")
    with pytest.raises(DatasetError, match="leave out --once"):
        blind.play("url")


def test_a_micrograph_without_prediction_is_told(stage, monkeypatch):
    monkeypatch.setattr(module, "latest_prediction", lambda *_: None)
    with pytest.raises(CatalogError, match="m0 has no prediction"):
        stage.play("url")
