"""Whether a PostgreSQL database has this version's schema, and how it comes there."""

from functools import partial
from pathlib import Path

from sqlalchemy import Connection, text

from onduty.database import postgres
from onduty.database.refused import Refused
from onduty.database.schema import HEAD, MIGRATIONS, SchemaNewer, is_known, run_migrations, steps_from
from onduty.database.upgrading import Progress, Tell, on_stderr


async def prepare(url: str, *, migrations: Path = MIGRATIONS, head: str = HEAD, tell: Tell = on_stderr) -> None:
    """Have the database at this version's schema. The caller holds its `Claim`.

    All migrations that are due run in one transaction: killed anywhere, it is as if they had not begun. `SchemaNewer`
    for a schema that this version does not know, `Refused` for what is no database of Onduty, or not ours to change.
    """
    engine = postgres.engine(url, 1)
    with postgres.refusing(url):
        try:
            async with engine.begin() as connection:
                await connection.run_sync(partial(_prepare, url=url, migrations=migrations, head=head, tell=tell))
        finally:
            await engine.dispose()


def _prepare(connection: Connection, url: str, migrations: Path, head: str, tell: Tell) -> None:
    found = revision_of(connection, url)
    if found == head:
        return
    if found is not None and not is_known(found, migrations):
        raise SchemaNewer(postgres.shown(url), found, head)
    if found is None:
        run_migrations(connection, migrations)
        return
    progress = Progress(tell, found, steps_from(found, migrations))
    with progress.told():
        run_migrations(connection, migrations, progress)


def revision_of(connection: Connection, url: str) -> str | None:
    """The revision that the database is at, None for an empty one. `Refused` for one of something else."""
    tables = set(
        connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")).scalars()
    )
    if not tables:
        return None
    found: list[str] = []
    if "alembic_version" in tables:
        found = list(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())
    if len(found) != 1:
        raise Refused(f"{postgres.shown(url)} is a database of something else: name another one.")
    return found[0]
