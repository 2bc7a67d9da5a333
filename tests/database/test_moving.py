"""A database that moves, either way: every row of every table, counted and compared, or nothing at all."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

import onduty.rooms  # noqa: F401 - it imports every room's tables
from onduty.database.copying import Content
from onduty.database.metadata import metadata
from onduty.database.moving import move
from onduty.database.refused import Refused
from onduty.database.schema import prepare
from tests.database.filled import fill, rows_in
from tests.database.postgres import Cluster


def test_to_postgresql_and_back_is_the_same(tmp_path: Path, cluster: Cluster) -> None:
    first, last, url, told = tmp_path / "first", tmp_path / "last", cluster.new(), list[str]()
    fill(first, 700)
    was = rows_in(first)
    moved = move(first, url, told.append)
    assert moved == {name: len(rows) for name, rows in was.items() if name != "alembic_version"}
    assert len(told) == len(metadata.tables)
    assert cluster.sql("SELECT count(*) FROM agent_events", url.rpartition("/")[2]) == ["700"]
    assert rows_in(first) == was
    assert move(url, last, told.append) == moved
    assert rows_in(last) == was


def test_nothing_is_written_over(tmp_path: Path, cluster: Cluster, postgres_url: str) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    fill(here, 3)
    fill(there, 2)
    fill(postgres_url, 2)
    was = rows_in(there)
    for source, target in ((here, there), (postgres_url, there), (here, postgres_url)):
        with pytest.raises(Refused, match="holds data already"):
            move(source, target, print)
    assert rows_in(there) == was


def test_what_arrives_otherwise_is_undone(tmp_path: Path) -> None:
    """A database that changes what it is given: the digest sees it, and nothing stays."""
    here, there = tmp_path / "here", tmp_path / "there"
    fill(here, 3)
    prepare(there)
    with closing(sqlite3.connect(there, isolation_level=None)) as connection:
        change = "CREATE TRIGGER change AFTER INSERT ON users BEGIN UPDATE users SET name = 'x' WHERE id = new.id; END"
        connection.execute(change)
    with pytest.raises(Refused, match="users does not read as it was written"):
        move(here, there, print)
    assert {name for name, rows in rows_in(there).items() if rows} == {"alembic_version"}


def test_tables_that_are_unknown_here_are_not_left_behind(tmp_path: Path) -> None:
    here = tmp_path / "here"
    fill(here, 1)
    with closing(sqlite3.connect(here)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(Refused, match="bookmarks"):
        move(here, tmp_path / "there", print)


def test_nothing_is_moved_under_a_server(tmp_path: Path, cluster: Cluster, postgres_url: str) -> None:
    fill(tmp_path / "here", 1)
    serves = "SET application_name = 'onduty 1 on elsewhere'; SELECT pg_advisory_lock(7302756, 7697529), pg_sleep(60)"
    with subprocess.Popen(
        [cluster.programs / "psql", "-Xqc", serves, postgres_url], stdout=subprocess.DEVNULL
    ) as other:
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        while cluster.sql(held) == ["0"]:
            time.sleep(0.02)
        for source, target in ((tmp_path / "here", postgres_url), (postgres_url, tmp_path / "there")):
            with pytest.raises(Refused, match="already in use by an Onduty server"):
                move(source, target, print)
        other.kill()


def test_it_stops_where_the_target_cannot_be_written(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    fill(here, 3)
    prepare(there)
    with closing(sqlite3.connect(there, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(Refused, match="could not be moved"):
            move(here, there, print)


def test_the_digest_is_of_the_rows_and_not_of_their_order() -> None:
    rows = [("a", 1, None), ("b", 2, b"x"), ("a", 1, None)]
    whole = Content().and_these(rows)
    assert whole == Content().and_these(rows[1:]).and_these(rows[:1])
    for other in (rows[:2], rows[1:], [*rows[:2], ("a", 1, "")], [("a", True, None), *rows[1:]]):
        assert Content().and_these(other) != whole
