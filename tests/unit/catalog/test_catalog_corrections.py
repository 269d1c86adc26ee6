import itertools
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from matcurate.catalog import (
    CorrectionRecord,
    MicrographRecord,
    NewCorrection,
    NewPrediction,
    Outcome,
    PredictionRecord,
    ProjectRecord,
    TaskLink,
    add_micrograph,
    correction_of,
    create_project,
    ensure_model_version,
    link_task,
    list_corrections,
    open_catalog,
    predictions,
    reading,
    record_correction,
    retract_correction,
    writing,
)
from matcurate.catalog.corrections import revisions
from matcurate.errors import CatalogError
from tests.unit.catalog.catalog_samples import T0, annotation, image, key_of


def record(engine: Engine, task: TaskLink, new: NewCorrection) -> Outcome:
    with writing(engine) as session:
        return record_correction(session, task, new)


def stored(engine: Engine, task: TaskLink, ls_annotation_id: int = 7) -> CorrectionRecord:
    with reading(engine) as session:
        found = correction_of(session, task.project_id, ls_annotation_id)
    assert found is not None
    return found


def predict(engine: Engine, project: ProjectRecord, micrograph_id: int) -> PredictionRecord:
    with writing(engine) as session:
        version = ensure_model_version(
            session, project.id, "matsam-1", backbone="builtin", backbone_digest="00", preset="phases", settings={}
        )
        new = NewPrediction(
            micrograph_id=micrograph_id,
            model_version_id=version.id,
            phases_key=key_of(5),
            instances_key=None,
            score=0.5,
            phase_fractions={"matrix": 1.0},
        )
        return predictions.store_prediction(session, new)[0]


def test_a_correction_is_stored_with_all_that_was_said(engine: Engine, task: TaskLink, project: ProjectRecord) -> None:
    parent = predict(engine, project, task.micrograph_id)
    new = annotation(ratios={"matrix": 0.75, "gamma prime": 0.25}, parent_prediction_id=parent.id)
    assert record(engine, task, new) is Outcome.ADDED

    found = stored(engine, task)
    assert (found.project_id, found.micrograph_id) == (task.project_id, task.micrograph_id)
    assert (found.ls_project_id, found.ls_task_id, found.ls_annotation_id) == (3, 50, 7)
    assert found.ratios == {"matrix": 0.75, "gamma prime": 0.25}
    assert (found.annotator, found.lead_time, found.skipped) == ("ann@example.org", 12.5, False)
    assert (found.phases_key, found.result_key) == (key_of(1001), key_of(1000, ".json"))
    assert found.parent_prediction_id == parent.id
    assert (found.ls_created_at, found.ls_updated_at) == (T0, T0)
    assert found.received_at == T0 + timedelta(seconds=0.5)
    assert (found.revision, found.retracted_at) == (1, None)


def test_the_same_state_twice_is_one_correction(engine: Engine, task: TaskLink) -> None:
    outcomes = [record(engine, task, annotation()) for _ in range(3)]
    assert outcomes == [Outcome.ADDED, Outcome.UNCHANGED, Outcome.UNCHANGED]
    with reading(engine) as session:
        assert len(list_corrections(session, task.project_id)) == 1
        assert [r.revision for r in revisions(session, stored(engine, task).id)] == [1]


def test_a_newer_state_replaces_and_the_older_stays_in_the_history(engine: Engine, task: TaskLink) -> None:
    record(engine, task, annotation(seconds=0))
    outcome = record(engine, task, annotation(seconds=9, phases_key=key_of(1002), annotator="bo", lead_time=3.0))
    assert outcome is Outcome.UPDATED

    found = stored(engine, task)
    assert (found.revision, found.phases_key, found.annotator) == (2, key_of(1002), "bo")
    assert found.ls_updated_at == T0 + timedelta(seconds=9)
    with reading(engine) as session:
        history = revisions(session, found.id)
    assert [(r.revision, r.phases_key, r.annotator, r.lead_time) for r in history] == [
        (1, key_of(1001), "ann@example.org", 12.5),
        (2, key_of(1002), "bo", 3.0),
    ]
    assert [r.received_at - T0 for r in history] == [timedelta(seconds=0.5), timedelta(seconds=9.5)]


def test_an_older_state_that_arrives_late_changes_nothing(engine: Engine, task: TaskLink) -> None:
    record(engine, task, annotation(seconds=9, phases_key=key_of(1002)))
    before = stored(engine, task)
    assert record(engine, task, annotation(seconds=0)) is Outcome.STALE
    assert stored(engine, task) == before


def test_going_back_to_an_earlier_content_is_a_new_revision(engine: Engine, task: TaskLink) -> None:
    for second, number in enumerate((1001, 1002, 1001)):
        record(engine, task, annotation(seconds=second, phases_key=key_of(number)))
    with reading(engine) as session:
        history = revisions(session, stored(engine, task).id)
    assert [r.phases_key for r in history] == [key_of(1001), key_of(1002), key_of(1001)]
    assert history[0].digest == history[2].digest != history[1].digest


def test_saving_again_without_a_change_keeps_the_revision_but_notes_the_effort(engine: Engine, task: TaskLink) -> None:
    record(engine, task, annotation(seconds=0))
    assert record(engine, task, annotation(seconds=9, lead_time=40.0)) is Outcome.UNCHANGED
    found = stored(engine, task)
    assert (found.revision, found.lead_time) == (1, 40.0)
    assert record(engine, task, annotation(seconds=5, phases_key=key_of(1002))) is Outcome.STALE


@pytest.mark.parametrize(
    "change",
    [
        {"phases_key": None, "instances_key": None, "skipped": True},
        {"instances_key": key_of(1003, ".tif")},
        {"result_key": key_of(1004, ".json")},
        {"ratios": {"matrix": 1.0}},
    ],
)
def test_every_part_of_the_content_counts(engine: Engine, task: TaskLink, change: dict[str, object]) -> None:
    record(engine, task, annotation(seconds=0))
    assert record(engine, task, annotation(seconds=0, **change)) is Outcome.UPDATED
    found = stored(engine, task)
    assert {name: getattr(found, name) for name in change} == change


def test_the_parent_is_not_forgotten_when_a_later_state_does_not_name_it(
    engine: Engine, task: TaskLink, project: ProjectRecord
) -> None:
    parent = predict(engine, project, task.micrograph_id)
    record(engine, task, annotation(seconds=0, parent_prediction_id=parent.id))
    record(engine, task, annotation(seconds=1, phases_key=key_of(1002)))
    assert stored(engine, task).parent_prediction_id == parent.id


def test_the_parent_may_become_known_later(engine: Engine, task: TaskLink, project: ProjectRecord) -> None:
    record(engine, task, annotation(seconds=0))
    parent = predict(engine, project, task.micrograph_id)
    assert record(engine, task, annotation(seconds=0, parent_prediction_id=parent.id)) is Outcome.UNCHANGED
    assert stored(engine, task).parent_prediction_id == parent.id


def test_a_retracted_correction_is_kept_but_not_listed(engine: Engine, task: TaskLink) -> None:
    record(engine, task, annotation(seconds=0))
    gone = T0 + timedelta(seconds=20)
    with writing(engine) as session:
        first = retract_correction(session, task.project_id, 7, at=gone)
        again = retract_correction(session, task.project_id, 7)
        assert retract_correction(session, task.project_id, 8) is None
    assert first is not None and first.retracted_at == gone
    assert again == first
    with reading(engine) as session:
        assert list_corrections(session, task.project_id) == []
        kept = list_corrections(session, task.project_id, include_retracted=True)
    assert [(c.phases_key, c.retracted_at) for c in kept] == [(key_of(1001), gone)]


def test_an_annotation_seen_after_its_retraction_is_back(engine: Engine, task: TaskLink) -> None:
    record(engine, task, annotation(seconds=0))
    with writing(engine) as session:
        retract_correction(session, task.project_id, 7, at=T0 + timedelta(seconds=20))
    delayed = annotation(seconds=10, phases_key=key_of(1002))
    assert record(engine, task, delayed) is Outcome.UPDATED
    assert stored(engine, task).retracted_at is not None, "seen before it was deleted"

    seen_again = annotation(seconds=10, phases_key=key_of(1002), received_at=T0 + timedelta(seconds=30))
    assert record(engine, task, seen_again) is Outcome.UPDATED
    assert stored(engine, task).retracted_at is None
    assert record(engine, task, seen_again) is Outcome.UNCHANGED


def test_what_is_listed(engine: Engine, project: ProjectRecord, ingest: Callable[..., MicrographRecord]) -> None:
    links = []
    for number in (1, 2):
        micrograph = ingest(number)
        with writing(engine) as session:
            links.append(link_task(session, project.id, micrograph.id, 3, 50 + number))
    record(engine, links[0], annotation(1))
    record(engine, links[0], annotation(2))
    record(engine, links[1], annotation(3))
    record(engine, links[1], annotation(4, skipped=True, phases_key=None))
    record(engine, links[1], annotation(5, skipped=True, phases_key=None))
    with writing(engine) as session:
        retract_correction(session, project.id, 5)
        other = create_project(session, "other", ["a"], "phases")
    with reading(engine) as session:
        assert [c.ls_annotation_id for c in list_corrections(session, project.id)] == [1, 2, 3]
        assert len(list_corrections(session, project.id, include_skipped=True)) == 4
        assert len(list_corrections(session, project.id, include_skipped=True, include_retracted=True)) == 5
        assert list_corrections(session, other.id) == []
        listed = list_corrections(session, project.id, micrograph_id=links[1].micrograph_id, include_skipped=True)
    assert [c.ls_annotation_id for c in listed] == [3, 4]


def test_an_annotation_never_moves_to_another_image(
    engine: Engine, task: TaskLink, project: ProjectRecord, ingest: Callable[..., MicrographRecord]
) -> None:
    record(engine, task, annotation())
    micrograph = ingest(2)
    with writing(engine) as session:
        other = link_task(session, project.id, micrograph.id, 3, 51)
    with pytest.raises(CatalogError, match=r"annotation 7 of task 51 is known on another task.*curate init"):
        record(engine, other, annotation(seconds=5))
    assert stored(engine, task).micrograph_id == task.micrograph_id


def test_a_parent_of_another_image_is_refused_by_the_database(
    engine: Engine, task: TaskLink, project: ProjectRecord, ingest: Callable[..., MicrographRecord]
) -> None:
    foreign = predict(engine, project, ingest(2).id)
    with pytest.raises(CatalogError, match="refuses an inconsistent row"):
        record(engine, task, annotation(parent_prediction_id=foreign.id))
    with reading(engine) as session:
        assert list_corrections(session, project.id) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ls_updated_at": T0.replace(tzinfo=None)}, "no time zone"),
        ({"phases_key": None}, "needs phases or instances"),
    ],
)
def test_a_state_checks_itself(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        annotation(**change)


STATES = [annotation(seconds=s, phases_key=key_of(1000 + s), result_key=key_of(2000 + s, ".json")) for s in range(4)]


def test_every_order_of_arrival_ends_in_the_newest_state(tmp_path: Path) -> None:
    engine = open_catalog(f"sqlite:///{tmp_path}/catalog.db")
    for number, order in enumerate(itertools.permutations(STATES), start=1):
        with writing(engine) as session:
            project = create_project(session, f"p{number}", ["a"], "phases")
            micrograph, _ = add_micrograph(session, image(1), project.id)
            task = link_task(session, project.id, micrograph.id, 1, 1)
            for state in order:
                record_correction(session, task, state)
            found = correction_of(session, project.id, 7)
            assert found is not None
            assert (found.phases_key, found.ls_updated_at) == (STATES[3].phases_key, STATES[3].ls_updated_at)
            newest_so_far = {max(s.ls_updated_at for s in order[: i + 1]) for i in range(4)}
            assert found.revision == len(newest_so_far)
    engine.dispose()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=st.lists(st.sampled_from(range(4)), min_size=1, max_size=12))
def test_repeated_and_shuffled_webhooks_lose_and_double_nothing(
    arrivals: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    engine = open_catalog(f"sqlite:///{tmp_path_factory.mktemp('c')}/catalog.db")
    with writing(engine) as session:
        project = create_project(session, "p", ["a"], "phases")
        micrograph, _ = add_micrograph(session, image(1), project.id)
        task = link_task(session, project.id, micrograph.id, 1, 1)
        outcomes = [record_correction(session, task, STATES[i]) for i in arrivals]
        (found,) = list_corrections(session, project.id)
        history = revisions(session, found.id)
    engine.dispose()
    assert found.phases_key == STATES[max(arrivals)].phases_key
    assert [r.revision for r in history] == list(range(1, found.revision + 1))
    assert outcomes.count(Outcome.ADDED) == 1
    assert outcomes.count(Outcome.UPDATED) == found.revision - 1
    assert [r.ls_updated_at for r in history] == sorted({r.ls_updated_at for r in history})
