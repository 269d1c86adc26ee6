"""The open installation: settings, catalog, object store, project, pixels, and asking for work."""

from .backbones import backbone_of as backbone_of
from .backbones import learning_backbone as learning_backbone
from .checkpoints import CheckpointStatus as CheckpointStatus
from .checkpoints import list_checkpoints as list_checkpoints
from .checkpoints import pull_checkpoint as pull_checkpoint
from .label_studio import LabelStudioClient as LabelStudioClient
from .label_studio import connected_project_id as connected_project_id
from .label_studio import label_studio_client as label_studio_client
from .pixels import load_counted as load_counted
from .pixels import load_original as load_original
from .pixels import put_labels as put_labels
from .queue import CORRECTIONS as CORRECTIONS
from .queue import PROMOTION as PROMOTION
from .queue import SCHEDULE as SCHEDULE
from .queue import after_corrections as after_corrections
from .queue import ask as ask
from .workspace import Workspace as Workspace
from .workspace import current_user as current_user
from .workspace import ensure_project as ensure_project
from .workspace import initialise as initialise
from .workspace import open_workspace as open_workspace
