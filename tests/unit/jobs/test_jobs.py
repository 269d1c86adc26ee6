"""Jobs: asked for once, done once, stopped without loss; and the schedule that asks for them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from matcurate.catalog import JobState
from matcurate.catalog import jobs as table
from matcurate.config import Settings, WorkerSettings
from matcurate.errors import CatalogError, ConfigError
from matcurate.jobs import kinds as module
from matcurate.jobs import reporter as job_reporter
from matcurate.jobs import schedule as clock
from matcurate.jobs.kinds import JobKind
from matcurate.jobs.queue import cancel, job_of, jobs_of, reconcile
from matcurate.jobs.schedule import current_schedule, fire_schedule, schedule, unschedule
from matcurate.workflows.home import after_corrections, enqueue, queue, queue_client, statuses
from matcurate.workflows.home.queue import quiet_until
from matcurate.workflows.ingest import ingest_files
from tests.unit.job_samples import run_job
from tests.unit.learning_samples import add_disc, correct, half
from tests.unit.loop_samples import make_workspace, write_discs

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
    run_job(workspace, job.id, stopping)
    return job_of(workspace, job.id)


def waiting(workspace):
    """Jobs that a worker would begin now, the oldest first."""
    jobs = [job for job in reversed(jobs_of(workspace)) if job.state is JobState.QUEUED]
    known = statuses(workspace, jobs)
    return [job for job in jobs if job.not_before <= datetime.now(UTC) and known[job.workflow_id] != "PENDING"]


def test_a_job_is_done_once_and_says_what_came_of_it(workspace, tmp_path):
    correct(workspace, add_disc(workspace, tmp_path / "in"), half())
    job, added = enqueue(workspace, "snapshot", "ann")
    assert added and (job.state, job.trigger) == (JobState.QUEUED, "ann") and waiting(workspace) == [job]
    done = go(workspace, job)
    assert done.state is JobState.DONE and done.started_at <= done.finished_at
    assert {key: done.result[key] for key in ("added", "train", "validation", "refused")} == {
        "added": True, "train": 1, "validation": 0, "refused": [],
    }  # fmt: skip
    assert go(workspace, job) == done and waiting(workspace) == []


def delay_of(workspace, job):
    """Until when it waits in the queue."""
    with queue_client(workspace.settings) as client:
        return client.retrieve_workflow(job.workflow_id).get_status().delay_until_epoch_ms / 1000


def test_asking_again_brings_the_waiting_one_forward(workspace):
    first = after_corrections(workspace)
    assert statuses(workspace, [first]) == {first.workflow_id: "DELAYED"} and waiting(workspace) == []
    again, added = enqueue(workspace, "retrain", "ann")
    assert not added and again.id == first.id and again.trigger == "ann" and waiting(workspace) == [again]
    assert abs(delay_of(workspace, again) - again.not_before.timestamp()) < 0.01
    with pytest.raises(CatalogError, match="no job 'train'; there are: sync, presegment, snapshot, retrain"):
        enqueue(workspace, "train", "ann")


def test_a_job_that_cannot_be_done_says_why(workspace):
    failed = go(workspace, enqueue(workspace, "snapshot", "ann")[0])
    assert failed.state is JobState.FAILED and "no usable correction" in failed.error
    job = enqueue(workspace, "sync", "ann")[0]
    assert "curate connect" in go(workspace, job).error
    assert [j.kind for j in jobs_of(workspace)] == ["sync", "snapshot"]
    assert enqueue(workspace, "sync", "ann")[1]  # a failed one stands in nobody's way


def test_a_defect_is_kept_and_logged(workspace, kinds, caplog):
    kinds(broken=lambda *_: {"x": 1 / 0})
    job, _ = enqueue(workspace, "broken", "ann")
    assert go(workspace, job).error == "defect: ZeroDivisionError: division by zero"
    assert "Traceback" in caplog.text


def test_one_of_a_kind_waits_beside_the_one_that_runs(workspace, kinds):
    asked = []

    def work(space, job, progress):
        asked.extend(enqueue(space, "work", who) for who in ("bob", "eve"))
        return {}

    kinds(work=work)
    job, _ = enqueue(workspace, "work", "ann")
    assert go(workspace, job).state is JobState.DONE
    assert [(other.id, other.trigger, added) for other, added in asked] == [(2, "bob", True), (2, "eve", False)]
    with pytest.raises(CatalogError, match="inconsistent row"), workspace.writing() as session:
        session.connection().execute(text("UPDATE job SET started_at = NULL, finished_at = NULL"))


def test_a_waiting_job_is_cancelled(workspace):
    job, _ = enqueue(workspace, "snapshot", "ann")
    gone = cancel(workspace, job.id, "bob")
    assert (gone.state, gone.error) == (JobState.FAILED, "cancelled by bob")
    assert statuses(workspace, [job]) == {job.workflow_id: "CANCELLED"}
    assert go(workspace, job) == gone  # what a worker has taken already is not begun
    assert enqueue(workspace, "snapshot", "ann")[1]
    with pytest.raises(CatalogError, match="job 1 has ended already"):
        cancel(workspace, job.id, "bob")


def test_a_running_job_is_cancelled_at_its_next_report(workspace, kinds):
    def work(space, job, progress):
        cancel(space, job.id, "bob")
        progress(1, 1)
        pytest.fail("was not stopped")

    kinds(work=work)
    job, _ = enqueue(workspace, "work", "ann")
    with pytest.raises(KeyboardInterrupt):
        go(workspace, job)
    assert job_of(workspace, job.id).error == "cancelled by bob"


def test_what_the_catalog_has_and_the_queue_not_is_put_there(workspace):
    with workspace.writing() as session:  # a process that was killed while it asked
        job, _ = table.add_job(session, workspace.project().id, "snapshot", "ann")
    assert statuses(workspace, [job]) == {} and job_of(workspace, job.id).state is JobState.QUEUED
    for _ in range(2):
        reconcile(workspace)
        assert statuses(workspace, [job]) == {job.workflow_id: "ENQUEUED"}


def test_what_the_queue_has_given_up_has_failed(workspace):
    jobs = [enqueue(workspace, kind, "ann")[0] for kind in ("sync", "rank")]
    with queue_client(workspace.settings) as client, client._sys_db.engine.begin() as connection:
        for job, status in zip(jobs, ("MAX_RECOVERY_ATTEMPTS_EXCEEDED", "ERROR"), strict=True):
            values = {"status": status, "id": job.workflow_id}
            connection.execute(text("UPDATE workflow_status SET status = :status WHERE workflow_uuid = :id"), values)
    reasons = ["defect: see the worker's log", "the worker was killed 20 times while it ran this"]
    assert [(job.state, job.error) for job in jobs_of(workspace)] == [(JobState.FAILED, each) for each in reasons]
    reconcile(workspace)
    with workspace.reading() as session:
        assert [job.error for job in table.list_jobs(session, 1)] == reasons


def test_what_is_in_the_queue_is_json(workspace):
    enqueue(workspace, "snapshot", "ann")
    with queue_client(workspace.settings) as client, client._sys_db.engine.connect() as connection:
        query = "SELECT i.inputs, serialization FROM workflow_input i JOIN workflow_status USING (workflow_uuid)"
        stored = connection.execute(text(query)).one()
    assert tuple(stored) == ('{"namedArgs":{},"positionalArgs":[1]}', "portable_json")


def test_progress_is_seen_while_it_runs(workspace, kinds, monkeypatch):
    monkeypatch.setattr(job_reporter, "PROGRESS_SECONDS", 0.0)
    seen = []

    def work(space, job, progress):
        for done in range(3):
            progress(done, 3, f"epoch {done}")
            with space.reading() as session:
                (row,) = table.list_jobs(session, 1)
            seen.append((row.state, row.done, row.total, row.note))
        return {}

    kinds(work=work)
    go(workspace, enqueue(workspace, "work", "ann")[0])
    assert seen == [(JobState.RUNNING, done, 3, f"epoch {done}") for done in range(3)]


def test_progress_is_not_written_for_every_step(workspace, kinds, monkeypatch):
    written = []
    monkeypatch.setattr(job_reporter, "report_progress", lambda session, job, *said: written.append(said) or True)
    kinds(work=lambda space, job, progress: [progress(n, 100) for n in range(101)] and {})
    go(workspace, enqueue(workspace, "work", "ann")[0])
    assert written[0] == ("", (0, 100)) and written[-1] == ("", (100, 100)) and len(written) < 20


def test_a_busy_catalog_fails_no_job(workspace, kinds, monkeypatch, caplog):
    def busy(*_):
        raise CatalogError("the catalog is busy")

    monkeypatch.setattr(job_reporter, "report_progress", busy)
    kinds(work=lambda space, job, progress: progress(1, 1) or {"kept": True})
    assert go(workspace, enqueue(workspace, "work", "ann")[0]).result == {"kept": True}
    assert "the catalog is busy" in caplog.text


def test_another_projects_jobs_are_left_alone(workspace):
    from matcurate.workflows.home import initialise, open_workspace

    job, _ = enqueue(workspace, "snapshot", "ann")
    initialise(workspace.settings, "second", ("a",), "phases")
    other = open_workspace(workspace.settings.model_copy(update={"project": "second"}))
    assert jobs_of(other) == [] and queue.queue_name(other.project()) != queue.queue_name(workspace.project())
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
    assert (second.kind, second.trigger) == ("retrain", "corrections") and waiting(workspace) == []
    assert abs(delay_of(workspace, second) - second.not_before.timestamp()) < 0.01
    enqueue(workspace, "retrain", "ann")
    third = after_corrections(workspace)
    assert third.id == first.id and waiting(workspace) == [third]  # a person asked: it is not put off again


@pytest.mark.parametrize(
    ("cron", "fitting", "other"),
    [
        ("0 2 * * *", "2026-11-21T02:00:30", "2026-11-21T02:01:00"),
        ("*/15 9-17 * * 1-5", "2026-11-20T09:45:00", "2026-11-21T09:45:00"),  # a Friday, a Saturday
        ("30 6 1,15 * *", "2026-11-15T06:30:00", "2026-11-16T06:30:00"),
        ("0 0 * * 7", "2026-11-22T00:00:00", "2026-11-23T00:00:00"),
        ("0 2 1-7 * 1", "2026-12-07T02:00:00", "2026-12-03T02:00:00"),  # the first Monday, not every day until the 7th
    ],
)
def test_all_five_fields_must_fit(workspace, monkeypatch, cron, fitting, other):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    schedule(workspace, cron)
    moments = [datetime.fromisoformat(f"{moment}+05:30").astimezone(UTC) for moment in (other, fitting)]
    assert [fire_schedule(workspace, moment) is not None for moment in moments] == [False, True]


@pytest.mark.parametrize(
    "cron", ["", "0 2 * *", "0 2 * * * *", "@daily", "60 2 * * *", "0 25 * * *", "x 2 * * *", "*/0 * * * *"]
)
def test_what_is_no_cron_expression(workspace, cron):
    with pytest.raises(ConfigError, match="0 2"):
        schedule(workspace, cron)


def test_the_schedule_is_stored_replaced_and_removed(workspace):
    assert current_schedule(workspace) is None and not unschedule(workspace)
    schedule(workspace, "0  2 * * *")
    assert schedule(workspace, "5 3 * * *").cron == "5 3 * * *"
    with pytest.raises(ConfigError):
        schedule(workspace, "99 3 * * *")
    assert current_schedule(workspace).cron == "5 3 * * *"
    assert unschedule(workspace) and current_schedule(workspace) is None


def test_the_schedule_fires_once_a_minute_in_its_own_zone(workspace, monkeypatch):
    monkeypatch.setattr(clock, "local_zone", lambda: "Asia/Kolkata")
    schedule(workspace, "0 2 * * *")
    delhi = timezone(timedelta(hours=5, minutes=30))
    night = datetime(2026, 11, 22, 2, 0, 5, tzinfo=delhi)
    assert fire_schedule(workspace, night.replace(tzinfo=UTC)) is None  # half past seven there
    assert fire_schedule(workspace, night.astimezone(UTC)).kind == "sync"
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
    while jobs := waiting(workspace):
        order.append((jobs[0].kind, go(workspace, jobs[0]).state.value))
    assert order == [("sync", "failed"), ("presegment", "done"), ("retrain", "done")]
    enqueue(workspace, "sync", "ann")
    go(workspace, waiting(workspace)[0])
    assert waiting(workspace) == []  # a person asked for one job only


@pytest.fixture
def connected(tmp_path, studio, monkeypatch):
    """Three micrographs, and a Label Studio of the tests."""
    monkeypatch.setattr(module, "label_studio_client", lambda settings: studio)
    workspace = make_workspace(tmp_path / "home")
    ingest_files(workspace, write_discs(tmp_path / "images", 3))
    return workspace


def test_the_jobs_do_the_loop(connected, studio):
    done = go(connected, enqueue(connected, "presegment", "ann")[0])
    assert (done.state, done.error) == (JobState.DONE, None)
    assert {key: done.result[key] for key in ("predicted", "tasks", "predictions", "failed")} == {
        "predicted": 3, "tasks": 3, "predictions": 3, "failed": [],
    }  # fmt: skip
    assert studio.model_version == done.result["model_version"]
    for prediction in list(studio.stored_predictions.values()):
        studio.annotate(prediction.task_id, prediction.result, parent_prediction=prediction.id)
    pulled = go(connected, enqueue(connected, "sync", "ann")[0])
    assert (pulled.result["added"], pulled.result["failed"]) == (3, [])
    (asked,) = [job for job in jobs_of(connected) if job.state is JobState.QUEUED]
    assert (asked.kind, asked.trigger) == ("retrain", "corrections") and waiting(connected) == []
    frozen = go(connected, enqueue(connected, "snapshot", "ann")[0])
    assert frozen.result["train"] + frozen.result["validation"] == 3
    tried = go(connected, enqueue(connected, "retrain", "ann")[0])
    assert (tried.id, tried.state) == (asked.id, JobState.FAILED)  # a person is not asked whether it is due
    assert tried.error is not None and tried.error.startswith("3 usable corrections, 4 needed to train")
    again = go(connected, enqueue(connected, "sync", "ann")[0])
    assert again.result["unchanged"] == 3
    assert not [job for job in jobs_of(connected) if job.state is JobState.QUEUED]  # nothing new, nothing asked for


@pytest.mark.parametrize("kind", sorted(module.KINDS))
def test_every_kind_ends_with_a_result_or_a_reason_and_may_be_repeated(connected, kind):
    assert module.KINDS[kind].name == kind and module.KINDS[kind].purpose
    ends = [go(connected, enqueue(connected, kind, "ann")[0]) for _ in range(2)]
    assert ends[0].id != ends[1].id
    for end in ends:
        assert (end.state is JobState.DONE) == (end.result is not None) == (end.error is None)
        assert (end.state, end.error) == (ends[0].state, ends[0].error)
    assert tuple(module.KINDS) == queue.KINDS
    assert set(clock.SCHEDULED) <= module.KINDS.keys() and queue.AFTER_CORRECTIONS in module.KINDS


def test_redis_is_left_out_and_other_queues_are_refused(tmp_path):
    with pytest.warns(FutureWarning, match="Redis is not used any more"):
        assert WorkerSettings(queue_url="redis://localhost:6379/0").queue_url is None
    with pytest.raises(ValueError, match="postgresql://USER@HOST/NAME"):
        WorkerSettings(queue_url="mysql://host/x")
    catalog, jobs = "postgres://ann@db/lab", "postgresql+psycopg://ann@db/jobs"
    assert Settings(home=tmp_path).resolved_queue_url == f"sqlite:///{tmp_path / 'jobs.db'}"
    assert Settings(home=tmp_path, database_url=catalog).resolved_queue_url == "postgresql://ann@db/lab"
    both = Settings(home=tmp_path, database_url=catalog, worker=WorkerSettings(queue_url=jobs))
    assert both.resolved_queue_url == "postgresql://ann@db/jobs"
