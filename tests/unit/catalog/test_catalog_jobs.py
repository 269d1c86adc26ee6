"""Jobs under concurrency: asked for once, begun once, whoever comes first."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from matcurate.catalog import (
    ProjectRecord,
    add_job,
    begin_job,
    end_job,
    keep_alive,
    list_jobs,
    mark_fired,
    reading,
    requeue_job,
    set_schedule,
    unfinished_jobs,
    workers_alive,
    writing,
)

MINUTE = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def at_once(engine: Engine, work: Callable[..., object], times: int = 8) -> list[object]:
    def one(_: int) -> object:
        with writing(engine) as session:
            return work(session)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def test_many_who_ask_get_one_job(engine: Engine, project: ProjectRecord) -> None:
    answers = at_once(engine, lambda session: add_job(session, project.id, "train", "ann"))
    assert sorted(added for _, added in answers) == [False] * 7 + [True]  # type: ignore[misc]
    assert len({job.id for job, _ in answers}) == 1  # type: ignore[misc]


def test_a_job_ends_once_and_only_waiting_ones_are_shared(engine: Engine, project: ProjectRecord) -> None:
    with writing(engine) as session:
        job, _ = add_job(session, project.id, "train", "ann")
        assert (
            begin_job(session, job.id) is not None and begin_job(session, job.id) is not None
        )  # its worker was killed
        later, added = add_job(session, project.id, "train", "bob")
        assert added and later.id != job.id
    assert sorted(at_once(engine, lambda session: end_job(session, job.id, {"dice": 0.9}))) == [False] * 7 + [True]
    with writing(engine) as session:
        assert begin_job(session, job.id) is None and not end_job(session, job.id, error="late")
        assert [each.id for each in unfinished_jobs(session, project.id)] == [later.id]
    with reading(engine) as session:
        assert [(j.state, j.result) for j in list_jobs(session, project.id)] == [
            ("queued", None),
            ("done", {"dice": 0.9}),
        ]


def test_a_stopped_job_waits_again_unless_another_does(engine: Engine, project: ProjectRecord) -> None:
    with writing(engine) as session:
        job, _ = add_job(session, project.id, "train", "ann")
        begin_job(session, job.id)
        requeue_job(session, job.id)
        assert add_job(session, project.id, "train", "bob") == (list_jobs(session, project.id)[0], False)
        begin_job(session, job.id)
        add_job(session, project.id, "train", "bob")
        requeue_job(session, job.id)
        assert [each.started_at is None for each in unfinished_jobs(session, project.id)] == [False, True]


def test_workers_are_alive_for_a_while(engine: Engine, project: ProjectRecord) -> None:
    with writing(engine) as session:
        for _ in range(2):
            keep_alive(session, "here-0")
    with reading(engine) as session:
        assert workers_alive(session, timedelta(minutes=1)) == {"here-0"}
        assert workers_alive(session, timedelta(0)) == set()


def test_many_workers_fire_a_minute_once(engine: Engine, project: ProjectRecord) -> None:
    with writing(engine) as session:
        set_schedule(session, project.id, "0 2 * * *")
    assert sorted(at_once(engine, lambda session: mark_fired(session, project.id, MINUTE))) == [False] * 7 + [True]
    with writing(engine) as session:
        assert mark_fired(session, project.id, MINUTE + timedelta(days=1))
