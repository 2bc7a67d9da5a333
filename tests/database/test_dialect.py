"""What differs between the databases."""

import asyncio
from collections.abc import Callable

from sqlalchemy import Column, MetaData, Table, literal, select
from sqlalchemy.dialects import postgresql

from onduty.clock import Clock
from onduty.database.dialect import greatest, insert, ordered_text
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from tests.database import notes
from tests.database.places import Place


def test_greatest_is_named_as_each_database_names_it() -> None:
    statement = select(greatest(literal(1), literal(2)))
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    assert "greatest(" in str(statement.compile(dialect=dialect))


def test_a_register_only_grows(notes_place: Place) -> None:
    def fold(size: int) -> Callable[[Writer], int]:
        new = insert(notes.notes).values(id="register", size=size)
        grow = new.on_conflict_do_update(
            index_elements=["id"], set_={"size": greatest(notes.notes.c.size, new.excluded.size)}
        ).returning(notes.notes.c.size)
        return lambda writer: int(writer.connection.execute(grow).scalar_one())

    async def run() -> list[int]:
        database = Database.open(notes_place, Clock())
        try:
            return [await database.write(fold(size)) for size in (3, 7, 5)]
        finally:
            await database.close()

    assert asyncio.run(run()) == [3, 7, 7]


def test_texts_are_ordered_by_code_point_in_any_locale(place: Place) -> None:
    """Registers are tuples that end in texts: the greatest must be the same in memory and in every database."""
    words = ["a", "B", "é", "z", "Ω", "_", "-a", "10", "9", "😀", "\uffff"]
    column = ordered_text(9)

    def greatest_of(writer: Writer) -> list[str]:
        table = Table("words", MetaData(), Column("word", column, primary_key=True))
        table.create(writer.connection)
        writer.connection.execute(insert(table), [{"word": word} for word in words])
        return list(writer.connection.execute(select(table.c.word).order_by(table.c.word)).scalars())

    async def run() -> list[str]:
        database = Database.open(place, Clock())
        try:
            return await database.write(greatest_of)
        finally:
            await database.close()

    assert asyncio.run(run()) == sorted(words)
