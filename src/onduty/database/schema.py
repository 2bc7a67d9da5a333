"""Whether the database has this version's schema, and how it comes there. Alembic is imported only when that is due."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from onduty.database import sqlite
from onduty.database.files import make_private, sync
from onduty.database.refused import Refused

HEAD = "0001"
"""The last revision in migrations/versions."""

MIGRATIONS = Path(__file__).parent / "migrations"

_OURS = "alembic_version"


class SchemaNewer(Refused):
    """The data was last used by a newer Onduty."""

    def __init__(self, path: Path | str, found: str, head: str) -> None:
        super().__init__(
            f"{path} has schema {found}, of a newer Onduty; this one knows up to {head}: install the newer one again."
        )


def prepare(where: str | Path, *, migrations: Path = MIGRATIONS, head: str = HEAD) -> None:
    """Have the database at this version's schema: made if it is not there, copied beside and upgraded if it is older.

    The caller holds the data's lock. `SchemaNewer` for one that this version does not know, `Refused` for what is no
    database of Onduty or cannot be written; then it is left as it was.
    """
    path = sqlite.location(where)
    make_private(path)
    try:
        found = _revision(path)
        if found == head:
            return
        if found is None:
            _upgrade(path, migrations)
        elif not is_known(found, migrations):
            raise SchemaNewer(path, found, head)
        else:
            _upgrade_with_copy(path, found, migrations)
    except (sqlite3.Error, OSError) as error:
        raise Refused(f"The database {path} cannot be used: {error}.") from error
    except DBAPIError as error:
        if not sqlite.is_unavailable(error.orig):
            raise
        raise Refused(f"The database {path} cannot be upgraded: {error.orig}.") from error


def _revision(path: Path) -> str | None:
    """The revision that the file is at, None for an empty one."""
    with closing(sqlite.connect(path)) as connection:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        if mode != "wal":
            raise Refused(f"{path} is on a file system without what SQLite's write-ahead log needs: use a local disk.")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall() if _OURS in tables else []
    if len(rows) != 1:
        raise Refused(f"{path} is a database of something else: name another file.")
    return str(rows[0][0])


def is_known(revision: str, migrations: Path) -> bool:
    """Whether this version has that revision."""
    from alembic.script import ScriptDirectory

    return any(script.revision == revision for script in ScriptDirectory(str(migrations)).walk_revisions())


def _upgrade_with_copy(path: Path, found: str, migrations: Path) -> None:
    copy = copy_beside(path, found)
    try:
        _upgrade(path, migrations)
    except BaseException:
        # The database is as it was. A server that is started again and again must not fill the disk with copies.
        copy.unlink()
        raise


def copy_beside(path: Path, revision: str) -> Path:
    """Copy the database to a new file beside it that is named after its revision, and whole or not there at all."""
    partial = path.with_name(f"{path.name}.{revision}.partial")
    _remove(partial)
    try:
        make_private(partial)
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(partial)) as target:
            source.backup(target)
        sync(partial)
        copy = partial.rename(_unused(path, revision))
        sync(path.parent)
    except BaseException:
        _remove(partial)
        raise
    return copy


def _remove(partial: Path) -> None:
    """Remove a copy that did not get whole, and what SQLite kept beside it."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        partial.with_name(partial.name + suffix).unlink(missing_ok=True)


def _unused(path: Path, revision: str) -> Path:
    copy, number = path.with_name(f"{path.name}.{revision}"), 1
    while copy.exists():
        number += 1
        copy = path.with_name(f"{path.name}.{revision}-{number}")
    return copy


def _upgrade(path: Path, migrations: Path) -> None:
    """Run the migrations that are due, all in one transaction: killed anywhere, it is as if it had not begun."""
    # To change a table in SQLite is to copy and drop it, which must not drop what refers to it: hence no foreign keys
    # meanwhile, and a check of all of them before the commit.
    engine = sqlite.engine(path, foreign_keys=False)
    with engine.connect() as connection, connection.begin():
        driver = sqlite.driver(connection)
        driver.execute("BEGIN IMMEDIATE")
        run_migrations(connection, migrations)
        if driver.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise Refused(f"The upgrade of {path} would leave rows that refer to nothing: it was undone.")


def run_migrations(connection: Connection, migrations: Path) -> None:
    """Run the migrations that are due, on a connection whose transaction is the caller's."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
