"""One running process is one agent, whatever its client calls the conversation; an agent in an agent is its child."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from onduty.sessions.events import Told
from onduty.sessions.fold import Kind
from onduty.sessions.model import AgentSession, end_of
from onduty.sessions.processes import Process
from tests.database.places import Place
from tests.people import ALICE, BOB
from tests.sessions.office import Office, in_office

Run = Callable[[Callable[[Office], Awaitable[Any]]], Any]


@pytest.fixture
def run(place: Place) -> Run:
    return lambda story: in_office(place, story)


def process(pid: int, *parents: int, boot: str = "boot", started: str = "7") -> Process:
    return Process(boot, pid, started, tuple(Process(boot, each, started) for each in parents))


class Client:
    """Bob's client programs, whose events come one after another."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.count = 0

    async def tell(
        self, running: Process | None, session: str, kind: Kind, reason: str = "", parent: str = ""
    ) -> AgentSession:
        self.count += 1
        at, stamp = self.office.clock.now(), 1000 + self.count
        told = Told(f"e{self.count}", kind, at, session, stamp, reason=reason, process=running, parent=parent)
        [result] = await self.office.events.record(self.office.one(BOB), self.office.batch(told))
        assert result.session_id is not None
        return self.office.registry.sessions[result.session_id]


@pytest.mark.parametrize("reason", ["clear", "resume", "compact"])
def test_the_same_process_with_a_new_id_is_the_same_session(run: Run, reason: str) -> None:
    async def story(office: Office) -> None:
        client = Client(office)
        first = await client.tell(process(1), "a", "start", "startup")
        await client.tell(process(1), "a", "end", reason)
        assert await client.tell(process(1), "b", "start", reason) is first
        assert await client.tell(None, "b", "prompt") is first
        assert await client.tell(None, "a", "activity") is first
        assert end_of(first.registers) is None
        assert len(office.registry.sessions) == 1

    run(story)


def test_a_start_that_comes_after_the_prompt_finds_its_session(run: Run) -> None:
    async def story(office: Office) -> None:
        client = Client(office)
        first = await client.tell(process(1), "a", "start", "startup")
        assert await client.tell(process(1), "b", "prompt") is first
        assert await client.tell(process(1), "b", "start", "clear") is first

    run(story)


@pytest.mark.parametrize("other", [process(2), process(1, started="8"), process(1, boot="next")])
def test_a_new_process_with_a_new_id_is_a_new_row(run: Run, other: Process) -> None:
    async def story(office: Office) -> None:
        client = Client(office)
        first = await client.tell(process(1), "a", "start", "startup")
        second = await client.tell(other, "b", "start", "startup")
        assert second is not first
        assert second.parent_session_id is None

    run(story)


def test_a_new_process_with_a_known_id_is_the_session_resumed(run: Run) -> None:
    async def story(office: Office) -> None:
        client = Client(office)
        first = await client.tell(process(1), "a", "start", "startup")
        await client.tell(process(1), "a", "end", "exit")
        assert await client.tell(process(2), "a", "start", "resume") is first
        assert end_of(first.registers) is None
        assert await client.tell(process(2), "b", "start", "clear") is first

    run(story)


def test_a_fork_is_a_child_and_what_its_process_left_has_ended(run: Run) -> None:
    async def story(office: Office) -> None:
        client = Client(office)
        first = await client.tell(process(1), "a", "start", "startup")
        await client.tell(process(1), "a", "end", "resume")
        fork = await client.tell(process(1), "b", "start", "fork")
        assert fork.parent_session_id == first.id
        end = end_of(first.registers)
        assert end is not None
        assert end.reason == "moved"
        assert await client.tell(process(1), "c", "start", "clear") is fork
        # And back to the original, in the same process.
        assert await client.tell(process(1), "a", "start", "resume") is first
        assert end_of(first.registers) is None
        assert end_of(fork.registers) is not None

    run(story)


def test_an_agent_in_an_agent_is_its_child_while_that_lives(run: Run) -> None:
    async def story(office: Office) -> None:
        client = Client(office)
        outer = await client.tell(process(1), "a", "start", "startup")
        inner = await client.tell(process(3, 2, 1), "b", "start", "startup")
        assert inner.parent_session_id == outer.id
        innermost = await client.tell(process(4, 3, 2, 1), "c", "start", "startup")
        assert innermost.parent_session_id == inner.id
        await client.tell(process(1), "a", "end", "exit")
        assert (await client.tell(process(5, 1), "d", "start", "startup")).parent_session_id is None

    run(story)


def test_what_a_new_session_says_that_it_was_started_from_is_its_parent(run: Run) -> None:
    """A fork names the conversation, by the client's id, ended or not; another one only where no process tells it."""

    async def story(office: Office) -> None:
        client = Client(office)
        first = await client.tell(process(1), "a", "start", "startup")
        other = await client.tell(process(2), "o", "start", "startup")
        await client.tell(process(1), "a", "end", "exit")
        assert (await client.tell(process(3, 2), "b", "start", "fork", parent="a")).parent_session_id == first.id
        assert (await client.tell(process(4, 2), "c", "start", "startup", parent="a")).parent_session_id == other.id
        assert (await client.tell(None, "d", "start", "startup", parent=other.id)).parent_session_id == other.id
        assert (await client.tell(process(4, 2), "c", "start", "resume", parent="o")).parent_session_id == other.id

    run(story)


def test_nobody_elses_session_and_no_unknown_one_is_a_parent(run: Run) -> None:
    async def story(office: Office) -> None:
        theirs = await office.register(ALICE, "ref")
        for number, named in enumerate((theirs.id, "ref", "nowhere")):
            made = await Client(office).tell(None, f"s{number}", "start", "fork", parent=named)
            assert made.parent_session_id is None

    run(story)


def test_another_persons_process_is_not_mine(run: Run) -> None:
    async def story(office: Office) -> None:
        mine = await Client(office).tell(process(1), "a", "start", "startup")
        told = Told("x", "start", office.clock.now(), "b", process=process(1))
        [result] = await office.events.record(office.one(ALICE), office.batch(told))
        assert result.session_id != mine.id

    run(story)


def test_the_end_that_a_health_check_sends_makes_no_parent(run: Run) -> None:
    async def story(office: Office) -> None:
        client = Client(office)
        check = await client.tell(process(1), "check", "end", "other")
        assert (await client.tell(process(2, 1), "a", "start", "startup")).parent_session_id is None
        assert check.registers.life == 0

    run(story)
