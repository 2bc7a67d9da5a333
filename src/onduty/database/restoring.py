"""Putting a backup in the place of the data, which is kept beside and not removed."""

import os
import shutil
import sqlite3
from pathlib import Path

from onduty.clock import Instant, rfc3339
from onduty.database import backups
from onduty.database.checking import Found, look
from onduty.database.files import remove, sync
from onduty.database.refused import Refused
from onduty.database.schema import HEAD, MIGRATIONS, SchemaNewer, is_known, prepare
from onduty.database.upgrading import Tell


def restore(backup: Path, path: Path, now: Instant) -> tuple[Found, Path | None]:
    """Put the backup in the place of the file; what is in it, and where the file that was there is kept now.

    The caller holds the data's lock. `Refused` for a backup that is not whole or of a newer Onduty, or where the disk
    does not allow it; then the file is as it was.
    """
    found = _fit(backup)
    partial = path.with_name(f"{path.name}.restoring")
    try:
        _copy(backup, partial, found)
        aside = _set_aside(path, _name_aside(path, now))
        # The log of the file that was there must not be taken for one of the file that comes.
        for suffix in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        sync(path.parent)
        partial.replace(path)
        sync(path.parent)
    except (sqlite3.Error, OSError) as error:
        raise Refused(f"{backup} cannot be restored: {error}.") from error
    finally:
        remove(partial)
    return found, aside


def restore_on(url: str, backup: Path, path: Path, now: Instant, tell: Tell) -> tuple[Found, Path | None]:
    """Put the backup in the place of what a PostgreSQL database holds.

    What is in it, and the file, named after `path`, that what was there is kept in. The caller holds the lock of the
    folder of `path`. `Refused` as `restore`; then the database is as it was.
    """
    # All that it needs is loaded only where the data is on PostgreSQL.
    from onduty.database.postgres_backups import put_back

    found = _fit(backup)
    # An older one is upgraded first, which leaves more than one file.
    folder = path.with_name("onduty.restoring")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700)
        _copy(backup, folder / path.name, found)
        prepare(folder / path.name, tell=tell)
        aside = _name_aside(path, now)
        was_full = put_back(folder / path.name, url, aside, tell)
    except (sqlite3.Error, OSError) as error:
        raise Refused(f"{backup} cannot be restored: {error}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found, aside if was_full else None


def _fit(backup: Path) -> Found:
    """What is in the backup. `Refused` where it is not whole, or of a newer Onduty."""
    found = look(backup)
    if not is_known(found.revision, MIGRATIONS):
        raise SchemaNewer(backup, found.revision, HEAD)
    return found


def _copy(backup: Path, target: Path, found: Found) -> None:
    backups.copy(backup, target)
    if look(target).rows != found.rows:
        raise Refused(f"The copy of {backup} has not as many rows as it has.")
    sync(target)


def _name_aside(path: Path, now: Instant) -> Path:
    return path.with_name(f"{path.name}.before-{rfc3339(now).replace(':', '-')}")


def _set_aside(path: Path, aside: Path) -> Path | None:
    """Give the file, and its log, another name beside their own: at no moment is either without a name."""
    if not path.exists():
        return None
    for suffix in ("", "-wal", "-journal"):
        here = path.with_name(path.name + suffix)
        if here.exists():
            os.link(here, aside.with_name(aside.name + suffix))
    sync(path.parent)
    return aside
