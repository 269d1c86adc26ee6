"""A home that the last version with a job table of its own has left: nothing that waits is lost."""

import sqlite3

import pytest
from sqlalchemy import text

from matcurate.catalog import JobState, pending
from matcurate.catalog.schema import alembic_config
from matcurate.jobs.queue import jobs_of, reconcile
from matcurate.jobs.schedule import current_schedule
from matcurate.workflows.home import enqueue, open_workspace, queue_client, statuses
from tests.unit.loop_samples import LS_PROJECT, make_workspace

JOBS = """
CREATE TABLE job (
    id INTEGER NOT NULL, project_id INTEGER NOT NULL, kind VARCHAR NOT NULL, "trigger" VARCHAR NOT NULL,
    state VARCHAR NOT NULL, done INTEGER NOT NULL, total INTEGER NOT NULL, note VARCHAR NOT NULL, result JSON,
    error VARCHAR, created_at DATETIME NOT NULL, not_before DATETIME NOT NULL, started_at DATETIME, alive_at DATETIME,
    finished_at DATETIME, CONSTRAINT pk_job PRIMARY KEY (id),
    CONSTRAINT fk_job_project_id FOREIGN KEY(project_id) REFERENCES project (id)
);
CREATE UNIQUE INDEX uq_job_running ON job (project_id, kind) WHERE state = 'running';
CREATE UNIQUE INDEX uq_job_waiting ON job (project_id, kind) WHERE state = 'queued';
INSERT INTO job VALUES
    (1, 1, 'sync', 'ann', 'done', 2, 2, '', '{"added": 2}', NULL, '2026-11-20 10:00:00.000000',
     '2026-11-20 10:00:00.000000', '2026-11-20 10:00:01.000000', '2026-11-20 10:00:02.000000',
     '2026-11-20 10:00:03.000000'),
    (2, 1, 'snapshot', 'ann', 'failed', 0, 1, '', NULL, 'no usable correction', '2026-11-20 10:00:00.000000',
     '2026-11-20 10:00:00.000000', '2026-11-20 10:00:01.000000', '2026-11-20 10:00:02.000000',
     '2026-11-20 10:00:03.000000'),
    (3, 1, 'retrain', 'corrections', 'queued', 0, 0, '', NULL, NULL, '2026-11-20 11:00:00.000000',
     '2099-11-20 11:30:00.000000', NULL, NULL, NULL),
    (4, 1, 'presegment', 'schedule', 'running', 3, 9, 'm4', NULL, NULL, '2026-11-20 11:00:00.000000',
     '2026-11-20 11:00:00.000000', '2026-11-20 11:00:01.000000', '2026-11-20 11:00:02.000000', NULL),
    (5, 1, 'rank', 'promotion', 'running', 0, 0, '', NULL, NULL, '2026-11-20 11:00:00.000000',
     '2026-11-20 11:00:00.000000', '2026-11-20 11:00:01.000000', '2026-11-20 11:00:02.000000', NULL),
    (6, 1, 'rank', 'ann', 'queued', 0, 0, '', NULL, NULL, '2026-11-20 11:00:00.000000', '2026-11-20 11:00:00.000000',
     NULL, NULL, NULL);
CREATE TABLE event (
    id INTEGER NOT NULL, action VARCHAR NOT NULL, ls_project_id INTEGER, ls_task_id INTEGER, ls_annotation_id INTEGER,
    payload JSON NOT NULL, received_at DATETIME NOT NULL, handled_at DATETIME, claimed_until DATETIME,
    attempts INTEGER NOT NULL, error VARCHAR, CONSTRAINT pk_event PRIMARY KEY (id)
);
CREATE INDEX ix_event_open ON event (id) WHERE handled_at IS NULL;
INSERT INTO event VALUES
    (1, 'ANNOTATION_CREATED', 7, NULL, 50, '{}', '2026-11-20 11:00:00.000000', '2026-11-20 11:00:01.000000', NULL, 1,
     NULL),
    (2, 'ANNOTATION_CREATED', 7, NULL, 51, '{}', '2026-11-20 11:00:00.000000', NULL, NULL, 0, NULL),
    (3, 'ANNOTATION_UPDATED', 7, NULL, 52, '{}', '2026-11-20 11:00:00.000000', NULL, '2026-11-20 11:05:00.000000', 8,
     'no answer');
INSERT INTO schedule VALUES (1, '0 2 * * *', '2026-11-20 09:00:00.000000', '2026-11-20 02:00:00.000000');
UPDATE curate_version SET version_num = '0008';
"""


@pytest.fixture
def workspace(tmp_path):
    """The tables of this version, with those of the earlier one in their place."""
    made = make_workspace(tmp_path / "home")
    made.engine.dispose()
    with sqlite3.connect(tmp_path / "home" / "catalog.db") as connection:
        connection.executescript(f"DROP TABLE job; DROP TABLE event; DROP TABLE worker; {JOBS}")
    connection.close()
    return open_workspace(made.settings)


def test_what_has_ended_is_shown_as_before(workspace):
    done, failed = reversed(jobs_of(workspace)[-2:])
    assert (done.id, done.state, done.result, done.error) == (1, JobState.DONE, {"added": 2}, None)
    assert (failed.id, failed.state, failed.error) == (2, JobState.FAILED, "no usable correction")
    assert done.finished_at.isoformat() == "2026-11-20T10:00:03+00:00"


def test_what_waits_or_ran_is_put_into_the_queue(workspace):
    reconcile(workspace)
    waiting = {job.id: job for job in jobs_of(workspace) if job.state is JobState.QUEUED}
    assert {number: (job.kind, job.trigger) for number, job in waiting.items()} == {
        3: ("retrain", "corrections"), 4: ("presegment", "schedule"), 6: ("rank", "ann"),
    }  # fmt: skip
    known = statuses(workspace, list(waiting.values()))
    assert [known[waiting[number].workflow_id] for number in (3, 4, 6)] == ["DELAYED", "ENQUEUED", "ENQUEUED"]
    with queue_client(workspace.settings) as client:
        flow = client.retrieve_workflow(waiting[3].workflow_id).get_status()
    assert flow.delay_until_epoch_ms == waiting[3].not_before.timestamp() * 1000
    (given_up,) = [job for job in jobs_of(workspace) if job.id == 5]
    assert given_up.state is JobState.FAILED and "another of its kind waits" in given_up.error
    assert enqueue(workspace, "rank", "bob")[0].id == 6


def test_webhooks_and_the_schedule_are_kept(workspace):
    with workspace.reading() as session:
        assert [(e.ls_project_id, e.ls_annotation_id) for e in pending(session)] == [(LS_PROJECT, 51), (LS_PROJECT, 52)]
    assert current_schedule(workspace).cron == "0 2 * * *"


def test_the_way_back_keeps_what_waits(workspace):
    from alembic import command

    with workspace.engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0008")
        states = connection.execute(text("SELECT id, state FROM job ORDER BY id")).all()
    assert [state for _, state in states] == ["done", "failed", "queued", "queued", "failed", "queued"]
