"""Connections to a SQLite file, set up the one way that the writer and the readers share.

Python's own handling of transactions is off (`isolation_level=None`): whoever opens a connection says BEGIN, COMMIT and
ROLLBACK, so it is known when the write lock is taken. Outside source: https://www.sqlite.org/wal.html.
"""

import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError

from onduty.database.refused import Refused

BUSY_TIMEOUT_MS = 5000

# Result codes (https://www.sqlite.org/rescode.html) that tell of the place the data is kept in, not of the statement:
# BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOTADB.
_UNAVAILABLE = frozenset({5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 26})


def location(where: str | Path) -> Path:
    """The SQLite file that a path or a `sqlite:///…` URL names. `Refused` for any other URL."""
    if isinstance(where, Path) or "://" not in where:
        return Path(where)
    try:
        url = make_url(where)
    except ArgumentError:
        raise Refused("The database is neither a path nor a URL that begins with sqlite:///.") from None
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise Refused(f"Onduty keeps its data in a SQLite file (sqlite:///PATH), not in {url.get_backend_name()} here.")
    return Path(url.database)


def connect(path: Path, *, query_only: bool = False, foreign_keys: bool = True) -> sqlite3.Connection:
    """Opens the file. Any thread may use the connection, one at a time. Raises `sqlite3.Error`."""
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=BUSY_TIMEOUT_MS / 1000
    )
    try:
        for pragma in _pragmas(query_only, foreign_keys):
            connection.execute(f"PRAGMA {pragma}").close()
    except BaseException:
        connection.close()
        raise
    return connection


def _pragmas(query_only: bool, foreign_keys: bool) -> Iterator[str]:
    yield f"foreign_keys = {int(foreign_keys)}"
    if query_only:
        yield "query_only = 1"
    else:
        yield "journal_mode = wal"
        # An answered write survives a power cut: the log is synced at every commit, not only at checkpoints.
        yield "synchronous = full"


def engine(path: Path, *, query_only: bool = False, foreign_keys: bool = True) -> Engine:
    """An engine that opens a new connection each time it is asked and keeps none; its errors tell no values."""
    opener = partial(connect, path, query_only=query_only, foreign_keys=foreign_keys)
    return create_engine("sqlite+pysqlite://", creator=opener, poolclass=NullPool, hide_parameters=True)


def driver(connection: Connection) -> sqlite3.Connection:
    """The driver's connection under SQLAlchemy's, to begin and end transactions on."""
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)


def is_unavailable(error: BaseException | None) -> bool:
    """Whether a driver's error means that the database cannot be reached or written now, whoever asks."""
    # SQLite's extended codes carry the primary one in their low byte.
    return isinstance(error, sqlite3.Error) and (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _UNAVAILABLE


def is_forbidden_write(error: BaseException) -> bool:
    """Whether a `query_only` connection was made to write: a mistake of ours, and no matter of the disk."""
    # The bare code: SQLite has extended ones for what can befall a reader.
    return getattr(getattr(error, "orig", None), "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY
