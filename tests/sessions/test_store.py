"""What the file keeps of sessions is what memory knows: the same joins, and nothing half."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from onduty.clock import Clock
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.identity.service import new_user
from onduty.sessions import store
from onduty.sessions.fold import Event, Registers, ServerEnd, leave_future
from onduty.sessions.history import store as history
from onduty.sessions.model import AgentSession
from tests.database.places import BOTH, Place, prepared
from tests.sessions.histories import (
    NOW,
    Item,
    any_history,
    any_registers,
    around,
    copy,
    folded,
    histories,
    near_stamps,
    session,
    told,
)

T = TypeVar("T")
_numbers = itertools.count()


class File:
    """A database with a user, in which each call of `write` is one transaction."""

    def __init__(self, place: Place) -> None:
        # One loop for all of it: a connection to PostgreSQL belongs to the loop that opened it.
        self.runner = asyncio.Runner()
        self.database = Database.open(prepared(place), Clock())
        self.user_id = self.write(lambda writer: new_user(writer, "Alice"))

    def write(self, work: Callable[[Writer], T]) -> T:
        async def run() -> T:
            return await self.database.write(work)

        return self.runner.run(run())

    def close(self) -> None:
        self.runner.run(self.database.close())
        self.runner.close()

    def new(self, writer: Writer, **words: Any) -> AgentSession:
        row = session(Registers(), id=f"s{next(_numbers)}", user_id=self.user_id, project_id=None, **words)
        store.create(writer, row)
        return row


@pytest.fixture(scope="module", params=BOTH)
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[File]:
    if request.param == "sqlite":
        one = File(tmp_path_factory.mktemp("store") / "data.sqlite3")
    else:
        one = File(request.getfixturevalue("cluster").new(request.getfixturevalue("template")))
    yield one
    one.close()


def found(writer: Writer, session_id: str) -> Registers:
    return store.by_ids(writer, [session_id])[0].registers


@given(st.lists(st.one_of(any_registers, any_history.map(folded)), max_size=4), st.data())
def test_raising_in_the_file_is_joining_in_memory_in_any_order(
    file: File, deltas: list[Registers], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(deltas + deltas[:2]))

    def work(writer: Writer) -> Registers:
        row = file.new(writer)
        for delta in order:
            store.raise_registers(writer, row.id, delta)
        return found(writer, row.id)

    assert file.write(work) == told(Registers(), deltas)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=50)
@given(histories(near_stamps, around))
def test_registers_that_left_the_future_are_kept_as_they_are(file: File, history: list[Item]) -> None:
    """Not joined: this is the one case in which they go back."""
    ahead = folded(history)
    back = copy(ahead)
    leave_future(back, NOW)

    def work(writer: Writer) -> Registers:
        row = file.new(writer)
        store.raise_registers(writer, row.id, ahead)
        store.set_registers(writer, row.id, back)
        return found(writer, row.id)

    assert file.write(work) == back


def test_activity_written_behind_never_goes_back(file: File) -> None:
    def work(writer: Writer) -> Registers:
        row = file.new(writer)
        store.raise_registers(writer, row.id, Registers(life=NOW, call=NOW - 5))
        store.flush(writer, [(row.id, NOW - 9, NOW - 9), (row.id, NOW - 1, NOW - 1)])
        return found(writer, row.id)

    assert file.write(work) == Registers(life=NOW, call=NOW - 1)


def test_every_word_of_a_session_comes_back(file: File) -> None:
    words = {
        "caller_origin": "codex", "caller_role": "qa", "client_version": "1", "branch": "main", "folder": "app",
        "said": "x", "ticket": "T-1", "parent_session_id": "s", "told_apart": False, "implicit_key": "k",
    }  # fmt: skip

    def work(writer: Writer) -> tuple[AgentSession, AgentSession]:
        row = file.new(writer, **words)
        return row, store.by_ids(writer, [row.id, "unknown"])[0]

    made, read = file.write(work)
    for name in (*words, "id", "user_id", "token_id", "machine_id", "project_id", "connected_at", "registers"):
        assert getattr(read, name) == getattr(made, name), name


def test_two_implicit_sessions_of_one_key_cannot_be(file: File) -> None:
    def work(writer: Writer) -> None:
        first = file.new(writer, implicit_key="once")
        store.release_implicit(writer, first.id)
        file.new(writer, implicit_key="once")

    file.write(work)
    with pytest.raises(IntegrityError):
        file.write(lambda writer: file.new(writer, implicit_key="once"))


def test_an_alias_goes_on_meaning_the_session_that_had_it_first(file: File) -> None:
    def work(writer: Writer) -> tuple[str, str, str | None, str | None, list[str]]:
        first, second = file.new(writer), file.new(writer)
        store.set_alias(writer, first, "thread")
        store.set_alias(writer, second, "thread")
        owner = store.alias_owner(writer, file.user_id, "laptop", None, "thread")
        elsewhere = store.alias_owner(writer, file.user_id, "desk", None, "thread")
        return first.id, second.id, owner, elsewhere, store.aliases_of(writer, first.id)

    first, _, owner, elsewhere, aliases = file.write(work)
    assert (owner, elsewhere, aliases) == (first, None, ["thread"])


def test_an_event_is_known_by_its_session_and_its_id_however_many_are_asked(file: File) -> None:
    ids = [f"e{number}" for number in range(1_203)]

    def work(writer: Writer) -> tuple[set[str], set[str]]:
        one, other = file.new(writer), file.new(writer)
        history.add_events(writer, one.id, [Event(i, "prompt", 1, NOW) for i in ids[::2]], 20_000)
        return history.known_events(writer, one.id, ids), history.known_events(writer, other.id, ids)

    assert file.write(work) == (set(ids[::2]), set())


def test_forgotten_tools_are_gone_from_the_file(file: File) -> None:
    registers = folded(Event("e", "tool_started", n, NOW, "Bash", f"t{n}") for n in range(1, 1_100))

    def work(writer: Writer) -> Registers:
        row = file.new(writer)
        store.raise_registers(writer, row.id, registers)
        store.forget_tools(writer, row.id, [key for key in registers.tools if key != "t7"])
        return found(writer, row.id)

    assert set(file.write(work).tools) == {"t7"}


def test_what_settles_is_not_live_until_it_speaks_again(file: File) -> None:
    def live(writer: Writer) -> set[str]:
        return {row.id for row in store.live(writer)}

    def work(writer: Writer) -> None:
        by_event, by_flush = file.new(writer), file.new(writer)
        rows = [(row, "lost") for row in (by_event, by_flush)]
        both = {by_event.id, by_flush.id}
        store.settle(writer, rows)
        assert not both & live(writer)
        store.raise_registers(writer, by_event.id, Registers(life=NOW))
        store.flush(writer, [(by_flush.id, NOW, NOW)])
        assert both <= live(writer)

    file.write(work)


def test_who_spoke_before_the_settling_was_written_does_not_settle(file: File) -> None:
    """Its row was read before; what it said since stands in the file, and it would be missing after a restart."""

    def work(writer: Writer) -> None:
        row = file.new(writer)
        store.raise_registers(writer, row.id, Registers(life=NOW))
        as_read = replace(row, registers=Registers(life=NOW - 5))
        store.settle(writer, [(as_read, "lost")])
        assert row.id in {one.id for one in store.live(writer)}

    file.write(work)


def test_who_ended_before_the_settling_was_written_does_not_settle_as_lost(file: File) -> None:
    """Its row was read before the end; settled as `lost` it would be listed among the lost for ever."""

    def work(writer: Writer) -> None:
        row = file.new(writer)
        store.raise_registers(writer, row.id, Registers(life=NOW, end_s=ServerEnd(NOW + 1, "deleted")))
        store.settle(writer, [(replace(row, registers=Registers(life=NOW)), "lost")])
        assert row.id in {one.id for one in store.live(writer)}

    file.write(work)


def test_pages_of_the_settled_meet_without_gap_or_repeat(file: File) -> None:
    def work(writer: Writer) -> tuple[list[str], list[str]]:
        owner = new_user(writer, "Bob")
        expected = []
        for number in range(23):
            row = replace(session(Registers()), id=f"p{number:02}", user_id=owner, project_id=None)
            store.create(writer, row)
            life = NOW - number // 4
            store.raise_registers(writer, row.id, Registers(life=life))
            as_read = replace(row, registers=Registers(life=life))
            store.settle(writer, [(as_read, "lost" if number % 2 else "ended")])
            expected.append(row.id)
        seen: list[str] = []
        after = None
        while rows := store.settled_page(
            writer, project_id=None, user_id=owner, states=frozenset({"lost", "ended"}), after=after, limit=5
        ):
            seen += [row.id for row in rows]
            after = (rows[-1].registers.life, rows[-1].id)
        lost = store.settled_page(
            writer, project_id=None, user_id=owner, states=frozenset({"lost"}), after=None, limit=99
        )
        assert [row.id for row in lost] == expected[1::2]
        return seen, expected

    seen, expected = file.write(work)
    assert seen == expected


def test_gaps_and_until_when_we_listened_are_kept(file: File) -> None:
    def work(writer: Writer) -> None:
        assert store.listened_until(writer) is None
        store.set_listened_until(writer, NOW)
        store.set_listened_until(writer, NOW + 1)
        assert store.listened_until(writer) == NOW + 1
        for span in ((NOW, NOW + 9), (NOW - 20, NOW - 10), (NOW, NOW + 5)):
            store.add_gap(writer, *span)
        assert store.gaps(writer) == [(NOW - 20, NOW - 10), (NOW, NOW + 9)]

    file.write(work)
