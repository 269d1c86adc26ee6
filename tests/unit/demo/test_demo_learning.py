"""What a demo shows of learning; the worker's jobs are written into the catalog's table."""

from dataclasses import replace

import numpy as np
import pytest

from matcurate.catalog import NewPrediction, end_job, ensure_model_version, report_progress, store_prediction
from matcurate.demo import learning as module
from matcurate.demo.learning import UntouchedMicrograph, follow_learning
from matcurate.demo.pictures import labelled_set
from matcurate.errors import CatalogError
from matcurate.imaging.dataset import write_sample
from matcurate.jobs.queue import jobs_of
from matcurate.workflows.home import enqueue, put_labels
from matcurate.workflows.ingest import ingest_files
from tests.unit.job_samples import begin_as
from tests.unit.loop_samples import disc, make_workspace, with_settings

DONE = {"run_id": "run8", "model_version": "new-v1", "promoted": True, "why": "better"}


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """Two micrographs of which the second is left alone; MatSAM found nothing, the new version everything."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.0)
    masks = [(disc(row, 80) > 100).astype(np.uint8) for row in (30, 60)]
    for index, mask in enumerate(masks):
        write_sample(tmp_path / "set", f"m{index}", disc(30 + 30 * index, 80), mask)
    data = labelled_set(tmp_path / "set", "set")
    workspace = make_workspace(tmp_path / "home", data.phases, connected=False)
    micrographs = ingest_files(workspace, [data.images]).added
    for name, found in (("matsam", [np.zeros_like(mask) for mask in masks]), ("new-v1", masks)):
        with workspace.writing() as session:
            version = ensure_model_version(
                session, 1, name, backbone="builtin", backbone_digest="0", preset="p", settings={}
            )
        for micrograph, labels in zip(micrographs, found, strict=True):
            key = put_labels(workspace, labels)
            made = NewPrediction(
                micrograph_id=micrograph.id,
                model_version_id=version.id,
                phases_key=key,
                instances_key=key,
                score=0.5,
                phase_fractions={},
            )
            with workspace.writing() as session:
                store_prediction(session, made)
    return workspace, replace(data, untouched=frozenset([micrographs[1].content_hash]))


def worker(workspace, does):
    """Does something with the newest job whenever progress is reported."""

    def step(done, total, note=""):
        job = jobs_of(workspace)[0]
        begin_as(workspace, job)
        with workspace.writing() as session:
            does(session, job)

    return step


def test_the_champions_predictions_stand_beside_those_before(stage):
    workspace, data = stage
    finished, _ = enqueue(workspace, "retrain", "an earlier one")
    with workspace.writing() as session:
        end_job(session, finished.id, {"run_id": None})
    enqueue(workspace, "retrain", "corrections")

    steps = [lambda session, job: report_progress(session, job.id, "loss", (3, 10))]
    steps.append(lambda session, job: end_job(session, job.id, DONE))
    seen = []

    def progress(done, total, note=""):
        seen.append(note)
        if jobs_of(workspace)[0].kind == "retrain":
            worker(workspace, steps.pop(0))(done, total, note)
            if not steps:
                enqueue(workspace, "presegment", "promotion")
        else:
            worker(workspace, lambda session, job: end_job(session, job.id, {}))(done, total, note)

    report = follow_learning(workspace, data, "matsam", progress)
    assert seen[:2] == ["waiting for retrain", "the worker: retrain, 30 %"] and seen[-1] == "waiting for presegment"
    assert (report.model_version, report.run_id, report.promoted, report.why) == ("new-v1", "run8", True, "better")
    # nothing found: Dice 0 of the disc (12² π = 441 of 15360 pixels), 2·14919 / (14919 + 15360) of the matrix
    (left,) = report.untouched
    assert left == UntouchedMicrograph("m1", left.before, 1.0) and left.before == pytest.approx(0.4927, abs=2e-4)


def test_what_is_served_next_is_told_where_label_studio_is_connected(stage):
    workspace, data = stage
    label_studio = workspace.settings.label_studio.model_copy(update={"project_id": 3})
    connected = with_settings(workspace, workspace.settings.model_copy(update={"label_studio": label_studio}))
    enqueue(workspace, "retrain", "corrections")
    results = {
        "retrain": DONE,
        "presegment": {},
        "rank": {"chosen": [{"place": 1, "name": "b"}, {"place": 2, "name": "a"}]},
    }
    left = list(results)

    def progress(done, total, note=""):
        kind = left.pop(0)
        worker(workspace, lambda session, job: end_job(session, job.id, results[kind]))(done, total, note)
        if left:
            enqueue(workspace, left[0], "promotion")

    assert follow_learning(connected, data, "matsam", progress).next_images == ("b", "a")
    assert left == []


def test_a_failed_training_is_one_line_and_nothing_due_is_none(stage):
    workspace, data = stage
    enqueue(workspace, "retrain", "corrections")
    broken = worker(workspace, lambda session, job: end_job(session, job.id, error="no golden set"))
    with pytest.raises(CatalogError, match=r"'retrain' failed: no golden set; see logs/worker\.log"):
        follow_learning(workspace, data, "matsam", broken)
    enqueue(workspace, "retrain", "corrections")
    idle = worker(workspace, lambda session, job: end_job(session, job.id, {"run_id": None}))
    assert follow_learning(workspace, data, "matsam", idle) is None
    enqueue(workspace, "retrain", "corrections")
    refused = worker(workspace, lambda session, job: end_job(session, job.id, DONE | {"promoted": False}))
    report = follow_learning(workspace, data, "matsam", refused)
    assert not report.promoted and report.untouched == ()


def test_waiting_ends(stage, monkeypatch):
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    with pytest.raises(CatalogError, match="no job 'retrain' has ended in 0 s"):
        follow_learning(*stage, "matsam")
