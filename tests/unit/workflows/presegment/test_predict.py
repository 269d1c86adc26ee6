"""Answers to Label Studio: from the store or computed, in order, whatever single images do."""

import base64
import logging
import threading

import numpy as np
import pytest

from matcurate.catalog import link_task, list_micrographs, list_task_links, task_link
from matcurate.errors import CatalogError, ConfigError, LabelStudioNotFoundError
from matcurate.labelstudio import decode_annotation, labelling_config, parse_labelling_config
from matcurate.segmentation.matsam.pipeline import MatSam
from matcurate.workflows.labelling import TaskQuestion, link_micrograph, task_micrograph
from matcurate.workflows.presegment import Serving, answer_tasks, check_label_config, presegment_micrographs
from tests.unit.loop_samples import LS_PROJECT, disc, make_workspace, png

XML = labelling_config(["precipitate"])
CONFIG = parse_labelling_config(XML, ["precipitate"])


@pytest.fixture
def serving(segmenter):
    return Serving(lambda present: segmenter)


def micrographs(workspace):
    with workspace.reading() as session:
        return list_micrographs(session, workspace.project().id)


def centre(answer):
    rows, columns = np.nonzero(decode_annotation(answer.regions, (96, 160), CONFIG).phases)
    return round(rows.mean()), round(columns.mean())


def test_known_and_new_tasks_are_answered_in_the_order_asked(loop_workspace, studio, serving, segmenter):
    presegment_micrographs(loop_workspace, segmenter, ids=[2])
    by_id = {m.id: m.content_hash for m in micrographs(loop_workspace)}
    asked = [(12, 3), (10, 1), (11, 2), (12, 3)]
    tasks = [TaskQuestion(task, {"micrograph": by_id[m], "image": "/x.png"}) for task, m in asked]
    answers = answer_tasks(loop_workspace, studio, serving, tasks, XML)
    assert [a.task_id for a in answers] == [12, 10, 11, 12]
    assert [a.source for a in answers] == ["computed", "computed", "store", "store"]
    assert [centre(a) for a in answers] == [(40, 80), (30, 40), (35, 60), (40, 80)]
    assert {a.model_version for a in answers} == {segmenter.version} and all(0 < a.score <= 1 for a in answers)
    assert studio.calls == []  # known by their hash: nothing is fetched
    with loop_workspace.reading() as session:
        links = {link.ls_task_id: link.micrograph_id for link in list_task_links(session, 1, LS_PROJECT)}
    assert links == {10: 1, 11: 2, 12: 3}


def test_an_unreadable_image_is_an_empty_answer_with_a_logged_reason(loop_workspace, studio, serving, caplog):
    studio.images = {"/data/new.png": png(disc(60, 100)), "/data/bad.png": b"no image"}
    tasks = [
        TaskQuestion(1, {"image": "/data/bad.png"}),
        TaskQuestion(2, {"image": "/data/missing.png"}),
        TaskQuestion(3, {"text": "no image"}),
        TaskQuestion(4, {"image": "/data/new.png"}),
    ]
    with caplog.at_level(logging.WARNING):
        answers = answer_tasks(loop_workspace, studio, serving, tasks, XML)
    assert [(a.source, a.regions, a.score) for a in answers[:3]] == [("failed", (), 0.0)] * 3
    assert answers[3].source == "computed" and centre(answers[3]) == (60, 100)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["task 1", "task 2", "task 3"]
    assert micrographs(loop_workspace)[-1].name == "new"


def test_a_fetched_image_is_known_the_next_time(loop_workspace, studio, serving):
    studio.images = {"/data/local-files/?d=set/m2.png": png(disc(60, 100))}
    task = TaskQuestion(9, {"image": "/data/local-files/?d=set/m2.png"})
    assert answer_tasks(loop_workspace, studio, serving, [task], XML)[0].source == "computed"
    assert micrographs(loop_workspace)[-1].name == "m2"
    studio.images.clear()
    assert answer_tasks(loop_workspace, studio, serving, [task], XML)[0].source == "store"


def test_progress_counts_tasks(loop_workspace, studio, serving):
    seen = []
    task = TaskQuestion(5, {"micrograph": micrographs(loop_workspace)[0].content_hash})
    answer_tasks(loop_workspace, studio, serving, [task], XML, progress=lambda *step: seen.append(step))
    assert seen == [(0, 1, "5"), (1, 1)]


def test_what_concerns_every_task_is_an_error_not_an_empty_prediction(loop_workspace, studio, serving, tmp_path):
    with pytest.raises(ConfigError, match="carbide"):
        answer_tasks(loop_workspace, studio, serving, [], labelling_config(["carbide"]))
    with pytest.raises(ConfigError):
        check_label_config(loop_workspace, "<View/>")
    check_label_config(loop_workspace, XML)


def test_without_label_studio_images_from_elsewhere_are_answered_and_its_own_are_not(tmp_path, serving):
    workspace = make_workspace(tmp_path / "unconnected", connected=False)
    inline = "data:image/png;base64," + base64.b64encode(png(disc(60, 100))).decode()
    (answer,) = answer_tasks(workspace, None, serving, [TaskQuestion(1, {"image": inline})], XML)
    (micrograph,) = micrographs(workspace)
    assert answer.source == "computed" and (micrograph.width, micrograph.height) == (160, 96)
    (again,) = answer_tasks(workspace, None, serving, [TaskQuestion(2, {"image": inline})], XML)
    assert again.source == "store" and again.regions == answer.regions
    with pytest.raises(ConfigError, match="curate connect"):
        answer_tasks(workspace, None, serving, [TaskQuestion(3, {"image": "/data/upload/1/x.png"})], XML)


def test_a_task_linked_with_another_micrograph_is_refused(loop_workspace, studio):
    first, second, _ = micrographs(loop_workspace)
    project = loop_workspace.project()
    with loop_workspace.writing() as session:
        link_task(session, project.id, first.id, LS_PROJECT, 44)
    question = TaskQuestion(44, {"micrograph": second.content_hash})
    with pytest.raises(CatalogError, match="another Label Studio"):
        link_micrograph(
            loop_workspace, project, question, task_micrograph(loop_workspace, studio, project, question, "image")
        )


def test_a_task_without_hash_is_known_by_its_link(loop_workspace, studio):
    project, first = loop_workspace.project(), micrographs(loop_workspace)[0]
    with loop_workspace.writing() as session:
        link_task(session, project.id, first.id, LS_PROJECT, 44)
    for data in ({"image": "/gone.png"}, {"micrograph": "0" * 64}, {"micrograph": 7}):
        assert task_micrograph(loop_workspace, studio, project, TaskQuestion(44, data), "image") == first
    with loop_workspace.reading() as session:
        assert task_link(session, project.id, LS_PROJECT, 45) is None


@pytest.mark.parametrize(
    ("address", "name"),
    [("data:image/png;base64,AAAA/x.png", "task_6"), ("http://h.test/a/b.tif?X-Amz=1/2", "b"), ("/data/", "task_6")],
)
def test_fetched_images_get_a_name(loop_workspace, studio, address, name):
    studio.images = {address: png(disc(60, 100))}
    question = TaskQuestion(6, {"image": address})
    found = task_micrograph(loop_workspace, studio, loop_workspace.project(), question, "image")
    assert (found.name, found.source_path) == (name, "Label Studio task 6")


def test_an_image_that_label_studio_has_not_is_told(loop_workspace, studio):
    question = TaskQuestion(6, {"image": "/data/none.png"})
    with pytest.raises(LabelStudioNotFoundError):
        task_micrograph(loop_workspace, studio, loop_workspace.project(), question, "image")


def test_two_calls_for_one_image_compute_it_once(loop_workspace, studio, serving, monkeypatch):
    """Label Studio gives up after 100 s and asks again while the first call still computes."""
    started, go_on, runs = threading.Event(), threading.Event(), []
    real = MatSam.segment

    def slow(self, pixels, ignored=None):
        runs.append(1)
        started.set()
        assert go_on.wait(20)
        return real(self, pixels, ignored=ignored)

    monkeypatch.setattr(MatSam, "segment", slow)
    task = TaskQuestion(5, {"micrograph": micrographs(loop_workspace)[0].content_hash})
    results = []

    def ask():
        results.append(answer_tasks(loop_workspace, studio, serving, [task], XML)[0].source)

    first, second = threading.Thread(target=ask), threading.Thread(target=ask)
    first.start()
    assert started.wait(20)
    second.start()
    second.join(0.5)
    go_on.set()
    first.join(20)
    second.join(20)
    assert sorted(results) == ["computed", "store"] and runs == [1]
