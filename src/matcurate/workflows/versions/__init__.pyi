"""Model versions: their files, their aliases, their history."""

from .files import ADAPTER_FILE as ADAPTER_FILE
from .files import MODEL as MODEL
from .files import PRESET_FILE as PRESET_FILE
from .files import VersionFiles as VersionFiles
from .files import load_adapter_of as load_adapter_of
from .files import load_files_of as load_files_of
from .files import read_version_files as read_version_files
from .models import AliasMove as AliasMove
from .models import RegisteredVersion as RegisteredVersion
from .models import Registry as Registry
from .models import as_run_data as as_run_data
from .models import find_version as find_version
from .models import full_history as full_history
from .models import list_models as list_models
from .models import move_alias as move_alias
from .models import open_registry as open_registry
from .models import promote as promote
from .models import rollback as rollback
from .models import show_model as show_model
from .names import model_version_names as model_version_names
from .served_model import write_served_files as write_served_files
