"""Jobs as workers leave them, without a worker."""

import threading

from matcurate.catalog import begin_job
from matcurate.jobs.kinds import begin, end, work
from matcurate.workflows.home import queue_client


def begin_as(workspace, job, executor="here-0"):
    """As if a worker of that name had just begun the job."""
    with queue_client(workspace.settings) as client, client._sys_db.engine.begin() as connection:
        flows = client._sys_db.tables.workflow_status
        mine = flows.update().where(flows.c.workflow_uuid == job.workflow_id)
        connection.execute(mine.values(status="PENDING", executor_id=executor))
    with workspace.writing() as session:
        begin_job(session, job.id)


def run_job(workspace, job_id, stopping=None):
    """Do a job as a worker does it, here and now."""
    job = begin(workspace, job_id)
    if job is not None:
        end(workspace, job, work(workspace, job, stopping or threading.Event()))
