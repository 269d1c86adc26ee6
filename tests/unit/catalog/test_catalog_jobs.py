"""Jobs under concurrency: asked for once, begun once, whoever comes first."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from matcurate.catalog.engine import reading, writing
from matcurate.catalog.jobs import begin_job, finish_job, list_jobs, mark_fired, queue_job, ready_jobs, set_schedule
from matcurate.catalog.records import ProjectRecord

MINUTE = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def at_once(engine: Engine, work: Callable[..., object], times: int = 8) -> list[object]:
    def one(_: int) -> object:
        with writing(engine) as session:
            return work(session)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def test_many_who_ask_get_one_job(engine: Engine, project: ProjectRecord) -> None:
    answers = at_once(engine, lambda session: queue_job(session, project.id, "train", "ann"))
    assert sorted(added for _, added in answers) == [False] * 7 + [True]  # type: ignore[misc]
    assert len({job.id for job, _ in answers}) == 1  # type: ignore[misc]


def test_many_workers_begin_it_once(engine: Engine, project: ProjectRecord) -> None:
    with writing(engine) as session:
        job, _ = queue_job(session, project.id, "train", "ann")
    begun = at_once(engine, lambda session: begin_job(session, project.id, job.id))
    assert sum(each is not None for each in begun) == 1
    with writing(engine) as session:
        later, added = queue_job(session, project.id, "train", "bob")
        assert added and begin_job(session, project.id, later.id) is None
        finish_job(session, job.id, {"dice": 0.9})
        assert begin_job(session, project.id, later.id) is not None
    with reading(engine) as session:
        assert [(j.state, j.result) for j in list_jobs(session, project.id)] == [
            ("running", None),
            ("done", {"dice": 0.9}),
        ]


def test_many_workers_fire_a_minute_once(engine: Engine, project: ProjectRecord) -> None:
    with writing(engine) as session:
        set_schedule(session, project.id, "0 2 * * *")
    assert sorted(at_once(engine, lambda session: mark_fired(session, project.id, MINUTE))) == [False] * 7 + [True]
    with writing(engine) as session:
        assert mark_fired(session, project.id, MINUTE + timedelta(days=1))


def test_what_is_ready_comes_in_the_order_of_asking(engine: Engine, project: ProjectRecord) -> None:
    with writing(engine) as session:
        queue_job(session, project.id, "b", "ann", MINUTE)
        queue_job(session, project.id, "a", "ann", MINUTE + timedelta(hours=1))
        queue_job(session, project.id, "c", "ann", MINUTE)
    with reading(engine) as session:
        assert [j.kind for j in ready_jobs(session, project.id, MINUTE)] == ["b", "c"]
        assert [j.kind for j in ready_jobs(session, project.id, MINUTE + timedelta(hours=1))] == ["b", "a", "c"]
