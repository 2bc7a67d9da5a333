"""Where the databases differ. Stores take these from here, and nothing of one database from SQLAlchemy itself.

Each is decided when a statement is compiled, so one text of a store serves both. `insert` is PostgreSQL's: SQLite took
ON CONFLICT from there, and SQLAlchemy's compiler for SQLite reads what it says; the other way round it does not work.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, String, Table, case, tuple_
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import ReturnTypeFromArgs
from sqlalchemy.types import TypeEngine

__all__ = ["Insert", "greatest", "insert", "insert_or_ignore", "ordered_text", "upsert"]


def ordered_text(length: int) -> TypeEngine[str]:
    """The type of a column whose texts are compared: by code point, as Python and SQLite do it, in any locale."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def greatest(*values: ColumnElement[Any]) -> ColumnElement[Any]:
    """The greatest of the values, row by row. None may be NULL: SQLite answers NULL then, PostgreSQL skips it."""
    return _Greatest(*values)


class _Greatest(ReturnTypeFromArgs[Any]):
    name = "greatest"
    inherit_cache = True


@compiles(_Greatest, "sqlite")
def _greatest_on_sqlite(element: _Greatest, compiler: SQLCompiler, **options: Any) -> str:
    return f"max({compiler.process(element.clauses, **options)})"


def insert_or_ignore(table: Table) -> Insert:
    """An insert that leaves rows alone whose key is there already."""
    return insert(table).on_conflict_do_nothing()


def upsert(table: Table, keys: Sequence[str], groups: Sequence[Sequence[str]]) -> Insert:
    """An insert that raises what is there: each group of columns is compared and replaced as one row."""
    statement = insert(table)
    raised: dict[str, Any] = {}
    for columns in groups:
        new = [statement.excluded[name] for name in columns]
        old = [table.c[name] for name in columns]
        is_newer = tuple_(*new) > tuple_(*old)
        raised |= {n: case((is_newer, value), else_=table.c[n]) for n, value in zip(columns, new, strict=True)}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=raised)
