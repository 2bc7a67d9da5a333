"""kill -9 in mid-write: every unit that was answered is there, whole, and so is every other or not at all."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.database import notes

WRITERS = """
import asyncio, sys
from onduty.clock import Clock
from onduty.database.engine import Database
from tests.database import notes

async def one(database, number):
    count = 0
    while True:
        name = f"{number}-{count}"
        def pair(writer, name=name):
            notes.write(name)(writer)
            notes.write(name + " again", "x" * 500)(writer)
        await database.write(pair)
        sys.stdout.write(name + "\\n")
        sys.stdout.flush()
        count += 1

async def main():
    database = Database.open(sys.argv[1], Clock())
    await asyncio.gather(*(one(database, number) for number in range(20)))

asyncio.run(main())
"""


def test_what_was_answered_survives(tmp_path: Path) -> None:
    path = notes.make(tmp_path)
    for after in (50, 1000):
        answered = _killed(path, after)
        kept = set(notes.names_in(path))
        assert len(answered) >= after
        assert answered <= kept
        singles = {name for name in kept if not name.endswith(" again")}
        assert kept == singles | {f"{name} again" for name in singles}, "a unit is half done"
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            connection.execute("DELETE FROM notes")
            connection.commit()


def _killed(path: Path, after: int) -> set[str]:
    """The names that were answered by a process that was killed after so many answers."""
    with subprocess.Popen([sys.executable, "-c", WRITERS, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(after)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
    # The last one may have been cut in the pipe; an earlier number of the same writer would be no less true.
    return {line.strip() for line in lines if line.endswith("\n")}
