"""Putting a backup in the place of a SQLite file, which is set aside and not removed."""

import os
import sqlite3
from pathlib import Path

from onduty.clock import Instant, rfc3339
from onduty.database import backups
from onduty.database.checking import Found, look
from onduty.database.files import sync
from onduty.database.refused import Refused
from onduty.database.schema import HEAD, MIGRATIONS, SchemaNewer, is_known


def restore(backup: Path, path: Path, now: Instant) -> tuple[Found, Path | None]:
    """Put the backup in the place of the file; what is in it, and where the file that was there is kept now.

    The caller holds the data's lock. `Refused` for a backup that is not whole or of a newer Onduty, or where the disk
    does not allow it; then the file is as it was.
    """
    found = look(backup)
    if not is_known(found.revision, MIGRATIONS):
        raise SchemaNewer(backup, found.revision, HEAD)
    partial = path.with_name(f"{path.name}.restoring")
    try:
        backups.copy(backup, partial)
        if look(partial).rows != found.rows:
            raise Refused(f"The copy of {backup} has not as many rows as it has.")
        sync(partial)
        aside = _set_aside(path, path.with_name(f"{path.name}.before-{rfc3339(now).replace(':', '-')}"))
        # The log of the file that was there must not be taken for one of the file that comes.
        for suffix in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        sync(path.parent)
        partial.replace(path)
        sync(path.parent)
    except (sqlite3.Error, OSError) as error:
        raise Refused(f"{backup} cannot be restored: {error}.") from error
    finally:
        backups.remove(partial)
    return found, aside


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
