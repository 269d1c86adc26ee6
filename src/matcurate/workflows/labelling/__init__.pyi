"""Predictions → Label Studio, corrections → the catalog."""

from .connect import SAMPLING as SAMPLING
from .connect import WEBHOOK_SECRET_HEADER as WEBHOOK_SECRET_HEADER
from .connect import connect_project as connect_project
from .effort import VersionEffort as VersionEffort
from .effort import measure_effort as measure_effort
from .effort import newest_version_changes as newest_version_changes
from .inbox import drain_inbox as drain_inbox
from .inbox import pending_events as pending_events
from .inbox import receive_event as receive_event
from .push import push_project as push_project
from .regions import RegionCodec as RegionCodec
from .sync import pull_corrections as pull_corrections
from .tasks import Draft as Draft
from .tasks import TaskQuestion as TaskQuestion
from .tasks import link_micrograph as link_micrograph
from .tasks import task_micrograph as task_micrograph
