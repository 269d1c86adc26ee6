"""Scores that can be resumed, rankings, and leases under explicit clocks."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from matcurate.catalog import (
    MicrographRecord,
    NewPrediction,
    NewRanking,
    NewScore,
    ProjectRecord,
    TaskLink,
    annotated_micrographs,
    embedding_keys,
    ensure_model_version,
    leases,
    link_task,
    mark_gone,
    mark_pushed,
    mark_written,
    newest_ranking,
    pushed_predictions,
    reading,
    record_correction,
    retract_correction,
    scores_of,
    store_prediction,
    store_ranking,
    store_score,
    writing,
)
from matcurate.errors import CatalogError
from tests.unit.catalog.catalog_samples import T0, annotation, key_of

HOUR = timedelta(hours=1)
Ingest = Callable[..., MicrographRecord]


def version_of(engine: Engine, project: ProjectRecord, name: str = "v1") -> int:
    with writing(engine) as session:
        facts = {"backbone": "builtin", "backbone_digest": "0" * 64, "preset": "phases", "settings": {}}
        return ensure_model_version(session, project.id, name, **facts).id  # type: ignore[arg-type]


def score(micrograph_id: int, version: int, **changes: object) -> NewScore:
    values: dict[str, object] = {
        "micrograph_id": micrograph_id,
        "model_version_id": version,
        "scorer": "a",
        "scores": {"entropy": 0.25},
        "fractions": (0.75, 0.25),
        "embedding_key": key_of(5, ".npy"),
    }
    return NewScore(**(values | changes))  # type: ignore[arg-type]


def ranking(project: ProjectRecord, version: int, *chosen: int, **changes: object) -> NewRanking:
    values: dict[str, object] = {
        "project_id": project.id,
        "model_version_id": version,
        "strategy": "kcenter",
        "count": len(chosen),
        "quota": None,
        "seed": 0,
        "pool": 9,
        "who": "ann",
        "ls_project_id": 3,
        "chosen": chosen,
        "leased_until": T0 + 2 * HOUR,
    }
    return NewRanking(**(values | changes))  # type: ignore[arg-type]


def test_scores_are_kept_once_and_replaced_when_the_way_of_scoring_changes(
    engine: Engine, project: ProjectRecord, ingest: Ingest
) -> None:
    one, two, version = ingest(1).id, ingest(2).id, version_of(engine, project)
    with writing(engine) as session:
        store_score(session, score(one, version))
        again = store_score(session, score(one, version, scores={"entropy": 9.0}))
        store_score(session, score(two, version, scores={}, fractions=(), vacuity_key=key_of(6)))
    assert again.scores == {"entropy": 0.25} and again.fractions == (0.75, 0.25)
    with reading(engine) as session:
        assert list(scores_of(session, version, "a")) == [one, two] and scores_of(session, version, "b") == {}
        assert scores_of(session, version + 1, "a") == {}
    with writing(engine) as session:  # an embedding alone makes way for scores, other scores for newer ones
        assert store_score(session, score(two, version)).vacuity_key is None
        assert store_score(session, score(one, version, scorer="b", scores={"entropy": 1.5})).scores["entropy"] == 1.5
    with reading(engine) as session:
        assert list(scores_of(session, version, "a")) == [two] and list(scores_of(session, version, "b")) == [one]


def test_an_embedding_is_found_whatever_version_it_was_made_for(
    engine: Engine, project: ProjectRecord, ingest: Ingest
) -> None:
    one, old, new = ingest(1).id, version_of(engine, project), version_of(engine, project, "v2")
    with writing(engine) as session:
        store_score(session, score(one, old))
        assert embedding_keys(session, "a") == {one: key_of(5, ".npy")} and embedding_keys(session, "b") == {}
        store_score(session, score(one, new, embedding_key=key_of(7, ".npy")))
        assert embedding_keys(session, "a") == {one: key_of(7, ".npy")}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1])
def test_scores_are_finite_and_not_negative(value: float) -> None:
    with pytest.raises(ValueError, match="entropy"):
        score(1, 1, scores={"entropy": value})
    with pytest.raises(ValueError, match="fractions"):
        score(1, 1, fractions=(1.5, 0.0))


def test_a_lease_ends_and_nobody_gets_what_is_leased(engine: Engine, project: ProjectRecord, ingest: Ingest) -> None:
    a, b, c = (ingest(number).id for number in (1, 2, 3))
    version = version_of(engine, project)
    with writing(engine) as session:
        first = store_ranking(session, ranking(project, version, b, a), T0)
        assert first is not None and [(each.place, each.micrograph_id) for each in first.chosen] == [(0, b), (1, a)]
        assert store_ranking(session, ranking(project, version, c, a), T0 + HOUR) is None
        second = store_ranking(session, ranking(project, version, c, leased_until=T0 + 9 * HOUR), T0 + HOUR)
        assert second is not None
    with reading(engine) as session:
        assert [each.micrograph_id for each in leases(session, project.id, T0 + HOUR)] == [c, b, a]
        assert [each.micrograph_id for each in leases(session, project.id, T0 + 2 * HOUR)] == [c]  # b and a: just over
        assert leases(session, project.id, T0 + 9 * HOUR) == [] and leases(session, project.id + 1, T0) == []
    with writing(engine) as session:
        assert store_ranking(session, ranking(project, version, a, b), T0 + 2 * HOUR) is not None


def test_an_annotated_micrograph_is_neither_leased_nor_chosen_until_its_annotation_goes(
    engine: Engine, project: ProjectRecord, task: TaskLink
) -> None:
    version, one = version_of(engine, project), task.micrograph_id
    with writing(engine) as session:
        store_ranking(session, ranking(project, version, one), T0)
        record_correction(session, task, annotation(7, skipped=True, phases_key=None))
    with writing(engine) as session:
        assert annotated_micrographs(session, project.id) == {one} and leases(session, project.id, T0) == []
        assert store_ranking(session, ranking(project, version, one), T0 + HOUR) is None
        retract_correction(session, project.id, 7)
        assert annotated_micrographs(session, project.id) == set()
        assert [each.micrograph_id for each in leases(session, project.id, T0)] == [one]


def test_of_two_who_choose_the_same_at_once_one_has_to_choose_again(
    engine: Engine, project: ProjectRecord, ingest: Ingest
) -> None:
    one, version = ingest(1).id, version_of(engine, project)

    def choose(_: int) -> bool:
        with writing(engine) as session:
            return store_ranking(session, ranking(project, version, one), T0) is not None

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(choose, range(4))) == [False, False, False, True]


def test_a_ranking_is_written_when_it_is_said_to_be(engine: Engine, project: ProjectRecord, ingest: Ingest) -> None:
    one, version = ingest(1).id, version_of(engine, project)
    with writing(engine) as session:
        assert newest_ranking(session, project.id) is None
        stored = store_ranking(session, ranking(project, version, one), T0)
        assert stored is not None and newest_ranking(session, project.id) == stored
        assert (stored.written_at, stored.created_at, stored.strategy, stored.who) == (None, T0, "kcenter", "ann")
        assert mark_written(session, stored.id, T0 + HOUR).written_at == T0 + HOUR
        with pytest.raises(CatalogError, match="no ranking 99"):
            mark_written(session, 99)
    with pytest.raises(ValueError, match="once"):
        ranking(project, version, one, one)


def test_what_label_studio_holds_is_known_with_its_ids(engine: Engine, project: ProjectRecord, ingest: Ingest) -> None:
    version, other = version_of(engine, project), version_of(engine, project, "v2")
    micrographs = [ingest(number) for number in (1, 2, 3)]
    with writing(engine) as session:
        for at, micrograph in enumerate(micrographs):
            new = NewPrediction(
                micrograph_id=micrograph.id,
                model_version_id=version,
                phases_key=key_of(8),
                instances_key=None,
                score=0.5,
                phase_fractions={},
            )
            stored = store_prediction(session, new)[0]
            link = link_task(session, project.id, micrograph.id, 3, 60 - at)
            if at < 2:
                mark_pushed(session, stored, link, None if at else 500)
        held = pushed_predictions(session, 3, version)
        assert [(each.task.ls_task_id, each.prediction.micrograph_id, each.ls_prediction_id) for each in held] == [
            (59, micrographs[1].id, None),
            (60, micrographs[0].id, 500),
        ]
        assert pushed_predictions(session, 4, version) == pushed_predictions(session, 3, other) == []
        mark_gone(session, project.id, 3, 60)
        assert [each.task.ls_task_id for each in pushed_predictions(session, 3, version)] == [59]
