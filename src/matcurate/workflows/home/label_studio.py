"""The Label Studio that ``curate connect`` has set."""

from __future__ import annotations

from matcurate.config import Settings
from matcurate.errors import ConfigError
from matcurate.labelstudio import LabelStudioClient as LabelStudioClient  # entry points name the type
from matcurate.labelstudio import read_token


def label_studio_client(settings: Settings) -> LabelStudioClient:
    """Client for the connected Label Studio; raises ConfigError when there is none or its token cannot be read."""
    url, token_file = settings.label_studio.url, settings.label_studio.token_file
    if url is None or token_file is None:
        raise ConfigError("no Label Studio is connected; run 'curate connect --url URL --token-file FILE'")
    return LabelStudioClient(url, read_token(token_file), token_source=str(token_file))


def connected_project_id(settings: Settings) -> int:
    """Label Studio's id of our project; raises ConfigError before ``curate connect``."""
    if settings.label_studio.project_id is None:
        raise ConfigError("no Label Studio project is connected; run 'curate connect --url URL --token-file FILE'")
    return settings.label_studio.project_id
