"""Predictions → Label Studio, corrections → the catalog."""

from .connect import SAMPLING as SAMPLING
from .connect import WEBHOOK_SECRET_HEADER as WEBHOOK_SECRET_HEADER
from .connect import connect_project as connect_project
from .effort import VersionEffort as VersionEffort
from .effort import measure_effort as measure_effort
from .effort import newest_version_changes as newest_version_changes
from .push import push_project as push_project
from .regions import POLYGON_TOLERANCE as POLYGON_TOLERANCE
from .regions import RegionCodec as RegionCodec
from .sync import pull_corrections as pull_corrections
from .tasks import Draft as Draft
from .tasks import TaskQuestion as TaskQuestion
from .tasks import link_micrograph as link_micrograph
from .tasks import task_micrograph as task_micrograph
from .webhook import handle_webhooks as handle_webhooks
from .webhook import pending_webhooks as pending_webhooks
from .webhook import receive_webhook as receive_webhook
