"""`onduty database`: check, back up, restore and move the server's own data, on the computer that has it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from onduty.cli.failure import say
from onduty.clock import rfc3339, wall_ms

if TYPE_CHECKING:
    from onduty.settings import Settings

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Check, back up, restore and move the server's data, on the computer that has it.",
)

_DATA = typer.Option(None, metavar="FOLDER", help="Where the data is kept.")
_DATABASE = typer.Option(None, metavar="URL", help="sqlite:///… or postgresql://…, else a file in the data folder.")


def _settings(data: str | None, database: str | None) -> "Settings":
    from onduty.settings import load

    return load({"data": data, "database": database})


def _file(settings: "Settings") -> Path:
    """The SQLite file. Refused where the data is on PostgreSQL."""
    from onduty.database.refused import Refused

    if settings.sqlite_file is None:
        raise Refused("The data is on PostgreSQL: use pg_dump and pg_restore, or onduty database move.")
    return settings.sqlite_file


@contextmanager
def _stopped(*places: "Settings") -> Iterator[None]:
    """While the servers of these are stopped, and kept from starting. AlreadyInUse where it runs."""
    from onduty.server import data_locks

    with ExitStack() as held:
        locks = [held.enter_context(lock) for lock in data_locks(*places)]
        yield
        for lock in locks:
            lock.unclean = False


@app.command()
def check(
    data: str | None = _DATA,
    database: str | None = _DATABASE,
    json: bool = typer.Option(False, "--json", help="Print an object."),
) -> None:
    """Look whether the SQLite file and its newest backup are whole, and count them. The server may run meanwhile."""
    from onduty.cli.terminal import as_json, safe, table
    from onduty.database.backups import newest_good, vouch
    from onduty.database.checking import look

    settings = _settings(data, database)
    path, folder = _file(settings), settings.backup_folder
    vouch(path, folder)
    found, good = look(path), newest_good(folder)
    newest = None if good is None else {"path": str(good.path), "at": rfc3339(good.at)}
    if json:
        print(as_json({"path": str(path), "schema": found.revision, "rows": found.rows, "newest_backup": newest}))
        return
    print(table(["TABLE", "ROWS"], [[safe(name), safe(rows)] for name, rows in found.rows.items()]))
    say(f"{path} is whole, at schema {found.revision}.")
    say("There is no good backup." if good is None else f"The newest good backup is {good.path}.")


@app.command()
def backup(data: str | None = _DATA, database: str | None = _DATABASE) -> None:
    """Back up the SQLite file, and print the path of the copy. The server may run meanwhile."""
    from onduty.database.backups import take

    settings = _settings(data, database)
    taken, found = take(_file(settings), settings.backup_folder, wall_ms())
    print(taken.path)
    say(f"It is whole and has {sum(found.rows.values())} rows.")


@app.command()
def restore(
    backup: str | None = typer.Argument(None, metavar="PATH", help="The backup. [default: the newest good one]"),
    data: str | None = _DATA,
    database: str | None = _DATABASE,
) -> None:
    """Put a backup in the place of the SQLite file, which is kept beside it. The server must be stopped."""
    from onduty.database.backups import newest_good
    from onduty.database.refused import Refused
    from onduty.database.restoring import restore as put_back

    settings = _settings(data, database)
    path = _file(settings)
    with _stopped(settings):
        chosen = Path(backup).expanduser().absolute() if backup is not None else None
        if chosen is None:
            good = newest_good(settings.backup_folder)
            if good is None:
                raise Refused(f"There is no good backup in {settings.backup_folder}.")
            chosen = good.path
        found, aside = put_back(chosen, path, wall_ms())
    say(f"{chosen} is restored: {sum(found.rows.values())} rows.")
    if aside is not None:
        say(f"What was there is kept as {aside}.")


@app.command()
def move(
    to: str = typer.Argument(metavar="URL", help="sqlite:///… or postgresql://…, an empty database."),
    data: str | None = _DATA,
    database: str | None = _DATABASE,
) -> None:
    """Copy all data to another database, count and compare it. The server must be stopped; nothing is removed."""
    from onduty.settings import load

    source = _settings(data, database)
    target = load({"data": str(source.data), "database": to})
    with _stopped(source, target):
        _copy(source, target)
    say(f"All is there. Set ONDUTY_DATABASE (--database) to it; the {_kind(source)} database is left as it was.")


def _kind(settings: "Settings") -> str:
    return "PostgreSQL" if settings.sqlite_file is None else "SQLite"


def _copy(source: "Settings", target: "Settings") -> None:
    from onduty import rooms  # noqa: F401 - it imports every room's tables
    from onduty.database import moving
    from onduty.database.backups import vouch
    from onduty.database.refused import Refused

    if source.sqlite_file is not None:
        if not source.sqlite_file.exists():
            raise Refused(f"{source.sqlite_file} is not there.")
        vouch(source.sqlite_file, source.backup_folder)
    places = [settings.sqlite_file or str(settings.database) for settings in (source, target)]
    moving.move(places[0], places[1], say)
