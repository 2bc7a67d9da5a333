"""What is kept costs nobody anything who does not ask for it: counted in steps of SQLite's own machine, not in time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.filling import fill as fill_settled
from onduty.clock import wall_ms
from onduty.database import sqlite
from onduty.database.transaction import Reader
from onduty.projects.model import RETENTION_DAYS
from onduty.sessions import store
from onduty.sessions.model import DAY_MS, HOUR_MS
from tests.database.filled import fill

FEW, MANY = 300, 6_000
NOW = wall_ms()
BOTH = frozenset({"lost", "ended"})
LOST = frozenset({"lost"})
Question = Callable[[Reader, str, str], object]


def page(**words: object) -> Question:
    def asked(reader: Reader, project_id: str, user_id: str) -> object:
        of = {"project_id": project_id, "user_id": None} if words.get("of") == "project" else {"project_id": None}
        after = words.get("after")
        states = words.get("states", BOTH)
        whose = {"user_id": user_id, **of}
        return store.settled_page(reader, **whose, states=states, after=after, limit=20)  # type: ignore[arg-type]

    return asked


QUESTIONS: dict[str, Question] = {
    "what a start reads": lambda reader, _, __: store.live(reader),
    "a first page": page(of="project"),
    "a page in the midst": page(of="project", after=(NOW - 15 * 24 * HOUR_MS, "x")),
    "a page of those who are lost": page(of="project", states=LOST, after=(NOW - 15 * 24 * HOUR_MS, "x")),
    "a page of one's own": page(after=(NOW - 15 * 24 * HOUR_MS, "x")),
    "a page of one's own who are lost": page(states=LOST, after=(NOW - 15 * 24 * HOUR_MS, "x")),
    "what an event's client calls itself": lambda reader, project_id, user_id: store.alias_owner(
        reader, user_id, "laptop-7", project_id, "kept-57"
    ),
    "the same without a project": lambda reader, _, user_id: store.alias_owners(reader, user_id, "laptop-7", "kept-57"),
    "whose sessions end with a token": lambda reader, _, user_id: store.live_of(reader, user_id, token_id="none"),
    "what retention finds when nothing is due": lambda reader, _, __: store.settled_before(
        reader, lambda _: NOW - RETENTION_DAYS * DAY_MS, 50, ()
    ),
    "what it finds when much is due": lambda reader, _, __: store.settled_before(reader, lambda _: NOW, 50, ()),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A file with few kept sessions, and one with many; the same sessions live in both."""
    few, many = (tmp_path_factory.mktemp("growth") / name for name in ("few", "many"))
    for path, size in ((few, FEW), (many, MANY)):
        fill(path, 10)
        fill_settled(path, _ids(path)[0], 1, size, NOW)
    return few, many


def _ids(path: Path) -> tuple[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT (SELECT id FROM projects), (SELECT min(id) FROM users)").fetchone()
        return (str(found[0]), str(found[1]))


def _steps(path: Path, question: Question) -> int:
    """Of ten instructions of SQLite's virtual machine each."""
    counted = 0

    def one_more() -> int:
        nonlocal counted
        counted += 1
        return 0

    with sqlite.engine(path, query_only=True).connect() as connection:
        sqlite.driver(connection).set_progress_handler(one_more, 10)
        question(Reader(connection, NOW), *_ids(path))
    return counted


@pytest.mark.parametrize("asked", QUESTIONS)
def test_it_takes_as_many_steps_however_much_is_kept(files: tuple[Path, Path], asked: str) -> None:
    few, many = (_steps(path, QUESTIONS[asked]) for path in files)
    assert many <= few * 1.5 + 20, f"{few} steps with {FEW} kept, {many} with {MANY}"
