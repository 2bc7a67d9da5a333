"""The schema on PostgreSQL: made, recognised, upgraded in one transaction, never touched where not understood."""

import asyncio

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from onduty.database import postgres
from onduty.database.metadata import metadata


def test_what_is_made_is_what_the_tables_say(postgres_url: str) -> None:
    def differences(connection: Connection) -> object:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    async def run() -> None:
        engine = postgres.engine(postgres_url, 1)
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
        await engine.dispose()

    asyncio.run(run())
