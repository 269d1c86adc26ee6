"""Bringing a database to the newest schema."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, inspect, text

from matcurate.catalog.class_tables import METADATA
from matcurate.errors import CatalogError

if TYPE_CHECKING:  # imported only where there is something to migrate: every command opens the catalog
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "curate_version"
"""Our own name: MLflow keeps its ``alembic_version``, possibly in the same database."""
LOCK_SECONDS = 120.0
_ADVISORY_LOCK = 0x6D617463  # "matc"; any number that nobody else takes


def migrate(engine: Engine, scripts: Path = MIGRATIONS) -> None:
    """Bring the database to the newest revision of ``scripts``; one process at a time.

    Raises
    ------
    CatalogError
        When a newer matcurate wrote the catalog, or the database belongs to something else.
    """
    with engine.execution_options(curate_begin="BEGIN").connect() as connection:
        if current_revision(connection) == newest_revision(scripts):
            return
    from alembic import command

    with _alone(engine), _migrating(engine) as connection:
        _refuse_foreign(connection, scripts)
        command.upgrade(alembic_config(connection, scripts), "head")


def current_revision(connection: Connection) -> str | None:
    """Return the revision of a database's schema, None when it has none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    return revision


def newest_revision(scripts: Path = MIGRATIONS) -> str | None:
    """Return the revision that no other revises, from the text of the scripts; alembic would import each of them."""
    sources = [script.read_text() for script in (scripts / "versions").glob("*.py")]
    revisions, revised = (
        {match[1] for source in sources for match in re.finditer(rf"^{name} = ['\"](\w+)", source, re.MULTILINE)}
        for name in ("revision", "down_revision")
    )
    return max(revisions - revised, default=None)


def alembic_config(connection: Connection, scripts: Path = MIGRATIONS) -> Config:
    """Alembic's configuration for work over an open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _refuse_foreign(connection: Connection, scripts: Path) -> None:
    """Refuse a catalog from the future and a database with other tables of our names."""
    from alembic.script import ScriptDirectory

    where = connection.engine.url.render_as_string(hide_password=True)
    revision = current_revision(connection)
    known = {script.revision for script in ScriptDirectory(str(scripts)).walk_revisions()}
    if revision is not None and revision not in known:
        raise CatalogError(
            f"the catalog {where} was written by a newer matcurate (schema {revision}); "
            "run 'pip install --upgrade matcurate'"
        )
    foreign = set(inspect(connection).get_table_names()) & set(METADATA.tables)
    if revision is None and foreign:
        raise CatalogError(
            f"{where} is not a catalog: it holds another program's table {min(foreign)!r}; choose another database"
        )


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Keep other processes from migrating the same database (PostgreSQL: see :func:`_migrating`)."""
    lock = FileLock(f"{engine.url.database}.lock", timeout=LOCK_SECONDS) if _is_sqlite(engine) else nullcontext()
    try:
        with lock:
            yield
    except Timeout as error:
        raise CatalogError(
            f"another process has been upgrading {engine.url.database} for {LOCK_SECONDS:.0f} s; "
            "wait for it, or stop it"
        ) from error


@contextmanager
def _migrating(engine: Engine) -> Iterator[Connection]:
    """One transaction for the whole upgrade: it happens completely or not at all."""
    with engine.connect() as connection:
        if _is_sqlite(engine):
            cursor = connection.connection.cursor()  # outside a transaction: inside, these two are ignored
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA foreign_keys=OFF")  # tables are rebuilt, not emptied, by ALTER
            cursor.close()
        with connection.begin():
            if not _is_sqlite(engine):
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            yield connection
            _check_references(connection)
        connection.invalidate()  # the next one has foreign keys on again


def _check_references(connection: Connection) -> None:
    if _is_sqlite(connection.engine):
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise CatalogError(
                f"{connection.engine.url.database}: table {broken[0]!r} refers to a row that does not exist; "
                "restore the catalog from a backup"
            )


def _is_sqlite(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite"
