"""The schema on PostgreSQL: made, recognised, upgraded in one transaction, never touched where not understood."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

import onduty.identity.tables
import onduty.mcp.tables
import onduty.projects.tables
import onduty.sessions.tables  # noqa: F401 - each adds its tables to the metadata
from onduty.database import postgres, postgres_schema
from onduty.database.metadata import metadata
from onduty.database.refused import Refused
from onduty.database.schema import HEAD, MIGRATIONS, SchemaNewer
from tests.database.postgres import Cluster

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


def prepare(url: str, migrations: Path = MIGRATIONS, head: str = HEAD) -> None:
    asyncio.run(postgres_schema.prepare(url, migrations=migrations, head=head))


def step(tmp_path: Path, body: str) -> Path:
    """The migrations of a next version."""
    migrations = Path(shutil.copytree(MIGRATIONS, tmp_path / "100% next", dirs_exist_ok=True))
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
    return migrations


def test_what_is_made_is_what_the_tables_say(postgres_url: str) -> None:
    def differences(connection: Connection) -> object:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return compare_metadata(context, metadata)

    async def run() -> None:
        engine = postgres.engine(postgres_url, 1)
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
        await engine.dispose()

    asyncio.run(run())


def test_texts_that_are_compared_are_compared_by_code_point(cluster: Cluster, postgres_url: str) -> None:
    """`create_all` and the migration agree in what autogenerate does not look at."""
    collated = (
        "SELECT table_name, column_name FROM information_schema.columns WHERE collation_name = 'C' "
        "AND table_schema = 'public' ORDER BY 1, 2"
    )
    assert cluster.sql(collated, name_of(postgres_url)) == [
        "agent_sessions|end_c_reason",
        "agent_sessions|end_s_reason",
        "agent_sessions|wait_question",
        "agent_sessions|wait_tool",
        "agent_sessions|wait_tool_id",
        "session_tools|name",
    ]


def test_alembic_is_not_imported_at_head(postgres_url: str) -> None:
    code = "import asyncio, sys; from onduty.database.postgres_schema import prepare; "
    code += "asyncio.run(prepare(sys.argv[1])); sys.exit('alembic' in sys.modules)"
    subprocess.run([sys.executable, "-c", code, postgres_url], check=True)


def test_an_older_one_is_upgraded(cluster: Cluster, postgres_url: str, tmp_path: Path) -> None:
    migrations = step(tmp_path, 'op.create_table("more", sa.Column("id", sa.Integer(), primary_key=True))')
    prepare(postgres_url, migrations, "next")
    prepare(postgres_url, migrations, "next")
    assert "more" in cluster.sql(TABLES, name_of(postgres_url))
    assert cluster.sql("SELECT version_num FROM alembic_version", name_of(postgres_url)) == ["next"]


@pytest.mark.parametrize("end", ['raise RuntimeError("broken")', "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_migration_that_fails_or_is_killed_leaves_all_as_it_was(
    cluster: Cluster, postgres_url: str, tmp_path: Path, end: str
) -> None:
    before = cluster.sql(TABLES, name_of(postgres_url))
    migrations = step(tmp_path, f'op.drop_table("wire_ids")\n{end}')
    code = "import asyncio, sys; from pathlib import Path; from onduty.database.postgres_schema import prepare; "
    code += "asyncio.run(prepare(sys.argv[1], migrations=Path(sys.argv[2]), head='next'))"
    done = subprocess.run([sys.executable, "-c", code, postgres_url, str(migrations)], capture_output=True, check=False)
    assert done.returncode in (1, -9)
    assert cluster.sql(TABLES, name_of(postgres_url)) == before
    prepare(postgres_url, step(tmp_path, 'op.drop_table("wire_ids")'), "next")
    assert "wire_ids" not in cluster.sql(TABLES, name_of(postgres_url))


def test_a_newer_one_is_refused_with_a_sentence(cluster: Cluster, postgres_url: str) -> None:
    cluster.sql("UPDATE alembic_version SET version_num = '9999'", name_of(postgres_url))
    with pytest.raises(SchemaNewer, match=r"^postgresql://127\.0\.0\.1:\d+/\w+ has schema 9999, of a newer Onduty"):
        prepare(postgres_url)


def test_another_programs_database_is_refused(cluster: Cluster) -> None:
    url = cluster.new()
    cluster.sql("CREATE TABLE bookmarks (url TEXT)", name_of(url))
    with pytest.raises(Refused, match="something else"):
        prepare(url)
    assert cluster.sql(TABLES, name_of(url)) == ["bookmarks"]


def test_one_where_nothing_may_be_made_is_refused(cluster: Cluster) -> None:
    url = cluster.new()
    name = name_of(url)
    cluster.sql(f"CREATE ROLE {name}_guest LOGIN PASSWORD 'guest'; REVOKE CREATE ON SCHEMA public FROM PUBLIC", name)
    guest = f"postgresql://{name}_guest:guest@127.0.0.1:{cluster.port}/{name}"
    with pytest.raises(Refused, match="permission denied for schema public"):
        prepare(guest)


def test_one_that_is_not_utf_8_or_too_old_is_refused(cluster: Cluster) -> None:
    with pytest.raises(Refused, match="UTF8"):
        postgres.check_server(cluster.url(), 150_000, "LATIN1")
    with pytest.raises(Refused, match="is PostgreSQL 12"):
        postgres.check_server(cluster.url(), 120_005, "UTF8")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:5ecret@db/onduty", "postgresql://db/onduty"),
        ("postgresql://user:5ec/r@:et5ecret@db:5/onduty", "postgresql://db:5/onduty"),
        ("postgresql://user:5e?c@ret@db/onduty", "postgresql://…"),
        ("postgresql://db/onduty?password=5e@cret", "postgresql://…"),
        ("postgresql://db/onduty?password=5ecret", "postgresql://db/onduty"),
        ("postgresql:///onduty", "postgresql:///onduty"),
    ],
)
def test_an_address_is_shown_without_secrets(url: str, shown: str) -> None:
    assert postgres.shown(url) == shown
