"""Whether the database has this version's schema, and how it comes there. Alembic is imported only when that is due."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from onduty.clock import boot_ms
from onduty.database import sqlite
from onduty.database.files import make_private, remove, sync
from onduty.database.refused import Refused
from onduty.database.upgrading import Progress, Tell, on_stderr

HEAD = "0001"
"""The last revision in migrations/versions."""

MIGRATIONS = Path(__file__).parent / "migrations"

_OURS = "alembic_version"
_UPGRADING = ".upgrading"
_COSTS_AS_MUCH = 3


class SchemaNewer(Refused):
    """The data was last used by a newer Onduty."""

    def __init__(self, path: Path | str, found: str, head: str) -> None:
        super().__init__(
            f"{path} has schema {found}, of a newer Onduty; this one knows up to {head}: install the newer one again."
        )


def prepare(where: str | Path, *, migrations: Path = MIGRATIONS, head: str = HEAD, tell: Tell = on_stderr) -> None:
    """Have the database at this version's schema: made if it is not there, copied beside and upgraded if it is older.

    How far an upgrade is goes to `tell`. The caller holds the data's lock. `SchemaNewer` for one that this version does
    not know, `Refused` for what is no database of Onduty or cannot be written; then it is left as it was.
    """
    path = sqlite.location(where)
    make_private(path)
    try:
        found = _revision(path)
        if found == head:
            _name_copies(path)
            return
        if found is None:
            _upgrade(path, migrations)
        elif not is_known(found, migrations):
            raise SchemaNewer(path, found, head)
        else:
            _upgrade_with_copy(path, found, migrations, tell)
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


def steps_from(found: str, migrations: Path) -> int:
    """How many migrations are due."""
    from alembic.script import ScriptDirectory

    return sum(1 for _ in ScriptDirectory(str(migrations)).iterate_revisions("head", found))


def _upgrade_with_copy(path: Path, found: str, migrations: Path, tell: Tell) -> None:
    tell(f"copying {path} ({path.stat().st_size / 1e6:.1f} MB) beside it before it is upgraded")
    began = boot_ms()
    # Until the upgrade is done the copy has a name of its own, which the next attempt's takes over: a server that is
    # killed and started again and again must not fill the disk with copies.
    copy = copy_beside(path, found).replace(path.with_name(f"{path.name}.{found}{_UPGRADING}"))
    # To change a table is to copy it, with its indexes: what the whole file took, some times over.
    progress = Progress(tell, found, steps_from(found, migrations), (boot_ms() - began) * _COSTS_AS_MUCH)
    try:
        with progress.told():
            _upgrade(path, migrations, progress)
    except BaseException:
        copy.unlink()
        raise
    _name_copies(path)


def _name_copies(path: Path) -> None:
    """Give the copy from before an upgrade that is done the name that it keeps."""
    for copy in path.parent.glob(f"{path.name}.*{_UPGRADING}"):
        revision = copy.name.removeprefix(f"{path.name}.").removesuffix(_UPGRADING)
        copy.rename(_unused(path, revision))


def copy_beside(path: Path, revision: str) -> Path:
    """Copy the database to a new file beside it that is named after its revision, and whole or not there at all."""
    partial = path.with_name(f"{path.name}.{revision}.partial")
    remove(partial)
    try:
        make_private(partial)
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(partial)) as target:
            source.backup(target)
        sync(partial)
        copy = partial.rename(_unused(path, revision))
        sync(path.parent)
    except BaseException:
        remove(partial)
        raise
    return copy


def _unused(path: Path, revision: str) -> Path:
    copy, number = path.with_name(f"{path.name}.{revision}"), 1
    while copy.exists():
        number += 1
        copy = path.with_name(f"{path.name}.{revision}-{number}")
    return copy


def _upgrade(path: Path, migrations: Path, progress: Progress | None = None) -> None:
    """Run the migrations that are due, all in one transaction: killed anywhere, it is as if it had not begun."""
    # To change a table in SQLite is to copy and drop it, which must not drop what refers to it: hence no foreign keys
    # meanwhile, and a check of all of them before the commit.
    engine = sqlite.engine(path, foreign_keys=False)
    with engine.connect() as connection, connection.begin():
        driver = sqlite.driver(connection)
        driver.execute("BEGIN IMMEDIATE")
        run_migrations(connection, migrations, progress)
        if driver.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise Refused(f"The upgrade of {path} would leave rows that refer to nothing: it was undone.")


def run_migrations(connection: Connection, migrations: Path, progress: Progress | None = None) -> None:
    """Run the migrations that are due, on a connection whose transaction is the caller's."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["applied"] = None if progress is None else progress.applied
    command.upgrade(config, "head")
