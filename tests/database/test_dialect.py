"""What differs between the databases."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import literal, select
from sqlalchemy.dialects import postgresql

from onduty.clock import Clock
from onduty.database.dialect import greatest, insert
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from tests.database import notes


def test_greatest_is_named_as_each_database_names_it() -> None:
    statement = select(greatest(literal(1), literal(2)))
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    assert "greatest(" in str(statement.compile(dialect=dialect))


def test_a_register_only_grows(tmp_path: Path) -> None:
    def fold(size: int) -> Callable[[Writer], int]:
        new = insert(notes.notes).values(id="register", size=size)
        grow = new.on_conflict_do_update(
            index_elements=["id"], set_={"size": greatest(notes.notes.c.size, new.excluded.size)}
        ).returning(notes.notes.c.size)
        return lambda writer: int(writer.connection.execute(grow).scalar_one())

    async def run() -> list[int]:
        database = Database.open(notes.make(tmp_path), Clock())
        try:
            return [await database.write(fold(size)) for size in (3, 7, 5)]
        finally:
            await database.close()

    assert asyncio.run(run()) == [3, 7, 7]
