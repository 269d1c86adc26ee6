"""Jobs: asked for once, done once, stopped without loss; and the schedule that asks for them."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from learning_samples import add_disc, correct, half
from loop_samples import make_workspace, write_discs
from sqlalchemy import text

from matcurate.catalog import jobs as table
from matcurate.catalog.learning_records import JobState
from matcurate.config import WorkerSettings
from matcurate.errors import CatalogError, ConfigError
from matcurate.jobs import kinds as module
from matcurate.jobs import reporter as job_reporter
from matcurate.jobs.kinds import JobKind, job_of, jobs_of, ready, run_job
from matcurate.jobs.schedule import current_schedule, fire_schedule, parse_cron, schedule, unschedule
from matcurate.workflows.home import after_corrections, ask, queue
from matcurate.workflows.home import label_studio as home_module
from matcurate.workflows.home.queue import quiet_until
from matcurate.workflows.ingest import ingest_files
from matcurate.workflows.ranking import rank as rank_module

T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "home", connected=False)


@pytest.fixture
def kinds(monkeypatch):
    """Add kinds of our own to those there are."""

    def add(**runs):
        ours = {name: JobKind(name, "", run) for name, run in runs.items()}
        monkeypatch.setattr(module, "KINDS", {**module.KINDS, **ours})
        monkeypatch.setattr(queue, "KINDS", tuple(module.KINDS))

    return add


def go(workspace, job, stopping=None):
    return run_job(workspace, job.id, stopping or threading.Event())


def test_a_job_is_done_once_and_says_what_came_of_it(workspace, tmp_path):
    correct(workspace, add_disc(workspace, tmp_path / "in"), half())
    job, added = ask(workspace, "snapshot", "ann")
    assert added and (job.state, job.trigger) == (JobState.QUEUED, "ann") and ready(workspace) == [job]
    done = go(workspace, job)
    assert done.state is JobState.DONE and done.started_at <= done.finished_at
    assert {key: done.result[key] for key in ("added", "train", "validation", "refused")} == {
        "added": True, "train": 1, "validation": 0, "refused": [],
    }  # fmt: skip
    assert go(workspace, job) is None and ready(workspace) == []


def test_asking_again_brings_the_waiting_one_forward(workspace):
    first, _ = ask(workspace, "sync", "schedule")
    with workspace.writing() as session:
        table.put_off(session, first.id, datetime.now(UTC) + timedelta(hours=1))
    assert ready(workspace) == []
    again, added = ask(workspace, "sync", "ann")
    assert not added and again.id == first.id and again.trigger == "ann" and ready(workspace) == [again]
    with pytest.raises(CatalogError, match="no job 'train'; there are: sync, presegment, snapshot, retrain"):
        ask(workspace, "train", "ann")


def test_a_job_that_cannot_be_done_says_why(workspace):
    failed = go(workspace, ask(workspace, "snapshot", "ann")[0])
    assert failed.state is JobState.FAILED and "no usable correction" in failed.error
    job = ask(workspace, "sync", "ann")[0]
    assert "curate connect" in go(workspace, job).error
    assert [j.kind for j in jobs_of(workspace)] == ["sync", "snapshot"]
    assert ask(workspace, "sync", "ann")[1]  # a failed one stands in nobody's way


def test_a_defect_is_kept_and_not_swallowed(workspace, kinds):
    kinds(broken=lambda *_: {"x": 1 / 0})
    job, _ = ask(workspace, "broken", "ann")
    with pytest.raises(ZeroDivisionError):
        go(workspace, job)
    assert job_of(workspace, job.id).error == "defect: ZeroDivisionError: division by zero"


def test_one_at_a_time_of_a_kind(workspace, kinds):
    inside = []

    def outer(space, trigger, progress):
        waiting, added = ask(space, "train", "bob")
        inside.append((added, go(space, waiting), [j.kind for j in ready(space)]))
        other, _ = ask(space, "other", "bob")
        return {"other": go(space, other).state.value}

    kinds(train=outer, other=lambda *_: {})
    job, _ = ask(workspace, "train", "ann")
    assert go(workspace, job).result == {"other": "done"}  # another kind may run beside it
    assert inside == [(True, None, ["train"])]
    with pytest.raises(CatalogError, match="inconsistent row"), workspace.writing() as session:
        session.connection().execute(text("UPDATE job SET state = 'running'"))
        session.connection().execute(text("UPDATE job SET kind = 'train'"))


def test_progress_is_seen_while_it_runs(workspace, kinds, monkeypatch):
    monkeypatch.setattr(job_reporter, "PROGRESS_SECONDS", 0.0)
    seen = []

    def work(space, trigger, progress):
        for done in range(3):
            progress(done, 3, f"epoch {done}")
            (job,) = jobs_of(space)
            seen.append((job.state, job.done, job.total, job.note))
        return {}

    kinds(work=work)
    go(workspace, ask(workspace, "work", "ann")[0])
    assert seen == [(JobState.RUNNING, done, 3, f"epoch {done}") for done in range(3)]


def test_progress_is_not_written_for_every_step(workspace, kinds, monkeypatch):
    written = []
    monkeypatch.setattr(job_reporter, "report_progress", lambda session, job, *said: written.append(said))
    kinds(work=lambda space, trigger, progress: [progress(n, 100) for n in range(101)] and {})
    go(workspace, ask(workspace, "work", "ann")[0])
    assert written[0] == (0, 100, "") and written[-1] == (100, 100, "") and len(written) < 20


def test_a_busy_catalog_fails_no_job(workspace, kinds, monkeypatch, caplog):
    def busy(*_):
        raise CatalogError("the catalog is busy")

    monkeypatch.setattr(job_reporter, "report_progress", busy)
    kinds(work=lambda space, trigger, progress: progress(1, 1) or {"kept": True})
    assert go(workspace, ask(workspace, "work", "ann")[0]).result == {"kept": True}
    assert "the catalog is busy" in caplog.text


def test_a_stopped_job_waits_again(workspace, kinds):
    stopping = threading.Event()

    def work(space, trigger, progress):
        stopping.set()
        progress(1, 2)
        pytest.fail("was not stopped")

    kinds(work=work)
    job, _ = ask(workspace, "work", "ann")
    with pytest.raises(KeyboardInterrupt):
        go(workspace, job, stopping)
    assert [(j.id, j.started_at) for j in ready(workspace)] == [(job.id, None)]


def test_a_stopped_job_gives_way_to_one_that_waits(workspace, kinds):
    stopping = threading.Event()

    def work(space, trigger, progress):
        ask(space, "work", "bob")
        stopping.set()
        progress(1, 2)

    kinds(work=work)
    job, _ = ask(workspace, "work", "ann")
    with pytest.raises(KeyboardInterrupt):
        go(workspace, job, stopping)
    assert job_of(workspace, job.id).state is JobState.FAILED
    assert [j.trigger for j in ready(workspace)] == ["bob"]


def test_a_job_whose_worker_is_gone_blocks_nobody(workspace, kinds):
    kinds(work=lambda *_: {})
    lost, _ = ask(workspace, "work", "ann")
    with workspace.writing() as session:
        assert table.begin_job(session, 1, lost.id).state is JobState.RUNNING
    later, _ = ask(workspace, "work", "ann")
    assert go(workspace, later) is None  # it may be alive
    with workspace.writing() as session:
        table.give_up_lost_jobs(session, datetime.now(UTC) + table.LEASE + timedelta(seconds=1))
    assert "worker that ran it is gone" in job_of(workspace, lost.id).error
    assert go(workspace, later).state is JobState.DONE
    with workspace.writing() as session:
        table.finish_job(session, lost.id, {"late": True})  # it was alive after all: too late
    assert job_of(workspace, lost.id).state is JobState.FAILED


def test_the_heartbeat_keeps_a_quiet_job_alive(workspace, kinds, monkeypatch):
    monkeypatch.setattr(job_reporter, "HEARTBEAT_SECONDS", 0.02)
    found = []

    def work(space, trigger, progress):
        first = jobs_of(space)[0].alive_at
        for _ in range(200):
            found.append(jobs_of(space)[0].alive_at > first)
            if found[-1]:
                break
            threading.Event().wait(0.02)
        return {}

    kinds(work=work)
    go(workspace, ask(workspace, "work", "ann")[0])
    assert found[-1]
    assert not [t for t in threading.enumerate() if t.name.endswith("alive")]


def test_another_projects_jobs_are_left_alone(workspace):
    from matcurate.workflows.home import initialise, open_workspace

    job, _ = ask(workspace, "snapshot", "ann")
    initialise(workspace.settings, "second", ("a",), "phases")
    other = open_workspace(workspace.settings.model_copy(update={"project": "second"}))
    assert ready(other) == [] and go(other, job) is None
    with pytest.raises(CatalogError, match="belongs to another project"):
        job_of(other, job.id)


@pytest.mark.parametrize(
    ("minutes_since_first", "wait"),
    [(0, 120), (10, 120), (28, 120), (29, 60), (30, 0), (40, -600)],
)
def test_corrections_put_the_work_off_but_not_for_ever(minutes_since_first, wait):
    settings = WorkerSettings(quiet_seconds=120, longest_wait_seconds=1800)
    now = T0 + timedelta(minutes=minutes_since_first)
    assert quiet_until(T0, now, settings) == now + timedelta(seconds=wait)


def test_corrections_ask_once_however_many_come(workspace):
    first = after_corrections(workspace)
    second = after_corrections(workspace)
    assert first.id == second.id and second.not_before > first.not_before > datetime.now(UTC)
    assert (second.kind, second.trigger) == ("retrain", "corrections") and ready(workspace) == []
    ask(workspace, "retrain", "ann")
    third = after_corrections(workspace)
    assert third.id == first.id and ready(workspace) == [third]  # a person asked: it is not put off again


@pytest.mark.parametrize(
    ("cron", "fitting", "other"),
    [
        ("0 2 * * *", "2026-11-21T02:00:30", "2026-11-21T02:01:00"),
        ("*/15 9-17 * * 1-5", "2026-11-20T09:45:00", "2026-11-21T09:45:00"),  # a Friday, a Saturday
        ("30 6 1,15 * *", "2026-11-15T06:30:00", "2026-11-16T06:30:00"),
        ("0 0 * * 7", "2026-11-22T00:00:00", "2026-11-23T00:00:00"),
    ],
)
def test_cron_expressions(cron, fitting, other):
    fits = parse_cron(cron)
    assert fits(datetime.fromisoformat(fitting)) and not fits(datetime.fromisoformat(other))


@pytest.mark.parametrize("cron", ["", "0 2 * *", "0 2 * * * *", "60 2 * * *", "0 25 * * *", "x 2 * * *", "*/0 * * * *"])
def test_what_is_no_cron_expression(cron):
    with pytest.raises(ConfigError, match="0 2"):
        parse_cron(cron)


def test_the_schedule_is_stored_replaced_and_removed(workspace):
    assert current_schedule(workspace) is None and not unschedule(workspace)
    schedule(workspace, "0  2 * * *")
    assert schedule(workspace, "5 3 * * *").cron == "5 3 * * *"
    with pytest.raises(ConfigError):
        schedule(workspace, "99 3 * * *")
    assert current_schedule(workspace).cron == "5 3 * * *"
    assert unschedule(workspace) and current_schedule(workspace) is None


def test_the_schedule_fires_once_a_minute_in_its_own_zone(workspace):
    schedule(workspace, "0 2 * * *")
    delhi = timezone(timedelta(hours=5, minutes=30))
    night = datetime(2026, 11, 22, 2, 0, 5, tzinfo=delhi)
    assert fire_schedule(workspace, night.astimezone(UTC)) is None  # 20:30 there
    assert fire_schedule(workspace, night).kind == "sync"
    assert fire_schedule(workspace, night + timedelta(seconds=50)) is None
    assert fire_schedule(workspace, night + timedelta(minutes=1)) is None
    assert fire_schedule(workspace, night + timedelta(days=1)) is not None
    assert len(jobs_of(workspace)) == 1  # the one of yesterday still waits


def test_scheduled_jobs_follow_each_other_also_after_a_failure(workspace, kinds):
    def fail(*_):
        raise CatalogError("Label Studio is down")

    kinds(sync=fail, presegment=lambda *_: {})
    schedule(workspace, "* * * * *")
    fire_schedule(workspace, T0)
    order = []
    while waiting := ready(workspace):
        order.append((waiting[0].kind, go(workspace, waiting[0]).state.value))
    assert order == [("sync", "failed"), ("presegment", "done"), ("retrain", "done")]
    ask(workspace, "sync", "ann")
    go(workspace, ready(workspace)[0])
    assert ready(workspace) == []  # a person asked for one job only


@pytest.fixture
def connected(tmp_path, studio, monkeypatch):
    """Three micrographs, and a Label Studio of the tests."""
    for holder in (rank_module, home_module):  # the first imports the function, the others ask for it when they run
        monkeypatch.setattr(holder, "label_studio_client", lambda settings: studio)
    workspace = make_workspace(tmp_path / "home")
    ingest_files(workspace, write_discs(tmp_path / "images", 3))
    return workspace


def test_the_jobs_do_the_loop(connected, studio):
    done = go(connected, ask(connected, "presegment", "ann")[0])
    assert (done.state, done.error) == (JobState.DONE, None)
    assert {key: done.result[key] for key in ("predicted", "tasks", "predictions", "failed")} == {
        "predicted": 3, "tasks": 3, "predictions": 3, "failed": [],
    }  # fmt: skip
    assert studio.model_version == done.result["model_version"]
    for prediction in list(studio.stored_predictions.values()):
        studio.annotate(prediction.task_id, prediction.result, parent_prediction=prediction.id)
    pulled = go(connected, ask(connected, "sync", "ann")[0])
    assert (pulled.result["added"], pulled.result["failed"]) == (3, [])
    (asked,) = [job for job in jobs_of(connected) if job.state is JobState.QUEUED]
    assert (asked.kind, asked.trigger) == ("retrain", "corrections") and ready(connected) == []
    frozen = go(connected, ask(connected, "snapshot", "ann")[0])
    assert frozen.result["train"] + frozen.result["validation"] == 3
    tried = go(connected, ask(connected, "retrain", "ann")[0])
    assert (tried.id, tried.state) == (asked.id, JobState.FAILED)  # a person is not asked whether it is due
    assert tried.error is not None and tried.error.startswith("3 usable corrections, 4 needed to train")
    again = go(connected, ask(connected, "sync", "ann")[0])
    assert again.result["unchanged"] == 3
    assert not [job for job in jobs_of(connected) if job.state is JobState.QUEUED]  # nothing new, nothing asked for


@pytest.mark.parametrize("kind", sorted(module.KINDS))
def test_every_kind_ends_with_a_result_or_a_reason_and_may_be_repeated(connected, kind):
    assert module.KINDS[kind].name == kind and module.KINDS[kind].purpose
    ends = [go(connected, ask(connected, kind, "ann")[0]) for _ in range(2)]
    assert ends[0].id != ends[1].id
    for end in ends:
        assert (end.state is JobState.DONE) == (end.result is not None) == (end.error is None)
        assert (end.state, end.error) == (ends[0].state, ends[0].error)
    assert tuple(module.KINDS) == queue.KINDS
    assert set(module.SCHEDULED) <= module.KINDS.keys() and queue.AFTER_CORRECTIONS in module.KINDS
