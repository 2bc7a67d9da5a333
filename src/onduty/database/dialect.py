"""Where the databases differ. Stores take these from here, and nothing of one database from SQLAlchemy itself."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, case, tuple_
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import ReturnTypeFromArgs

__all__ = ["Insert", "greatest", "insert", "insert_or_ignore", "upsert"]


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
