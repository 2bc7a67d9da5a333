"""Backups of a PostgreSQL database: SQLite files, taken while others write, opened and counted, and put back whole."""

from __future__ import annotations

import asyncio
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import onduty.rooms  # noqa: F401 - it imports every room's tables
from onduty.database import postgres_checking, postgres_schema
from onduty.database.backups import DAY_MS, Backups, kept_in, take
from onduty.database.checking import Damaged, Stopped, look
from onduty.database.moving import move
from onduty.database.refused import Refused
from onduty.database.restoring import restore_on
from tests.database.filled import fill, harm, rows_in
from tests.database.postgres import PASSWORD, Cluster
from tests.database.test_backups import NOW, Clocked
from tests.database.test_postgres_server import stopped

FILE = "onduty.sqlite3"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def new(cluster: Cluster, sessions: int) -> str:
    """A new database with so many sessions."""
    url = cluster.new()
    asyncio.run(postgres_schema.prepare(url))
    fill(url, sessions)
    return url


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


def here(url: str, path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of the database, by way of `move`."""
    move(url, path, lambda _: None)
    return rows_in(path)


def test_a_backup_has_all_and_is_one_private_file(postgres_url: str, folder: Path, tmp_path: Path) -> None:
    fill(postgres_url)
    taken, found = take(postgres_url, folder, NOW)
    assert kept_in(folder) == [taken]
    assert [file.name for file in folder.iterdir()] == [taken.path.name]
    assert stat.S_IMODE(taken.path.stat().st_mode) == 0o600
    assert rows_in(taken.path) == here(postgres_url, tmp_path / "moved")
    assert found.rows["agent_sessions"] == 41
    assert look(taken.path) == found == asyncio.run(postgres_checking.look(postgres_url))


@contextmanager
def busy(cluster: Cluster, url: str) -> Iterator[None]:
    """Somebody writes pairs of rows all the while."""
    pair = "INSERT INTO listening_gaps SELECT n, 1 FROM generate_series({0}, {0} + 1) n;"
    over = threading.Event()

    def write() -> None:
        command = [str(cluster.programs / "psql"), "-Xq", url]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as writer:
            assert writer.stdin is not None
            number = 10**15
            while not over.is_set():
                writer.stdin.write(pair.format(number) + "\n")
                writer.stdin.flush()
                number += 2
                time.sleep(0.001)

    thread = threading.Thread(target=write)
    thread.start()
    yield
    over.set()
    thread.join()


def test_one_moment_is_backed_up_while_others_write(cluster: Cluster, postgres_url: str, folder: Path) -> None:
    fill(postgres_url)
    counts = []
    with busy(cluster, postgres_url):
        for number in range(5):
            taken, found = take(postgres_url, folder, NOW + number)
            began = [row[0] for row in rows_in(taken.path)["listening_gaps"]]
            many = sum(1 for each in began if isinstance(each, int) and each >= 10**15)
            assert many % 2 == 0, "half of a transaction"
            assert found.rows["listening_gaps"] == len(began)
            counts.append(many)
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_one_a_day_and_the_newest_are_kept(postgres_url: str, folder: Path) -> None:
    clock = Clocked()
    daily = Backups(postgres_url, folder, clock, 2)
    for day in range(4):
        clock.instant = NOW + day * DAY_MS
        daily.back_up(lambda: False)
        daily.back_up(lambda: False)
    assert [backup.at for backup in kept_in(folder)] == [NOW + 3 * DAY_MS, NOW + 2 * DAY_MS]


def test_it_is_given_up_when_the_server_leaves(own_cluster: Cluster, folder: Path) -> None:
    """Even where PostgreSQL answers nothing any more."""
    url = new(own_cluster, 3)
    stop = threading.Event()
    with stopped(own_cluster):
        threading.Timer(0.5, stop.set).start()
        began = time.monotonic()
        with pytest.raises(Stopped):
            take(url, folder, NOW, stop.is_set)
        assert time.monotonic() - began < 4.5, "the server would not have left within 5 s"
    assert list(folder.iterdir()) == []


def test_no_room_no_backup(postgres_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1_000_000

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(Refused, match="too little room") as refused:
        take(postgres_url, folder, NOW)
    assert PASSWORD not in str(refused.value)
    assert list(folder.iterdir()) == []


def test_what_is_no_database_of_this_version_is_not_backed_up(
    cluster: Cluster, postgres_url: str, folder: Path
) -> None:
    cluster.sql("UPDATE alembic_version SET version_num = '0000'", name_of(postgres_url))
    with pytest.raises(Refused, match="has schema 0000"):
        take(postgres_url, folder, NOW)
    gone = postgres_url.replace(name_of(postgres_url), "nowhere")
    with pytest.raises(Refused, match="does not exist"):
        take(gone, folder, NOW)
    assert list(folder.iterdir()) == []


def orphan(cluster: Cluster, url: str) -> None:
    """Remove all users, and nothing that refers to them."""
    cluster.sql("SET session_replication_role = replica; DELETE FROM users", name_of(url))


def test_a_row_that_refers_to_nothing_is_damage(cluster: Cluster, postgres_url: str, folder: Path) -> None:
    fill(postgres_url)
    orphan(cluster, postgres_url)
    with pytest.raises(Damaged, match="refers to one of users"):
        asyncio.run(postgres_checking.look(postgres_url))
    with pytest.raises(Refused):
        take(postgres_url, folder, NOW)
    assert list(folder.iterdir()) == []


def test_pages_that_a_disk_spoiled_are_damage(own_cluster: Cluster) -> None:
    url = new(own_cluster, 10)
    [place] = own_cluster.sql("CHECKPOINT; SELECT pg_relation_filepath('agent_events')", name_of(url))
    own_cluster.control("stop", "-m", "fast")
    file = own_cluster.folder / "data" / place
    file.write_bytes(b"\xff" * len(file.read_bytes()))
    own_cluster.control("start")
    with pytest.raises(Damaged, match="damaged"):
        asyncio.run(postgres_checking.look(url))


def test_what_is_restored_is_what_was_backed_up_and_what_was_there_is_kept(
    cluster: Cluster, postgres_url: str, folder: Path, tmp_path: Path
) -> None:
    fill(postgres_url)
    backup = take(postgres_url, folder, NOW)[0].path
    cluster.sql("DELETE FROM agent_events; INSERT INTO listening_gaps VALUES (1, 2)", name_of(postgres_url))
    changed = here(postgres_url, tmp_path / "changed")
    found, aside = restore_on(postgres_url, backup, tmp_path / FILE, NOW, print)
    assert found == look(backup)
    assert here(postgres_url, tmp_path / "restored") == rows_in(backup) != changed
    assert aside is not None
    assert rows_in(aside) == changed
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    assert not (tmp_path / "onduty.restoring").exists()


def test_it_is_restored_to_an_empty_database(cluster: Cluster, postgres_url: str, folder: Path, tmp_path: Path) -> None:
    fill(postgres_url)
    backup = take(postgres_url, folder, NOW)[0].path
    orphan(cluster, postgres_url)
    with pytest.raises(Damaged, match="name an empty database"):
        restore_on(postgres_url, backup, tmp_path / FILE, NOW, print)
    other = cluster.new()
    assert restore_on(other, backup, tmp_path / FILE, NOW, print)[1] is None
    assert here(other, tmp_path / "restored") == rows_in(backup)


def test_what_is_not_whole_is_not_restored(postgres_url: str, folder: Path, tmp_path: Path) -> None:
    fill(postgres_url)
    backup = take(postgres_url, folder, NOW)[0].path
    harm(backup)
    was = here(postgres_url, tmp_path / "was")
    with pytest.raises(Damaged):
        restore_on(postgres_url, backup, tmp_path / FILE, NOW, print)
    assert here(postgres_url, tmp_path / "is") == was


def test_what_arrives_otherwise_is_undone(cluster: Cluster, postgres_url: str, folder: Path, tmp_path: Path) -> None:
    """A database that changes what it is given: the digest sees it, and all is as it was."""
    fill(postgres_url)
    backup = take(postgres_url, folder, NOW)[0].path
    was = here(postgres_url, tmp_path / "was")
    change = "CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name = 'x'; RETURN NEW; END $$"
    trigger = "CREATE TRIGGER change BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION change()"
    cluster.sql(f"{change}; {trigger}", name_of(postgres_url))
    with pytest.raises(Refused, match="users does not read as it was written"):
        restore_on(postgres_url, backup, tmp_path / FILE, NOW, print)
    assert here(postgres_url, tmp_path / "is") == was
