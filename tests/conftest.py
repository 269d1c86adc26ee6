"""Which tests share a process when several processes run them."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

SHARED = ("tests/integration",)
"""Folders whose files share a slow fixture: the real services."""
EARLY = (*SHARED, "tests/unit/workflows/training")
"""The slowest folders begin, so that no process works alone at the end."""


class ByFile(LoadScopeScheduling):
    """Gives a process whole files, and whole folders where fixtures are shared."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in SHARED if nodeid.startswith(folder)), nodeid.partition("::")[0])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slowest folders; all else keeps its order."""
    items.sort(key=lambda item: not item.nodeid.startswith(EARLY))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Schedule by file, in the order of the collection."""
    return ByFile(config, log)
