import sqlite3
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, make_url, text
from sqlalchemy.exc import StatementError

from matcurate.catalog import (
    ProjectRecord,
    add_micrograph,
    create_project,
    get_project,
    link_task,
    list_corrections,
    list_micrographs,
    list_projects,
    open_catalog,
    reading,
    record_correction,
    schema,
    writing,
)
from matcurate.catalog.class_tables import METADATA
from matcurate.catalog.columns import CatalogTable
from matcurate.catalog.engine import shown
from matcurate.catalog.schema import MIGRATIONS, VERSION_TABLE, alembic_config, current_revision, migrate
from matcurate.catalog.tables import LabelStudioTask, Project
from matcurate.errors import CatalogError
from tests.unit.catalog.catalog_samples import T0, annotation, image

HEAD = ScriptDirectory(str(MIGRATIONS)).get_current_head()
ADDITION = f'''
"""A later migration."""
import sqlalchemy as sa
from alembic import op
revision = "later"
down_revision = "{HEAD}"
branch_labels = depends_on = None
def upgrade():
    rebuild = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table("project", recreate=rebuild) as batch:
        batch.add_column(sa.Column("colour", sa.String(), server_default="blue"))
def downgrade():
    op.drop_column("project", "colour")
'''


@pytest.fixture
def later_scripts(tmp_path: Path) -> Path:
    """Migrations of a matcurate that is one revision ahead."""
    scripts = tmp_path / "later 100%"
    (scripts / "versions").mkdir(parents=True)
    for path in (*MIGRATIONS.glob("*.py"), *MIGRATIONS.glob("*.mako"), *MIGRATIONS.glob("versions/*.py")):
        (scripts / path.relative_to(MIGRATIONS)).write_text(path.read_text())
    (scripts / "versions" / "later_colour.py").write_text(ADDITION)
    return scripts


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = open_catalog(f"sqlite:///{tmp_path}/catalog.db")
    yield engine
    engine.dispose()


def test_models_and_migrations_agree(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert current_revision(connection) == HEAD


def test_the_comparison_would_see_a_forgotten_migration(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE correction_revision"))
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert [change[0] for change in compare_metadata(context, METADATA)] == ["add_table"]


def test_a_generated_migration_does_not_depend_on_our_column_types(sqlite: Engine, later_scripts: Path) -> None:
    with sqlite.begin() as connection:
        connection.execute(text("DROP TABLE correction_revision"))
        config = alembic_config(connection, later_scripts)
        command.upgrade(config, "head")
        command.revision(config, "Bring it back", autogenerate=True, rev_id="latest")
    (script,) = later_scripts.glob("versions/latest*.py")
    assert 'sa.Column("received_at", sa.DateTime(timezone=True), nullable=False)' in script.read_text().replace(
        "'", '"'
    )
    assert "UtcDateTime" not in script.read_text()
    migrate(sqlite, later_scripts)
    with sqlite.connect() as connection:
        assert inspect(connection).has_table("correction_revision")


def test_down_to_nothing_and_up_again(engine: Engine) -> None:
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
        assert inspect(connection).get_table_names() == [VERSION_TABLE]
    migrate(engine)
    with engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) == {*METADATA.tables, VERSION_TABLE}


def test_an_older_catalog_is_upgraded_and_keeps_its_rows(
    engine: Engine, project: ProjectRecord, later_scripts: Path
) -> None:
    migrate(engine, later_scripts)
    with engine.connect() as connection:
        assert current_revision(connection) == "later"
        assert connection.execute(text("SELECT name, colour FROM project")).all() == [("alloy", "blue")]


def test_the_first_schema_is_upgraded_with_its_corrections(catalog_url: str) -> None:
    engine = open_catalog(catalog_url)
    with writing(engine) as session:
        project = create_project(session, "alloy", ["a"], "phases")
        micrograph = add_micrograph(session, image(1), project.id)[0]
        task = link_task(session, project.id, micrograph.id, ls_project_id=3, ls_task_id=50)
        record_correction(session, task, annotation(7))
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0001")
        assert not inspect(connection).has_table("snapshot_item")
        assert "ignores_bars" not in {column["name"] for column in inspect(connection).get_columns("micrograph")}
    engine.dispose()
    again = open_catalog(catalog_url)
    with reading(again) as session:
        (kept,) = list_corrections(session, project.id)
        (again_there,) = list_micrographs(session, project.id)
    assert (kept.ls_annotation_id, kept.micrograph_id) == (7, micrograph.id)
    assert again_there.ignores_bars
    with again.connect() as connection:
        assert inspect(connection).has_table("snapshot_item")
        indices = {index["name"]: index["unique"] for index in inspect(connection).get_indexes("correction")}
        assert indices["uq_correction_id_micrograph_id"]
    again.dispose()


def test_a_newer_catalog_is_refused_and_left_alone(
    engine: Engine, catalog_url: str, project: ProjectRecord, later_scripts: Path
) -> None:
    migrate(engine, later_scripts)
    with pytest.raises(CatalogError, match=r"newer matcurate \(schema later\); run 'pip install --upgrade") as refusal:
        open_catalog(catalog_url)
    assert "\n" not in str(refusal.value)
    with engine.connect() as connection:
        assert current_revision(connection) == "later"


def test_a_failing_migration_leaves_the_old_schema(sqlite: Engine, later_scripts: Path) -> None:
    script = later_scripts / "versions" / "later_colour.py"
    script.write_text(ADDITION.replace("def downgrade", "    op.execute('no such statement')\ndef downgrade"))
    with pytest.raises(Exception, match="syntax error"):
        migrate(sqlite, later_scripts)
    with sqlite.connect() as connection:
        assert current_revision(connection) == HEAD
        assert "colour" not in {column["name"] for column in inspect(connection).get_columns("project")}


def test_a_migration_that_orphans_rows_is_taken_back(sqlite: Engine, later_scripts: Path) -> None:
    script = later_scripts / "versions" / "later_colour.py"
    insert = "    op.execute('INSERT INTO specimen (lab_id, name) VALUES (99, 1)')\ndef downgrade"
    script.write_text(ADDITION.replace("def downgrade", insert))
    with pytest.raises(CatalogError, match="'specimen' refers to a row that does not exist"):
        migrate(sqlite, later_scripts)
    with sqlite.connect() as connection:
        assert current_revision(connection) == HEAD


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "label_studio.sqlite3") as database:
        database.execute("CREATE TABLE project (id INTEGER)")
    with pytest.raises(CatalogError, match="is not a catalog: it holds another program's table 'project'"):
        open_catalog(f"sqlite:///{tmp_path}/label_studio.sqlite3")


def test_mlflow_may_live_in_the_same_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "both.db") as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        database.execute("INSERT INTO alembic_version VALUES ('mlflow')")
    engine = open_catalog(f"sqlite:///{tmp_path}/both.db")
    with engine.connect() as connection:
        assert current_revision(connection) == HEAD
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "mlflow"
    engine.dispose()


def test_sqlite_is_set_up_for_several_processes(sqlite: Engine) -> None:
    with reading(sqlite) as session:
        pragmas = {
            name: session.connection().exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 1, "busy_timeout": 30_000}


def test_the_folder_is_created(tmp_path: Path) -> None:
    open_catalog(f"sqlite:///{tmp_path}/a/b/catalog.db").dispose()
    assert (tmp_path / "a" / "b" / "catalog.db").is_file()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a database address"),
        ("mysql://me@host/db", "SQLite or PostgreSQL, not in 'mysql'"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("postgresql://me:hush@127.0.0.1:1/db", "cannot open the catalog postgresql"),
    ],
)
def test_bad_addresses_are_one_clear_line(url: str, message: str) -> None:
    with pytest.raises(CatalogError, match=message) as refusal:
        open_catalog(url)
    assert "\n" not in str(refusal.value)
    assert "hush" not in str(refusal.value)


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(CatalogError, match=r"cannot create .*home for the catalog"):
        open_catalog(f"sqlite:///{tmp_path}/home/catalog.db")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"micrograph" * 400)
    with pytest.raises(CatalogError, match="file is not a database; check database_url"):
        open_catalog(f"sqlite:///{tmp_path}/catalog.db")


def test_postgresql_without_psycopg_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(CatalogError, match="matcurate\\[postgres\\]"):
        open_catalog("postgresql://me@127.0.0.1:1/db")


def test_waiting_for_another_upgrade_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "LOCK_SECONDS", 0.05)
    with schema.FileLock(tmp_path / "catalog.db.lock"), pytest.raises(CatalogError, match="another process"):
        open_catalog(f"sqlite:///{tmp_path}/catalog.db")


def test_an_up_to_date_catalog_opens_without_waiting(sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "LOCK_SECONDS", 0.05)
    with schema.FileLock(f"{sqlite.url.database}.lock"):
        again = open_catalog(f"sqlite:///{sqlite.url.database}")
    with sqlite.connect() as connection:
        before = schema.current_revision(connection)
    with again.connect() as connection:
        assert schema.current_revision(connection) == before
    again.dispose()
    assert before is not None


def test_the_password_is_not_shown() -> None:
    assert shown(make_url("postgresql+psycopg://me:hush@host/db")) == "postgresql+psycopg://me:***@host/db"


def test_writing_commits_all_or_nothing(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), writing(engine) as session:
        create_project(session, "lost", ["a"], "phases")
        _ = 1 / 0
    with writing(engine) as session:
        create_project(session, "kept", ["a"], "phases")
    with reading(engine) as session:
        assert [project.name for project in list_projects(session)] == ["kept"]


def test_what_is_written_while_reading_is_not_kept(engine: Engine) -> None:
    with reading(engine) as session:
        create_project(session, "lost", ["a"], "phases")
    with reading(engine) as session:
        assert list_projects(session) == []


def test_reading_sees_one_state_and_waits_for_nobody(engine: Engine, project: ProjectRecord) -> None:
    with reading(engine) as before:
        assert len(list_projects(before)) == 1
        with writing(engine) as session:
            create_project(session, "second", ["a"], "phases")
            with reading(engine) as beside:
                assert len(list_projects(beside)) == 1
        assert len(list_projects(before)) == 1
    with reading(engine) as after:
        assert len(list_projects(after)) == 2


def test_a_busy_catalog_is_one_clear_line(sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matcurate.catalog.engine.BUSY_SECONDS", 0.05)
    impatient = open_catalog(f"sqlite:///{sqlite.url.database}")
    with (
        writing(sqlite) as slow,
        pytest.raises(CatalogError, match="cannot be used: database is locked"),
        writing(impatient) as session,
    ):
        list_projects(slow)
        list_projects(session)
    impatient.dispose()


def test_foreign_keys_are_enforced(engine: Engine, project: ProjectRecord) -> None:
    orphan = LabelStudioTask(project_id=project.id, micrograph_id=99, ls_project_id=1, ls_task_id=1)
    with pytest.raises(CatalogError, match="inconsistent row") as refusal, writing(engine) as session:
        session.add(orphan)
    assert "\n" not in str(refusal.value)


def test_moments_keep_their_instant_and_come_back_in_utc(engine: Engine) -> None:
    delhi = timezone(timedelta(hours=5, minutes=30))
    with writing(engine) as session:
        session.add(Project(name="zoned", phases=["a"], preset="p", created_at=T0.astimezone(delhi)))
    with reading(engine) as session:
        found = get_project(session, "zoned").created_at
    assert found == T0
    assert found.tzinfo is UTC
    assert found.microsecond == 678901


def test_a_naive_moment_is_refused(engine: Engine) -> None:
    naive = Project(name="naive", phases=["a"], preset="p", created_at=datetime(2026, 1, 2))
    with pytest.raises(StatementError, match="moments with a time zone"), writing(engine) as session:
        session.add(naive)


def test_every_constraint_has_a_name() -> None:
    nameless = [c for table in CatalogTable.metadata.sorted_tables for c in table.constraints if not c.name]
    assert nameless == []


def test_the_migrations_are_part_of_the_package() -> None:
    shipped = {str(path.relative_to(MIGRATIONS)) for path in MIGRATIONS.rglob("*") if path.suffix in {".py", ".mako"}}
    assert {"env.py", "script.py.mako", "versions/0001_the_first_schema.py", "versions/0003_ranking.py"} <= shipped
    assert MIGRATIONS.parent.name == "catalog"
