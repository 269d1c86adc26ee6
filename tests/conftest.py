"""Which tests share a process when several processes run them."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

SHARED = ("tests/integration", "tests/unit/promptable")
"""Folders whose files share a slow fixture: the real services, and a ViT-B."""


class ByFile(LoadScopeScheduling):
    """Gives a process whole files, and whole folders where fixtures are shared."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in SHARED if nodeid.startswith(folder)), nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Schedule by file; the order is that of the folders, so that the real services start first."""
    return ByFile(config, log)
