"""Whether a SQLite file is whole, found out without writing to it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from onduty.database.refused import Refused

_OPCODES: Final = 50_000
_VERSIONS: Final = "alembic_version"


class Damaged(Refused):
    """The data is not what it was written as; it was left as it is. `reason` is the first thing that was found."""

    def __init__(self, path: Path | str, reason: str, hint: str = "") -> None:
        self.reason = reason
        super().__init__(f"{path} is damaged ({reason}) and was left as it is{hint}.")


class Stopped(Exception):  # noqa: N818
    """The look was given up before it was done, as was asked for."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is in a database that is whole: its schema's revision, and how many rows each table has."""

    revision: str
    rows: dict[str, int]


def look(path: Path, stop: Callable[[], bool] = lambda: False) -> Found:
    """Check a file and count it (SQLite's quick_check, and that no row refers to nothing).

    `Damaged` where it is not whole, `Refused` where it cannot be read or is no database of Onduty. Once `stop` answers
    True: `Stopped`.
    """
    if not path.is_file():
        raise Refused(f"{path} is not there.")
    with _opened(path, stop) as connection:
        return Found(revision_of(path, connection), count(connection))


def is_whole(path: Path) -> None:
    """Check a file, whatever is in it: a first start that was killed leaves one without tables. Raises as `look`."""
    with _opened(path, lambda: False):
        pass


@contextmanager
def _opened(path: Path, stop: Callable[[], bool]) -> Iterator[sqlite3.Connection]:
    """A connection to read a file that has been found whole."""
    try:
        with closing(open_to_read(path)) as connection, stoppable(connection, stop):
            _check(path, connection)
            yield connection
    except sqlite3.DatabaseError as error:
        if stop():
            raise Stopped from None
        # Of the general class are a damaged file and one that never was a database; the rest is about the place.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise Damaged(path, str(error)) from error
        raise Refused(f"{path} cannot be read: {error}.") from error


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write to the file, nor fold its log into it. Raises `sqlite3.Error`."""
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)


@contextmanager
def stoppable(connection: sqlite3.Connection, stop: Callable[[], bool]) -> Iterator[None]:
    """What the connection does is interrupted once `stop` answers True."""
    connection.set_progress_handler(lambda: int(stop()), _OPCODES)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


def _check(path: Path, connection: sqlite3.Connection) -> None:
    finding = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    if finding != "ok":
        # Its lines tell of pages and cells; the first is the one that a person can search for.
        raise Damaged(path, finding.splitlines()[-1].strip())
    orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
    if orphan is not None:
        raise Damaged(path, f"a row of {orphan[0]} refers to one of {orphan[2]} that is not there")


def revision_of(path: Path, connection: sqlite3.Connection) -> str:
    """The revision of the schema; `Refused` where the file is a database of something else."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    found = connection.execute("SELECT version_num FROM alembic_version").fetchall() if _VERSIONS in names else []
    if len(found) != 1:
        raise Refused(f"{path} is no database of Onduty.")
    return str(found[0][0])


def count(connection: sqlite3.Connection) -> dict[str, int]:
    """How many rows each table has, as the connection's transaction sees them."""
    listed = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    names = [name for (name,) in connection.execute(listed) if name != _VERSIONS]
    return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608
