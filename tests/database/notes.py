"""A database with one small table, and what the tests of this room write to it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from onduty.database import sqlite
from onduty.database.transaction import Reader, Writer
from tests.database.postgres import Cluster

notes = Table(
    "notes", MetaData(), Column("id", String, primary_key=True), Column("size", Integer), Column("text", String)
)


TABLE = "CREATE TABLE notes (id TEXT PRIMARY KEY, size INTEGER, text TEXT)"


def make(folder: Path) -> Path:
    """A new file with the empty table."""
    path = folder / "notes.sqlite3"
    with closing(sqlite.connect(path)) as connection:
        connection.execute(TABLE)
    return path


def make_on(cluster: Cluster) -> str:
    """The address of a new PostgreSQL database with the empty table."""
    url = cluster.new()
    cluster.sql(TABLE, url.rpartition("/")[2])
    return url


def write(name: str, text: str = "") -> Callable[[Writer], str]:
    """Work that writes one row and answers its id."""

    def work(writer: Writer) -> str:
        writer.connection.execute(insert(notes), {"id": name, "size": len(text), "text": text})
        return name

    return work


def names(reader: Reader) -> list[str]:
    """The ids of all rows."""
    return list(reader.connection.execute(select(notes.c.id).order_by(notes.c.id)).scalars())


def names_in(path: Path) -> list[str]:
    """The ids of all rows, seen from outside."""
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT id FROM notes ORDER BY id")]
