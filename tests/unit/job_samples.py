"""Jobs as workers leave them, without a worker."""

from matcurate.catalog.jobs import begin_job
from matcurate.workflows.home.queue import queue_client


def begin_as(workspace, job, executor="here-0"):
    """As if a worker of that name had just begun the job."""
    with queue_client(workspace.settings) as client, client._sys_db.engine.begin() as connection:
        flows = client._sys_db.tables.workflow_status
        mine = flows.update().where(flows.c.workflow_uuid == job.workflow_id)
        connection.execute(mine.values(status="PENDING", executor_id=executor))
    with workspace.writing() as session:
        begin_job(session, job.id)
