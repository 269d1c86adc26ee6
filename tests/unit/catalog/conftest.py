import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text
from sqlmodel import create_engine

from matcurate.catalog import (
    MicrographRecord,
    ProjectRecord,
    TaskLink,
    add_micrograph,
    create_project,
    link_task,
    open_catalog,
    writing,
)
from tests.unit.catalog.catalog_samples import image

POSTGRES = os.environ.get("CURATE_TEST_POSTGRES_URL")
SCHEMA = f"curate_test_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
"""The PostgreSQL schema of this process: several processes test on one server at once."""


@pytest.fixture(params=["sqlite", "postgresql"] if POSTGRES else ["sqlite"])
def catalog_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Address of a catalog that does not exist yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'home' / 'catalog.db'}"
        return
    server = create_engine(make_url(str(POSTGRES)).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    yield f"{POSTGRES}{'&' if '?' in str(POSTGRES) else '?'}options=-csearch_path%3D{SCHEMA}"
    with server.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {SCHEMA} CASCADE"))
    server.dispose()


@pytest.fixture
def engine(catalog_url: str) -> Iterator[Engine]:
    engine = open_catalog(catalog_url)
    yield engine
    engine.dispose()


@pytest.fixture
def project(engine: Engine) -> ProjectRecord:
    with writing(engine) as session:
        return create_project(session, "alloy", ["matrix", "gamma prime"], "phases")


@pytest.fixture
def ingest(engine: Engine, project: ProjectRecord) -> Callable[..., MicrographRecord]:
    """Add an image in a transaction of its own."""

    def add(number: int = 1, **changes: object) -> MicrographRecord:
        with writing(engine) as session:
            return add_micrograph(session, image(number, **changes), project.id)[0]

    return add


@pytest.fixture
def task(engine: Engine, project: ProjectRecord, ingest: Callable[..., MicrographRecord]) -> TaskLink:
    """Task 50 of Label Studio project 3 shows micrograph 1."""
    micrograph = ingest(1)
    with writing(engine) as session:
        return link_task(session, project.id, micrograph.id, ls_project_id=3, ls_task_id=50)
