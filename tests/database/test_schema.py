"""The schema: made, recognised, upgraded beside a copy, and never touched where it is not understood."""

import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import onduty.audit.tables
import onduty.identity.tables
import onduty.mcp.tables
import onduty.projects.tables
import onduty.sessions.tables  # noqa: F401 - each adds its tables to the metadata
from onduty.database import schema, sqlite
from onduty.database.metadata import metadata
from onduty.database.refused import Refused
from onduty.database.schema import HEAD, MIGRATIONS, SchemaNewer, prepare


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "onduty.sqlite3"
    prepare(path)
    return path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    """A database at HEAD."""
    return Path(shutil.copy(made, tmp_path))


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """The migrations of a next version, to which a test adds its own with `step`."""
    return Path(shutil.copytree(MIGRATIONS, tmp_path / "100% next"))


def step(migrations: Path, body: str) -> None:
    text = f"""
        import os, signal
        import sqlalchemy as sa
        from alembic import op

        revision = "next"
        down_revision = "{HEAD}"


        def upgrade() -> None:
        """
    (migrations / "versions" / "next.py").write_text(
        dedent(text).rstrip() + "\n    " + "\n    ".join(body.splitlines())
    )


def objects(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND sql NOT NULL")
        # A table's constraints come in no order of their own.
        return {
            name: "\n".join(sorted(re.split(r",?\s*\n\s*", sql))) for name, sql in rows if name != "alembic_version"
        }


def revision(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def files(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir() if file.name.startswith(path.name)}


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_head_is_the_last_revision() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [HEAD]


def test_what_is_made_is_what_the_tables_say(made: Path, tmp_path: Path) -> None:
    with sqlite.engine(made).connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
    plain = tmp_path / "plain"
    with sqlite.engine(plain).begin() as connection:
        metadata.create_all(connection)
    assert objects(made) == objects(plain)


def test_made_once_and_then_left_alone(made: Path) -> None:
    before = made.read_bytes()
    prepare(f"sqlite:///{made}")
    assert made.read_bytes() == before
    assert files(made) == {made.name}
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_alembic_is_not_imported_at_head(made: Path) -> None:
    code = "import sys; from onduty.database.schema import prepare; prepare(sys.argv[1]); "
    code += "sys.exit('alembic' in sys.modules)"
    subprocess.run([sys.executable, "-c", code, str(made)], check=True)


def test_an_older_one_is_copied_and_upgraded(path: Path, migrations: Path) -> None:
    execute(path, "INSERT INTO users (id, name, created_at) VALUES ('u', 'Alice', 1)")
    step(migrations, 'op.add_column("users", sa.Column("nickname", sa.String()))')
    prepare(path, migrations=migrations, head="next")
    assert revision(path) == "next"
    assert "nickname" in objects(path)["users"]
    assert files(path) == {path.name, f"{path.name}.{HEAD}"}
    copy = path.with_name(f"{path.name}.{HEAD}")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert revision(copy) == HEAD
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT name FROM users").fetchall() == [("Alice",)]


def test_an_earlier_copy_is_kept(path: Path, migrations: Path) -> None:
    earlier = path.with_name(f"{path.name}.{HEAD}")
    earlier.write_text("earlier")
    step(migrations, "pass")
    prepare(path, migrations=migrations, head="next")
    assert earlier.read_text() == "earlier"
    assert revision(path.with_name(f"{path.name}.{HEAD}-2")) == HEAD


def test_changing_a_table_keeps_the_rows_that_refer_to_it(path: Path, migrations: Path) -> None:
    execute(
        path,
        "INSERT INTO users (id, name, created_at) VALUES ('u', 'Alice', 1)",
        "INSERT INTO projects (id, name, created_at, retention_days) VALUES ('p', 'x', 1, 30)",
        "INSERT INTO members (project_id, user_id, role, joined_at) VALUES ('p', 'u', 'owner', 1)",
    )
    step(migrations, 'with op.batch_alter_table("users") as table:\n    table.alter_column("name", nullable=True)')
    prepare(path, migrations=migrations, head="next")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT user_id FROM members").fetchall() == [("u",)]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ('op.drop_table("wire_ids")\nraise RuntimeError("broken")', RuntimeError),
        ("op.execute(\"INSERT INTO members VALUES ('nobody', 'nowhere', 'owner', 1)\")", Refused),
    ],
)
def test_a_migration_that_fails_leaves_all_as_it_was(
    path: Path, migrations: Path, body: str, error: type[Exception]
) -> None:
    before = objects(path)
    step(migrations, body)
    with pytest.raises(error):
        prepare(path, migrations=migrations, head="next")
    assert (revision(path), objects(path)) == (HEAD, before)
    assert files(path) == {path.name}, "copies of what did not change would fill the disk"


def test_a_migration_that_is_killed_runs_again(path: Path, migrations: Path) -> None:
    before = objects(path)
    step(migrations, 'op.drop_table("wire_ids")\nos.kill(os.getpid(), signal.SIGKILL)')
    code = "import sys; from pathlib import Path; from onduty.database.schema import prepare; "
    code += "prepare(Path(sys.argv[1]), migrations=Path(sys.argv[2]), head='next')"
    killed = subprocess.run([sys.executable, "-c", code, str(path), str(migrations)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (revision(path), objects(path)) == (HEAD, before)
    step(migrations, 'op.drop_table("wire_ids")')
    prepare(path, migrations=migrations, head="next")
    assert "wire_ids" not in objects(path)


def test_what_a_killed_copy_left_is_replaced(path: Path) -> None:
    path.with_name(f"{path.name}.{HEAD}.partial").write_text("half of it")
    path.with_name(f"{path.name}.{HEAD}.partial-journal").write_text("half of it")
    assert revision(schema.copy_beside(path, HEAD)) == HEAD
    assert files(path) == {path.name, f"{path.name}.{HEAD}"}


def test_a_newer_one_is_refused_with_a_sentence(path: Path) -> None:
    execute(path, "UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(SchemaNewer, match="schema 9999, of a newer Onduty"):
        prepare(path)
    assert path.read_bytes() == before
    assert files(path) == {path.name}


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite3"
    execute(path, "CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(Refused, match="something else"):
        prepare(path)
    path = tmp_path / "letter"
    path.write_text("Dear Bob, " * 1000)
    with pytest.raises(Refused, match="not a database"):
        prepare(path)
    assert path.read_text().startswith("Dear Bob")


@pytest.mark.parametrize("where", ["postgresql://localhost/onduty", "sqlite://", "sqlite:///:memory:", "://"])
def test_what_is_no_file_is_refused(where: str) -> None:
    with pytest.raises(Refused):
        prepare(where)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be written"):
        prepare(tmp_path / "nowhere" / "x")
    assert os.listdir(tmp_path) == []
