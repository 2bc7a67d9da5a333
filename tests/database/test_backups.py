"""Backups: taken while others write, opened and counted, private; what is not whole is told and not touched."""

import asyncio
import logging
import re
import shutil
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import onduty.rooms  # noqa: F401 - it imports every room's tables
from onduty.background import Background
from onduty.clock import Clock, parse_rfc3339
from onduty.database import backups
from onduty.database.backups import DAY_MS, Backups, kept_in, newest_good, take, thin, vouch
from onduty.database.checking import Damaged, Stopped, look
from onduty.database.refused import Refused
from onduty.database.restoring import restore
from onduty.database.schema import prepare
from tests.database.filled import fill, harm, rows_in
from tests.database.places import BOTH

NOW = parse_rfc3339("2026-11-24T08:07:00.123Z")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "onduty.sqlite3"
    fill(place)
    return place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def test_a_backup_has_all_and_is_one_private_file(path: Path, folder: Path) -> None:
    taken, found = take(path, folder, NOW)
    assert taken.path.name == "onduty-2026-11-24T08-07-00.123Z.sqlite3"
    assert kept_in(folder) == [taken]
    assert [file.name for file in folder.iterdir()] == [taken.path.name]
    assert stat.S_IMODE(taken.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert rows_in(taken.path) == rows_in(path)
    assert found.rows["agent_sessions"] == 41
    assert look(path) == found


@contextmanager
def busy(path: Path) -> Iterator[None]:
    """Somebody writes pairs of rows all the while."""
    over = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            number = 10**15
            while not over.is_set():
                number += 2
                connection.execute("BEGIN IMMEDIATE")
                for each in (number, number + 1):
                    connection.execute("INSERT INTO listening_gaps (began_at, ended_at) VALUES (?, 1)", (each,))
                connection.execute("COMMIT")

    thread = threading.Thread(target=write)
    thread.start()
    yield
    over.set()
    thread.join()


def test_one_moment_is_backed_up_while_others_write(path: Path, folder: Path) -> None:
    counts = []
    with busy(path):
        for number in range(10):
            taken, found = take(path, folder, NOW + number)
            began = [row[0] for row in rows_in(taken.path)["listening_gaps"]]
            many = sum(1 for each in began if isinstance(each, int) and each > 10**15)
            assert many % 2 == 0, "half of a transaction"
            assert found.rows["listening_gaps"] == len(began)
            counts.append(many)
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_the_newest_are_kept_and_nothing_else_is_touched(path: Path, folder: Path) -> None:
    taken = [take(path, folder, NOW + day * DAY_MS)[0] for day in range(9)]
    other = folder / "onduty-my own.sqlite3"
    other.write_text("mine")
    assert thin(folder, 7) == taken[1::-1]
    assert kept_in(folder) == taken[:1:-1]
    assert other.read_text() == "mine"


def test_the_newest_good_one_is_found(path: Path, folder: Path) -> None:
    taken = [take(path, folder, NOW + number)[0] for number in range(3)]
    assert newest_good(folder) == taken[2]
    harm(taken[2].path)
    taken[1].path.write_bytes(b"")
    assert newest_good(folder) == taken[0]
    assert newest_good(folder / "nowhere") is None


def test_a_damaged_file_is_left_as_it_is_and_the_newest_good_backup_is_named(path: Path, folder: Path) -> None:
    vouch(path, folder)
    harm(path)
    before = path.read_bytes()
    with pytest.raises(Damaged, match=r"damaged .* left as it is; .* holds no good backup\.$"):
        vouch(path, folder)
    prepare(path.with_name("whole.sqlite3"))
    good = take(path.with_name("whole.sqlite3"), folder, NOW)[0]
    with pytest.raises(Damaged, match=re.escape(str(good.path))) as raised:
        vouch(path, folder)
    assert "\n" not in str(raised.value)
    assert path.read_bytes() == before


def test_a_damaged_file_is_not_backed_up(path: Path, folder: Path) -> None:
    harm(path)
    with pytest.raises(Refused):
        take(path, folder, NOW)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("on", BOTH)
def test_a_copy_that_is_whole_and_has_not_all_is_no_backup(
    request: pytest.FixtureRequest, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, on: str
) -> None:
    """It is counted after it was written, against what was counted in the very state that was copied."""
    source: Path | str = path if on == "sqlite" else request.getfixturevalue("postgres_url")
    copied = backups._copied

    def lose_one(source: Path | str, target: Path, stop: Callable[[], bool]) -> dict[str, int]:
        rows = copied(source, target, stop)
        with closing(sqlite3.connect(target)) as connection, connection:
            connection.execute("DELETE FROM listening")
        return rows

    if on != "sqlite":
        fill(source, 3)
    monkeypatch.setattr(backups, "_copied", lose_one)
    with pytest.raises(Refused, match="has not as many rows as it had"):
        take(source, folder, NOW)
    assert list(folder.iterdir()) == []


def test_looking_writes_nothing_and_knows_what_stands_in_the_log_alone(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO listening_gaps VALUES (1, 2)")
        before, log = path.read_bytes(), path.with_name(path.name + "-wal").read_bytes()
        assert log
        assert look(path).rows["listening_gaps"] == 1
        assert (path.read_bytes(), path.with_name(path.name + "-wal").read_bytes()) == (before, log)


def test_a_row_that_refers_to_nothing_is_damage(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM users")
    with pytest.raises(Damaged, match="refers to"):
        look(path)


def test_what_is_no_database_of_ours(tmp_path: Path) -> None:
    letter, other = tmp_path / "letter", tmp_path / "other"
    letter.write_text("Dear Bob, " * 1000)
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    for each in (letter, other, tmp_path / "nowhere"):
        with pytest.raises(Refused):
            look(each)


def test_a_backup_is_given_up_when_the_server_leaves(path: Path, folder: Path) -> None:
    with pytest.raises(Stopped):
        take(path, folder, NOW, lambda: True)
    assert list(folder.iterdir()) == []


def test_no_room_no_backup(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1_000

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(Refused, match="too little room"):
        take(path, folder, NOW)
    assert list(folder.iterdir()) == []


class Clocked(Clock):
    """A clock that a test sets."""

    instant = NOW

    def now(self) -> int:
        return self.instant


def test_one_a_day(path: Path, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Due at the first start and a day after the newest one; whatever bears a time to come does not count."""
    caplog.set_level(logging.INFO)
    clock = Clocked()
    daily = Backups(path, folder, clock, 3)
    take(path, folder, NOW + 900 * DAY_MS)
    for day in range(5):
        clock.instant = NOW + day * DAY_MS
        assert daily.due_in() == 0
        daily.back_up(lambda: False)
        daily.back_up(lambda: False)
        assert daily.due_in() == DAY_MS / 1000
    assert len(kept_in(folder)) == 3
    assert caplog.text.count("backed up to") == 5


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_the_loop_takes_one_goes_on_where_it_fails_and_ends(
    path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backups, "_FIRST_SECONDS", 0.01)
    monkeypatch.setattr(backups, "_AGAIN_SECONDS", 0.01)
    folder.write_text("in the way")

    async def run() -> None:
        background = Background()
        background.start("backups", lambda: Backups(path, folder, Clock(), 7).run(wake))
        wake = background.wake()
        await asyncio.to_thread(until, lambda: caplog.text.count("no backup was taken") >= 2)
        await asyncio.to_thread(folder.unlink)
        await asyncio.to_thread(until, lambda: bool(kept_in(folder)))
        assert await background.stop() == []
        assert background.failed is None

    asyncio.run(run())


def test_what_is_restored_is_what_was_backed_up_and_what_was_there_is_kept(path: Path, folder: Path) -> None:
    was = rows_in(path)
    backup = take(path, folder, NOW)[0]
    crashed = path.with_name("crashed.sqlite3")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO listening_gaps VALUES (1, 2)")
        for suffix in ("", "-wal"):
            crashed.with_name(crashed.name + suffix).write_bytes(path.with_name(path.name + suffix).read_bytes())
    now = rows_in(crashed)
    assert now != was
    found, aside = restore(backup.path, crashed, NOW)
    assert rows_in(crashed) == was
    assert found.rows["listening_gaps"] == len(was["listening_gaps"])
    assert aside is not None
    assert rows_in(aside) == now
    assert stat.S_IMODE(crashed.stat().st_mode) == 0o600
    prepare(crashed)


def test_what_is_not_whole_is_not_restored(path: Path, folder: Path) -> None:
    backup = take(path, folder, NOW)[0]
    harm(backup.path)
    was, files = rows_in(path), set(path.parent.iterdir())
    with pytest.raises(Damaged):
        restore(backup.path, path, NOW)
    assert rows_in(path) == was
    assert set(path.parent.iterdir()) == files
