"""Opening a catalog: engine, migration to the newest schema, and the two kinds of session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session, create_engine

from matcurate.catalog.schema import migrate
from matcurate.errors import CatalogError

BUSY_SECONDS = 30.0
"""How long a process waits for another's write transaction on SQLite."""

_READING = {"sqlite": {"curate_begin": "BEGIN"}, "postgresql": {"isolation_level": "REPEATABLE READ"}}


def open_catalog(url: str) -> Engine:
    """Open the catalog at ``url``, creating it or bringing its schema up to date.

    ``url`` is ``sqlite:///PATH`` or ``postgresql://USER@HOST/NAME``. Safe when several processes do it at once. Raises
    CatalogError when it is malformed, nothing answers there, the file is no catalog, or a newer matcurate wrote it.
    """
    engine = _engine(_checked(url))
    try:
        migrate(engine)
    except DBAPIError as error:
        engine.dispose()
        raise CatalogError(
            f"cannot open the catalog {shown(engine.url)}: {_first_line(error)}; check database_url and --home"
        ) from error
    except CatalogError:
        engine.dispose()
        raise
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Session that commits at its end, and leaves nothing behind when an exception passes through.

    On SQLite its first statement takes the write lock, so that it cannot fail half-way: keep it short. Raises
    CatalogError when the database is busy for more than 30 s or gone, or refuses a row that breaks the schema.
    """
    with _translated(engine), Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Session on one consistent state of the catalog; on SQLite it neither waits for writers nor delays them."""
    with _translated(engine), Session(engine.execution_options(**_READING[engine.dialect.name])) as session:
        yield session


def shown(url: URL) -> str:
    """Return the address without its password."""
    return url.render_as_string(hide_password=True)


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise CatalogError(
            "database_url is not a database address; write sqlite:///PATH or postgresql://USER@HOST/NAME"
        ) from error
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        raise CatalogError(
            f"a catalog lives in SQLite or PostgreSQL, not in {parsed.drivername!r}; "
            "write sqlite:///PATH or postgresql://USER@HOST/NAME"
        )
    if parsed.database in {None, "", ":memory:"}:
        raise CatalogError("a catalog needs a file; write sqlite:///PATH")
    return parsed


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        folder = Path(str(url.database)).absolute().parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CatalogError(
                f"cannot create {folder} for the catalog: {error.strerror}; choose another --home"
            ) from error
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        return create_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise CatalogError("PostgreSQL needs psycopg; pip install 'matcurate[postgres]'") from error


def _prepare_sqlite(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # sqlite3 shall not begin transactions by itself; _begin_sqlite does
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # a transaction that reads first and writes later could not wait for its turn: SQLite would refuse it
    connection.exec_driver_sql(connection.get_execution_options().get("curate_begin", "BEGIN IMMEDIATE"))


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise CatalogError(
            f"the catalog refuses an inconsistent row, nothing was stored: {_first_line(error)}"
        ) from error
    except OperationalError as error:
        raise CatalogError(
            f"the catalog {shown(engine.url)} cannot be used: {_first_line(error)}; "
            "check that it is there and no other program holds it, then try again"
        ) from error


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0]
