"""SQL stands in a room's `store.py` and `tables.py`, and in `database/`; nowhere else."""

from __future__ import annotations

from tests.structure.sources import Source, calls, imports, product

_FILES = {"store", "tables"}
_RUNS_SQL = {"execute", "executemany", "executescript", "exec_driver_sql", "scalar", "scalars"}
_DRIVERS = ("sqlalchemy", "alembic", "sqlite3", "psycopg", "asyncpg")


def breaches(source: Source) -> list[str]:
    if source.room == "database" or source.name in _FILES:
        return []
    instead = "move it to the room's store.py, as a function that takes a Reader or a Writer"
    found = [
        f"{source.place}:{line}: imports {name}: {instead}"
        for line, name in imports(source)
        if name.partition(".")[0] in _DRIVERS
    ]
    found += [
        f"{source.place}:{line}: runs SQL by .{name}(): {instead}"
        for line, on, name in calls(source)
        if on and name in _RUNS_SQL
    ]
    return found


def test_sql_stands_in_stores_only() -> None:
    found = [breach for source in product() for breach in breaches(source)]
    assert not found, "\n".join(found)


def test_the_rule_can_fail() -> None:
    assert breaches(Source("sessions/service.py", "from sqlalchemy import select"))
    assert breaches(Source("sessions/routes.py", "import sqlite3"))
    assert breaches(Source("sessions/service.py", "def end(reader): reader.connection.execute('DELETE')"))
    assert not breaches(Source("sessions/store.py", "from sqlalchemy import select"))
    assert not breaches(Source("database/writer.py", "from sqlalchemy import text"))
    assert not breaches(Source("sessions/service.py", "await database.write(work)"))
