"""Sync and webhooks: nothing lost, nothing twice, whatever arrives in whatever order."""

from datetime import UTC, timedelta

import numpy as np
import pytest
from sqlmodel import select

from matcurate.catalog import list_corrections, list_task_links, prediction_for
from matcurate.catalog.corrections import revisions
from matcurate.catalog.tables import Event
from matcurate.errors import ConfigError, LabelStudioAuthError, LabelStudioUnreachableError
from matcurate.imaging.labels import decode_labels
from matcurate.jobs.queue import jobs_of
from matcurate.labelstudio import encode_prediction, encode_rle, labelling_config, parse_labelling_config
from matcurate.workflows.labelling import (
    handle_webhooks,
    pending_webhooks,
    pull_corrections,
    push_project,
    receive_webhook,
)
from matcurate.workflows.presegment import presegment_micrographs
from tests.unit.loop_samples import LS_PROJECT, START, disc, png

CONFIG = parse_labelling_config(labelling_config(["precipitate"]), ["precipitate"])
MASK = (disc(50, 80) > 100).astype(np.uint8)
OTHER = (disc(20, 120) > 100).astype(np.uint8)
NOTHING = {"added": 0, "updated": 0, "unchanged": 0, "stale": 0, "retracted": 0}


def drawn(mask=MASK, ratio=None):
    return encode_prediction(mask, CONFIG, ratios=None if ratio is None else [ratio])


def corrections(workspace, **more):
    with workspace.reading() as session:
        return list_corrections(session, workspace.project().id, include_skipped=True, **more)


def outcomes(report, **expected):
    assert dict(report.outcomes) == NOTHING | expected
    return True


@pytest.fixture
def loop(loop_workspace, studio, segmenter):
    """Three micrographs pre-segmented and pushed; tasks of Label Studio by micrograph."""
    presegment_micrographs(loop_workspace, segmenter)
    push_project(loop_workspace, studio, segmenter.version)
    with loop_workspace.reading() as session:
        links = list_task_links(session, loop_workspace.project().id, LS_PROJECT)
    return loop_workspace, studio, {link.micrograph_id: link.ls_task_id for link in links}


def test_an_annotation_becomes_a_correction_once(loop):
    workspace, studio, tasks = loop
    annotation = studio.annotate(tasks[2], drawn(ratio=0.25))
    assert outcomes(pull_corrections(workspace, studio), added=1)
    (job,) = jobs_of(workspace)
    assert (job.kind, job.trigger) == ("retrain", "corrections")
    assert outcomes(pull_corrections(workspace, studio), unchanged=1)
    assert jobs_of(workspace) == [job]  # nothing new puts nothing off
    (found,) = corrections(workspace)
    assert (found.micrograph_id, found.ls_task_id, found.ls_annotation_id) == (2, tasks[2], annotation)
    assert (found.annotator, found.lead_time, found.skipped, found.revision) == ("1", 3.5, False, 1)
    assert found.ratios == {"precipitate": 0.25} and found.instances_key is None
    np.testing.assert_array_equal(decode_labels(workspace.objects.get(found.phases_key)), MASK)


def test_updates_are_revisions_and_older_states_change_nothing(loop):
    workspace, studio, tasks = loop
    annotation = studio.annotate(tasks[1], drawn(), minutes=1)
    pull_corrections(workspace, studio)
    studio.annotate(tasks[1], drawn(OTHER), minutes=5, annotation_id=annotation)
    assert outcomes(pull_corrections(workspace, studio), updated=1)
    studio.annotate(tasks[1], drawn(), minutes=3, annotation_id=annotation)
    assert outcomes(pull_corrections(workspace, studio), stale=1)
    (found,) = corrections(workspace)
    np.testing.assert_array_equal(decode_labels(workspace.objects.get(found.phases_key)), OTHER)
    with workspace.reading() as session:
        assert [r.revision for r in revisions(session, found.id)] == [1, 2]


def test_a_skip_is_kept_as_a_skip(loop):
    workspace, studio, tasks = loop
    studio.annotate(tasks[1], [], was_cancelled=True)
    assert outcomes(pull_corrections(workspace, studio), added=1)
    (found,) = corrections(workspace)
    assert found.skipped and found.phases_key is None


def test_an_empty_annotation_says_that_there_is_nothing(loop):
    workspace, studio, tasks = loop
    studio.annotate(tasks[1], [])
    pull_corrections(workspace, studio)
    (found,) = corrections(workspace)
    assert decode_labels(workspace.objects.get(found.phases_key)).max() == 0 and not found.skipped


def test_a_deleted_annotation_is_retracted_and_a_returned_one_is_back(loop):
    workspace, studio, tasks = loop
    annotation = studio.annotate(tasks[1], drawn())
    kept = studio.annotate(tasks[1], drawn(OTHER))
    pull_corrections(workspace, studio)
    state = studio.stored_annotations[annotation]
    studio.annotations.delete(annotation)
    assert outcomes(pull_corrections(workspace, studio), unchanged=1, retracted=1)
    assert [c.ls_annotation_id for c in corrections(workspace)] == [kept]
    assert outcomes(pull_corrections(workspace, studio), unchanged=1)  # not retracted twice
    studio.stored_annotations[annotation] = state
    studio.touch(tasks[1], START)
    assert outcomes(pull_corrections(workspace, studio), unchanged=1, updated=1)
    assert len(corrections(workspace)) == 2


def test_clearing_tasks_away_takes_no_correction_back(loop):
    workspace, studio, tasks = loop
    annotation = studio.annotate(tasks[1], drawn())
    pull_corrections(workspace, studio)
    del studio.stored_annotations[annotation], studio.stored_tasks[tasks[1]]
    assert outcomes(pull_corrections(workspace, studio))
    assert [c.retracted_at for c in corrections(workspace)] == [None]
    with workspace.reading() as session:
        left = {link.ls_task_id for link in list_task_links(session, 1, LS_PROJECT)}
    assert left == set(tasks.values()) - {tasks[1]}


def test_a_task_deleted_while_sync_runs_stops_nothing(loop, monkeypatch):
    workspace, studio, tasks = loop
    for task in tasks.values():
        studio.annotate(task, drawn())
    listed = list(studio.stored_tasks.values())
    del studio.stored_tasks[tasks[2]]
    monkeypatch.setattr(studio.tasks, "of_project", lambda _: iter(listed))
    assert outcomes(pull_corrections(workspace, studio), added=2)
    with workspace.reading() as session:
        assert tasks[2] not in {link.ls_task_id for link in list_task_links(session, 1, LS_PROJECT)}


def test_an_unknown_label_in_one_annotation_leaves_the_others(loop):
    workspace, studio, tasks = loop
    wrong = drawn()
    wrong[0]["value"]["brushlabels"] = ["cementite"]
    broken = studio.annotate(tasks[1], wrong)
    studio.annotate(tasks[2], drawn())
    small = encode_prediction(MASK[:50, :90], CONFIG)
    resized = studio.annotate(tasks[3], small)
    report = pull_corrections(workspace, studio)
    assert outcomes(report, added=1) and len(report.failed) == 2
    assert all("\n" not in line for line in report.failed)
    (label,) = [line for line in report.failed if f"annotation {broken}" in line]
    assert "cementite" in label
    (size,) = [line for line in report.failed if f"annotation {resized}" in line]
    assert "90 x 50" in size and "160 x 96" in size


def test_what_covers_no_pixel_waits_and_the_others_go_on(loop):
    """label-studio#3834: a polygon that was saved before the image had loaded lies far outside."""
    workspace, studio, tasks = loop
    outside = {
        **drawn()[0],
        "type": "polygonlabels",
        "value": {"points": [[83, 165], [306, 166], [311, 421], [84, 423]], "polygonlabels": ["precipitate"]},
    }
    far = studio.annotate(tasks[1], [*drawn(OTHER), outside])
    erased = {**drawn()[0], "value": drawn()[0]["value"] | {"rle": encode_rle(np.zeros_like(MASK))}}
    empty = studio.annotate(tasks[2], [erased])
    turned = studio.annotate(tasks[2], [drawn()[0] | {"image_rotation": 90}])
    studio.annotate(tasks[3], drawn())
    report = pull_corrections(workspace, studio)
    assert outcomes(report, added=1) and [c.ls_task_id for c in corrections(workspace)] == [tasks[3]]
    lines = dict(zip((far, empty, turned), sorted(report.failed), strict=True))
    assert lines[far].startswith(f"annotation {far} of task {tasks[1]}, region 2 of 2: reaches 323 %")
    assert lines[empty].startswith(f"annotation {empty} of task {tasks[2]}, region 1: covers no pixel")
    assert lines[turned].startswith(f"annotation {turned} of task {tasks[2]}, region 1 of 1: drawn on an image rotated")
    studio.annotate(tasks[2], drawn(), minutes=2, annotation_id=empty)
    assert outcomes(pull_corrections(workspace, studio), added=1, unchanged=1)


def test_since_leaves_out_what_did_not_change(loop):
    workspace, studio, tasks = loop
    studio.annotate(tasks[1], drawn(), minutes=1)
    studio.annotate(tasks[2], drawn(), minutes=10)
    later = START + timedelta(minutes=5)
    assert outcomes(pull_corrections(workspace, studio, since=later.replace(tzinfo=None)), added=1)
    assert [c.micrograph_id for c in corrections(workspace)] == [2]
    assert outcomes(
        pull_corrections(workspace, studio, since=later.astimezone(UTC) - timedelta(hours=1)), added=1, unchanged=1
    )


def test_the_parent_is_the_prediction_that_was_corrected(loop, segmenter):
    workspace, studio, tasks = loop
    on_task = {p.task_id: p.id for p in studio.stored_predictions.values()}
    stranger = studio.predict(tasks[3], "another-model", [])
    studio.annotate(tasks[2], drawn(), parent_prediction=on_task[tasks[2]])
    studio.annotate(tasks[1], drawn(), parent_prediction=on_task[tasks[1]])
    studio.annotate(tasks[3], drawn(), parent_prediction=stranger)
    pull_corrections(workspace, studio)
    found = {c.micrograph_id: c.parent_prediction_id for c in corrections(workspace)}
    with workspace.reading() as session:
        expected = {m: prediction_for(session, m, 1).id for m in (1, 2)}
    assert found == {**expected, 3: None}
    asked = studio.calls.count("predictions.of_task")
    pull_corrections(workspace, studio)
    assert studio.calls.count("predictions.of_task") == asked + 1  # only the stranger is looked up again


def test_a_task_made_in_label_studio_is_taken_in_with_its_correction(loop):
    workspace, studio, _ = loop
    studio.images["/data/upload/7/x%20(1).png?d=1"] = png(disc(70, 30))
    task = studio.add_task({"image": "/data/upload/7/x%20(1).png?d=1"})
    studio.annotate(task, drawn())
    no_image = studio.add_task({"text": "hello"})
    studio.annotate(no_image, [])
    report = pull_corrections(workspace, studio)
    assert outcomes(report, added=1) and f"task {no_image} has no image" in report.failed[0]
    assert {c.micrograph_id for c in corrections(workspace)} == {4}


def test_an_image_on_a_dead_host_stops_only_its_own_task(loop, monkeypatch):
    workspace, studio, tasks = loop
    task = studio.add_task({"image": "http://dead.test/x.png"})
    studio.annotate(task, drawn())
    studio.annotate(tasks[1], drawn())

    def unreachable(address):
        raise LabelStudioUnreachableError("the image's host dead.test does not answer")

    monkeypatch.setattr(studio, "fetch_image", unreachable)
    report = pull_corrections(workspace, studio)
    assert outcomes(report, added=1)
    assert report.failed == [
        f"task {task}: the image's host dead.test does not answer; correct its data in Label Studio"
    ]
    studio.stored_tasks[task] = studio.stored_tasks[task].model_copy(update={"data": {"image": "/data/upload/x.png"}})
    with pytest.raises(LabelStudioUnreachableError):
        pull_corrections(workspace, studio)


def test_an_outage_half_way_is_told_and_the_next_sync_completes(loop):
    workspace, studio, tasks = loop
    for task in tasks.values():
        studio.annotate(task, drawn())
    studio.outage_after = len(studio.calls) + 4
    with pytest.raises(LabelStudioUnreachableError):
        pull_corrections(workspace, studio)
    taken = len(corrections(workspace))
    assert 0 < taken < 3
    studio.outage_after = None
    assert outcomes(pull_corrections(workspace, studio), added=3 - taken, unchanged=taken)


def test_labels_that_are_no_phases_are_refused(loop):
    workspace, studio, _ = loop
    studio.label_config = labelling_config(["precipitate", "carbide"])
    with pytest.raises(ConfigError, match="'carbide'"):
        pull_corrections(workspace, studio)


# webhooks


def receive(workspace, *ids, action="ANNOTATION_CREATED", project=LS_PROJECT):
    receive_webhook(workspace, action, project, list(ids))


def test_the_same_webhook_twice_is_one_correction(loop):
    workspace, studio, tasks = loop
    annotation = studio.annotate(tasks[1], drawn())
    for _ in range(2):
        receive(workspace, annotation)
    assert pending_webhooks(workspace) == 2
    assert outcomes(handle_webhooks(workspace, studio), added=1)
    receive(workspace, annotation)
    assert outcomes(handle_webhooks(workspace, studio), unchanged=1)
    assert pending_webhooks(workspace) == 0 and len(corrections(workspace)) == 1


def test_only_annotations_ask_for_anything(loop):
    workspace, studio, _ = loop
    receive(workspace, 1, 2, action="TASKS_DELETED")
    receive(workspace, action="ANNOTATION_CREATED")
    assert pending_webhooks(workspace) == 0
    before = len(studio.calls)
    assert outcomes(handle_webhooks(workspace, studio)) and len(studio.calls) == before


def test_deletion_by_webhook(loop):
    workspace, studio, tasks = loop
    annotation = studio.annotate(tasks[1], drawn())
    receive(workspace, annotation)
    handle_webhooks(workspace, studio)
    studio.annotations.delete(annotation)
    receive(workspace, annotation, 4711, action="ANNOTATIONS_DELETED")
    assert outcomes(handle_webhooks(workspace, studio), retracted=1, unchanged=1)
    assert corrections(workspace) == []


def test_deletion_of_a_task_by_webhook_keeps_its_corrections(loop):
    workspace, studio, tasks = loop
    annotation = studio.annotate(tasks[1], drawn())
    receive(workspace, annotation)
    handle_webhooks(workspace, studio)
    del studio.stored_annotations[annotation], studio.stored_tasks[tasks[1]]
    receive(workspace, annotation, action="ANNOTATIONS_DELETED")
    assert outcomes(handle_webhooks(workspace, studio), unchanged=1)
    assert len(corrections(workspace)) == 1


def test_annotations_of_other_projects_are_none_of_ours(loop):
    workspace, studio, tasks = loop
    foreign = studio.annotate(tasks[1], drawn(), project=LS_PROJECT + 1)
    ours = studio.annotate(tasks[2], drawn())
    receive(workspace, ours, project=LS_PROJECT + 1)
    assert outcomes(handle_webhooks(workspace, studio))
    receive(workspace, foreign, ours, project=None)  # a webhook that does not say its project
    assert outcomes(handle_webhooks(workspace, studio), added=1, unchanged=1)
    assert [c.ls_annotation_id for c in corrections(workspace)] == [ours]


def reasons(workspace):
    """Of all webhooks, oldest first: whether it is handled, and the reason when that failed."""
    with workspace.reading() as session:
        return [(row.handled_at is not None, row.error) for row in session.exec(select(Event).order_by(Event.id))]


def test_a_webhook_that_fails_keeps_its_reason_and_sync_comes_back_to_it(loop):
    workspace, studio, tasks = loop
    wrong = drawn()
    wrong[0]["value"]["brushlabels"] = ["cementite"]
    bad, good = studio.annotate(tasks[1], wrong), studio.annotate(tasks[2], drawn())
    receive(workspace, bad, good)
    report = handle_webhooks(workspace, studio)
    assert outcomes(report, added=1) and len(report.failed) == 1
    (failed, handled) = reasons(workspace)
    assert failed[0] and "cementite" in failed[1] and handled == (True, None)
    studio.annotate(tasks[1], drawn(), minutes=2, annotation_id=bad)
    assert outcomes(pull_corrections(workspace, studio), added=1, unchanged=1)


def test_in_an_outage_the_webhooks_wait_and_what_came_before_asks_for_training(loop):
    workspace, studio, tasks = loop
    receive(workspace, *[studio.annotate(task, drawn()) for task in tasks.values()])
    studio.outage_after = len(studio.calls) + 4  # project, annotation and task of the first, annotation of the second
    for _ in range(2):
        with pytest.raises(LabelStudioUnreachableError):
            handle_webhooks(workspace, studio)
        assert reasons(workspace) == [(True, None), (False, None), (False, None)]
    assert [job.trigger for job in jobs_of(workspace)] == ["corrections"]
    studio.outage_after = None
    assert outcomes(handle_webhooks(workspace, studio), added=2)


def test_while_the_token_is_refused_the_webhooks_wait(loop, monkeypatch):
    workspace, studio, tasks = loop
    receive(workspace, studio.annotate(tasks[1], drawn()))

    def refused(_):
        raise LabelStudioAuthError("Label Studio does not accept the token")

    monkeypatch.setattr(studio.annotations, "get", refused)
    monkeypatch.setattr(studio.annotations, "of_task", refused)
    for pull in (handle_webhooks, pull_corrections):
        with pytest.raises(LabelStudioAuthError):
            pull(workspace, studio)
    assert reasons(workspace) == [(False, None)]


def test_webhooks_that_come_while_others_are_handled_are_handled_too(loop, monkeypatch):
    workspace, studio, tasks = loop
    first, second = studio.annotate(tasks[1], drawn()), studio.annotate(tasks[2], drawn())
    receive(workspace, first)
    get = studio.annotations.get

    def meanwhile(annotation_id):
        if annotation_id == first:
            receive(workspace, second)
        return get(annotation_id)

    monkeypatch.setattr(studio.annotations, "get", meanwhile)
    assert outcomes(handle_webhooks(workspace, studio), added=2) and pending_webhooks(workspace) == 0
