"""Copies of the data in a folder of their own: taken while others write, opened and counted afterwards.

Each is a SQLite file, whatever the database is.
"""

import asyncio
import logging
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onduty.background import Wake
from onduty.clock import Clock, Instant, parse_rfc3339, rfc3339
from onduty.database import postgres
from onduty.database.checking import Damaged, Found, Stopped, count, is_whole, look, open_to_read, stoppable
from onduty.database.files import leave_room, make_private, prepare_folder, remove, sync
from onduty.database.refused import Refused

DAY_MS: Final = 24 * 3_600_000
_FIRST_SECONDS: Final = 60.0
_AGAIN_SECONDS: Final = 600.0
_PAGES: Final = 1_000
_NAME: Final = re.compile(r"onduty-(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d\.\d{3})Z\.sqlite3")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backup:
    """One that was taken, and when."""

    path: Path
    at: Instant


def kept_in(folder: Path) -> list[Backup]:
    """The backups in the folder, newest first."""
    named = [(path, _NAME.fullmatch(path.name)) for path in folder.glob("onduty-*.sqlite3")]
    found = [Backup(path, parse_rfc3339("{}T{}:{}:{}Z".format(*name.groups()))) for path, name in named if name]
    return sorted(found, key=lambda backup: backup.at, reverse=True)


def newest_good(folder: Path) -> Backup | None:
    """The newest backup that can be opened and is whole."""
    for backup in kept_in(folder):
        try:
            look(backup.path)
        except Refused:
            continue
        return backup
    return None


def vouch(path: Path, folder: Path) -> None:
    """`Damaged`, with what there is to go back to, where the database file is there and not whole."""
    if not path.exists() or not path.stat().st_size:
        return
    try:
        is_whole(path)
    except Damaged as damaged:
        good = newest_good(folder)
        hint = f"; {folder} holds no good backup"
        if good is not None:
            hint = f"; the newest good backup is {good.path}: onduty database restore puts it in its place"
        raise Damaged(path, damaged.reason, hint) from damaged


def take(
    source: Path | str, folder: Path, now: Instant, stop: Callable[[], bool] = lambda: False
) -> tuple[Backup, Found]:
    """Copy a file or a PostgreSQL database as it is at one moment, open the copy, check and count it, and name it.

    `Refused` where that fails or where the disk would be full afterwards; then no copy is there. `Stopped` once `stop`
    answers True.
    """
    prepare_folder(folder)
    taken = Backup(folder / f"onduty-{rfc3339(now).replace(':', '-')}.sqlite3", now)
    partial = folder / "onduty.partial"
    shown = postgres.shown(source) if isinstance(source, str) else source
    try:
        rows = _copied(source, partial, stop)
        found = look(partial, stop)
        if found.rows != rows:
            raise Refused(f"The copy of {shown} has not as many rows as it had.")
        sync(partial)
        partial.rename(taken.path)
        sync(folder)
    except (sqlite3.Error, OSError) as error:
        raise Refused(f"{shown} cannot be backed up: {error}.") from error
    finally:
        remove(partial)
    return taken, found


def _copied(source: Path | str, target: Path, stop: Callable[[], bool]) -> dict[str, int]:
    if isinstance(source, Path):
        size = sum(each.stat().st_size for each in (source, source.with_name(f"{source.name}-wal")) if each.exists())
        leave_room(target.parent, size, str(source))
        return copy(source, target, stop)
    # All that it needs is loaded only where the data is on PostgreSQL.
    from onduty.database.postgres_backups import write_out

    remove(target)
    return write_out(source, target, stop)


def copy(source: Path, target: Path, stop: Callable[[], bool] = lambda: False) -> dict[str, int]:
    """Copy a database to a new private file; the rows it had. Raises `sqlite3.Error`, OSError, `Stopped`."""
    remove(target)
    make_private(target)

    def look_up(*_: int) -> None:
        if stop():
            raise Stopped

    with closing(open_to_read(source)) as reading, closing(sqlite3.connect(target, isolation_level=None)) as writing:
        # One transaction round both, so that what is counted is what is copied.
        reading.execute("BEGIN")
        try:
            with stoppable(reading, stop):
                rows = count(reading)
        except sqlite3.OperationalError:
            look_up()
            raise
        reading.backup(writing, pages=_PAGES, progress=look_up)
        # One file, without a log beside it.
        writing.execute("PRAGMA journal_mode = delete")
    return rows


def thin(folder: Path, keep: int) -> list[Backup]:
    """Remove all but the newest so many, and answer those that went."""
    gone = kept_in(folder)[keep:]
    for backup in gone:
        remove(backup.path)
    return gone


@dataclass(slots=True)
class Backups:
    """Takes a backup a day and keeps the newest so many; 0: none is taken, and none removed."""

    source: Path | str
    folder: Path
    clock: Clock
    keep: int

    async def run(self, wake: Wake) -> None:
        """The loop. What fails is logged and tried again; the server goes on."""
        due = _FIRST_SECONDS
        while await wake.wait(max(due, self.due_in()) if self.keep else None):
            due = 0.0
            try:
                await asyncio.to_thread(self.back_up, lambda: wake.stopping)
            except Stopped:
                pass
            except Exception as error:
                _log.error("no backup was taken: %s", error, exc_info=not isinstance(error, Refused | OSError))
                due = _AGAIN_SECONDS

    def due_in(self) -> float:
        """Seconds until a day has passed since the newest backup."""
        now = self.clock.now()
        # What bears a time that is still to come was taken while the clock was wrong.
        newest = next((backup.at for backup in kept_in(self.folder) if backup.at <= now), None)
        return 0.0 if newest is None else max(0, newest + DAY_MS - now) / 1000

    def back_up(self, stop: Callable[[], bool]) -> None:
        """Take one, and remove the oldest beyond those to keep."""
        if not self.keep or self.due_in() > 0:
            return
        backup, found = take(self.source, self.folder, self.clock.now(), stop)
        _log.info("backed up to %s: %d rows", backup.path, sum(found.rows.values()))
        thin(self.folder, self.keep)
