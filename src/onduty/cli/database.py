"""`onduty database`: check, back up, restore and move the server's own data, on the computer that has it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from onduty.cli.failure import say
from onduty.clock import rfc3339, wall_ms

if TYPE_CHECKING:
    from onduty.database.checking import Found
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


def _with_tables() -> None:
    """What copies a database knows it by the rooms' tables."""
    from onduty import rooms  # noqa: F401 - it imports every room's tables


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
    """Look whether the data and its newest backup are whole, and count them. The server may run meanwhile."""
    from onduty.cli.terminal import as_json, safe, table
    from onduty.database.backups import newest_good

    settings = _settings(data, database)
    place, found = _looked(settings)
    good = newest_good(settings.backup_folder)
    newest = None if good is None else {"path": str(good.path), "at": rfc3339(good.at)}
    if json:
        print(as_json({"database": place, "schema": found.revision, "rows": found.rows, "newest_backup": newest}))
        return
    print(table(["TABLE", "ROWS"], [[safe(name), safe(rows)] for name, rows in found.rows.items()]))
    say(f"{place} is whole, at schema {found.revision}.")
    say("There is no good backup." if good is None else f"The newest good backup is {good.path}.")


def _looked(settings: "Settings") -> tuple[str, "Found"]:
    """Where the data is, in words, and what is in it. Refused where it is not whole."""
    from onduty.database import postgres
    from onduty.database.backups import vouch
    from onduty.database.checking import look

    if settings.sqlite_file is not None:
        vouch(settings.sqlite_file, settings.backup_folder)
        return str(settings.sqlite_file), look(settings.sqlite_file)
    import asyncio

    from onduty.database.postgres_checking import look as look_there

    url = str(settings.place)
    return postgres.shown(url), asyncio.run(look_there(url))


@app.command()
def backup(data: str | None = _DATA, database: str | None = _DATABASE) -> None:
    """Back up the data to a SQLite file, and print its path. The server may run meanwhile."""
    from onduty.database.backups import take

    _with_tables()
    settings = _settings(data, database)
    taken, found = take(settings.place, settings.backup_folder, wall_ms())
    print(taken.path)
    say(f"It is whole and has {sum(found.rows.values())} rows.")


@app.command()
def restore(
    backup: str | None = typer.Argument(None, metavar="PATH", help="The backup. [default: the newest good one]"),
    data: str | None = _DATA,
    database: str | None = _DATABASE,
) -> None:
    """Put a backup in the place of the data, which is kept beside. The server must be stopped."""
    from onduty.database.backups import newest_good
    from onduty.database.refused import Refused

    settings = _settings(data, database)
    with _stopped(settings):
        chosen = Path(backup).expanduser().absolute() if backup is not None else None
        if chosen is None:
            good = newest_good(settings.backup_folder)
            if good is None:
                raise Refused(f"There is no good backup in {settings.backup_folder}.")
            chosen = good.path
        found, aside = _put_back(chosen, settings)
    say(f"{chosen} is restored: {sum(found.rows.values())} rows.")
    if aside is not None:
        say(f"What was there is kept as {aside}.")


def _put_back(backup: Path, settings: "Settings") -> tuple["Found", Path | None]:
    from onduty.database.restoring import restore as put_back
    from onduty.database.restoring import restore_on

    if settings.sqlite_file is not None:
        return put_back(backup, settings.sqlite_file, wall_ms())
    _with_tables()
    return restore_on(str(settings.place), backup, settings.own_file, wall_ms(), say)


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
    from onduty.database import moving
    from onduty.database.backups import vouch
    from onduty.database.refused import Refused

    _with_tables()
    if source.sqlite_file is not None:
        if not source.sqlite_file.exists():
            raise Refused(f"{source.sqlite_file} is not there.")
        vouch(source.sqlite_file, source.backup_folder)
    moving.move(source.place, target.place, say)
