"""Presence streams over a real file: a lease of 45 seconds that pings renew, no activity, and no end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from onduty.background import Background
from onduty.sessions import presence as presence_room
from onduty.sessions.fold import Registers
from onduty.sessions.model import HOUR_MS, LEASE_MS, AgentSession, end_of, judge
from onduty.sessions.presence import Presence
from tests.database.places import Place
from tests.people import BOB
from tests.sessions.office import Office, in_office
from tests.sessions.test_resolution import Reception

PING = 0.02
# How long what must not happen is given to happen: several pings.
WHILE = 0.2


class Holding:
    """One open stream: `told` holds the session of each ping."""

    def __init__(self) -> None:
        self.gone, self.pinged_now = asyncio.Event(), asyncio.Event()
        self.told: list[AgentSession | None] = []
        self.ended_here: bool | None = None

    async def pinged(self, times: int = 1) -> AgentSession | None:
        """After so many more pings: the session that the last one found."""
        wanted = len(self.told) + times
        async with asyncio.timeout(10):
            while len(self.told) < wanted:
                self.pinged_now.clear()
                await self.pinged_now.wait()
        return self.told[-1]


class Lobby(Reception):
    """Streams that clients of Bob's open at an office, with pings fifty times a second."""

    def __init__(self, office: Office) -> None:
        super().__init__(office)
        self.presence = Presence(office.registry, self.resolution, office.clock, Background())

    @asynccontextmanager
    async def stream(self, client: object = None, recorded: bool = True, **words: Any) -> AsyncIterator[Holding]:
        holding = Holding()

        async def ping(session: AgentSession | None) -> None:
            holding.told.append(session)
            holding.pinged_now.set()

        async def gone() -> None:
            await holding.gone.wait()

        async def whole() -> None:
            claim = (lambda: self.claim(**words)) if recorded else None
            holding.ended_here = await self.presence.hold(claim, gone, ping, client)

        task = asyncio.get_running_loop().create_task(whole())
        try:
            yield holding
        finally:
            holding.gone.set()
            await asyncio.wait_for(task, 10)


Story = Callable[[Lobby], Awaitable[None]]
Run = Callable[[Story], None]


@pytest.fixture
def run(place: Place, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(presence_room, "SHOWN_AFTER_SECONDS", PING)
    monkeypatch.setattr(presence_room, "PING_SECONDS", PING)
    return lambda story: in_office(place, lambda office: story(Lobby(office)))


def connected(session: AgentSession, at: int) -> bool:
    return judge(session, at).connected


def test_the_lease_is_of_45_seconds_and_three_pings_fit_into_it() -> None:
    assert LEASE_MS == 45_000
    assert presence_room.PING_SECONDS * 1000 * 3 <= LEASE_MS
    assert presence_room.SHOWN_AFTER_SECONDS == 5


def test_a_stream_shows_a_session_as_connected_and_idle_and_gives_it_its_first_life_once(run: Run) -> None:
    async def story(at: Lobby) -> None:
        async with at.stream() as stream:
            session = await stream.pinged()
            assert session is not None
            now, life = at.office.clock.now(), session.registers.life
            verdict = judge(session, now)
            assert (verdict.state, verdict.because.signal, verdict.active) == ("idle", "stream", True)
            assert now - life < 5_000
            since, until = session.lease_since, session.lease_until
            await stream.pinged(3)
            assert session.lease_until > until, "a ping renews it"
            assert session.lease_since == since
            assert session.registers == Registers(life=life), "it is no activity"
        assert not connected(session, at.office.clock.now()), "its close shows at once"
        assert end_of(session.registers) is None, "and is no end"
        assert judge(session, at.office.clock.now()).state == "idle"

    run(story)


def test_without_a_ping_the_lease_runs_out_after_45_seconds(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a server, say, that is not there to ping."""
    monkeypatch.setattr(presence_room, "PING_SECONDS", 15.0)

    async def story(at: Lobby) -> None:
        async with at.stream() as stream:
            session = await stream.pinged()
            assert session is not None
            until = session.lease_until
            assert connected(session, until - 1)
            assert not connected(session, until)
            assert until == session.lease_since + LEASE_MS
            assert judge(session, until - 1).changes_at == until

    run(story)


def test_an_open_stream_keeps_a_session_from_being_lost(run: Run) -> None:
    async def story(at: Lobby) -> None:
        async with at.stream() as stream:
            session = await stream.pinged()
            assert session is not None
            at.office.forward(3 * HOUR_MS)
            await stream.pinged(2)
            assert judge(session, at.office.clock.now()).state == "idle"
        assert judge(session, at.office.clock.now()).state == "lost"

    run(story)


def test_one_that_leaves_before_it_is_shown_leaves_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence_room, "SHOWN_AFTER_SECONDS", 5.0)

    async def story(at: Lobby) -> None:
        async with at.stream() as stream:
            await asyncio.sleep(WHILE)
        assert (stream.told, stream.ended_here) == ([], False)
        assert not at.office.registry.sessions
        assert not at.presence.streams

    run(story)


def test_a_session_stays_connected_until_the_last_of_its_streams_closes(run: Run) -> None:
    async def story(at: Lobby) -> None:
        async with at.stream() as first:
            session = await first.pinged()
            assert session is not None
            async with at.stream() as second:
                assert await second.pinged() is session
            await first.pinged()
            assert connected(session, at.office.clock.now())
        assert not connected(session, at.office.clock.now())
        assert not at.presence.held

    run(story)


def test_a_stream_holds_the_session_that_its_client_is_by_now(run: Run) -> None:
    """A hook tells who the client is, after a call has made an implicit session of it."""

    async def story(at: Lobby) -> None:
        implicit = await at.call()
        async with at.stream() as stream:
            assert await stream.pinged() is implicit
            hooked = await at.told("thread", "start")
            assert await stream.pinged(2) is hooked
            now = at.office.clock.now()
            assert (connected(implicit, now), connected(hooked, now)) == (False, True)
            assert not at.office.registry.shown(implicit, now)[0]

    run(story)


def test_who_was_only_connected_and_tells_an_id_is_that_session(run: Run) -> None:
    """Codex connects as it starts and tells its id with the first prompt: one agent, one row."""

    async def story(at: Lobby) -> None:
        async with at.stream() as stream:
            implicit = await stream.pinged()
            assert implicit is not None
            assert await at.told("over", "end") is not implicit, "an end is nobody's beginning"
            assert await at.told("thread", "start") is implicit
            assert (implicit.told_apart, implicit.implicit_key) == (True, None)
            assert await stream.pinged(2) is implicit
            assert await at.told("other", "start") is not implicit
            assert len(at.office.registry.sessions) == 3

    run(story)


def test_streams_of_two_agents_leave_no_third_row_when_both_have_ended(run: Run) -> None:
    """Nothing tells which of the two a stream is of, and each has its row; one that stays open is somebody else's."""

    async def story(at: Lobby) -> None:
        for name in ("one", "two"):
            await at.told(name, "start")
        async with at.stream() as stream:
            implicit = await stream.pinged(2)
            assert implicit is not None
        for name in ("one", "two"):
            await at.told(name, "end")
        assert not at.office.registry.shown(implicit, at.office.clock.now())[0]
        async with at.stream() as stream:
            assert await stream.pinged() is implicit
            assert at.office.registry.shown(implicit, at.office.clock.now())[0]

    run(story)


def test_the_end_of_a_session_is_not_undone_by_the_stream_that_held_it(run: Run) -> None:
    """However many pings later; a tool call goes on, and the stream with it."""

    async def story(at: Lobby) -> None:
        async with at.stream() as stream:
            session = await stream.pinged()
            assert session is not None
            await at.ended(session)
            await stream.pinged(5)
            assert stream.told[-3:] == [None] * 3
            assert list(at.office.registry.sessions) == [session.id]
            assert not connected(session, at.office.clock.now())
            new = await at.call()
            assert new is not session
            assert await stream.pinged(2) is new

    run(story)


def test_the_stream_of_a_wire_id_whose_session_ended_waits_for_a_call_too(run: Run) -> None:
    async def story(at: Lobby) -> None:
        session = await at.ended(await at.call())
        async with at.stream(pointed=session.id) as stream:
            assert await stream.pinged(3) is None
        assert list(at.office.registry.sessions) == [session.id]

    run(story)


def test_the_stream_of_a_child_process_makes_the_child(run: Run) -> None:
    async def story(at: Lobby) -> None:
        parent = await at.office.register(BOB, "parent", caller_origin="claude-code")
        async with at.stream(named=parent.id, client_name="codex-mcp-client") as stream:
            child = await stream.pinged()
            assert child is not None
            assert child.parent_session_id == parent.id
            await at.ended(child)
            assert await stream.pinged(4) is None
        assert len(at.office.registry.sessions) == 2

    run(story)


def test_a_stream_of_whom_nothing_is_recorded_stays_open_and_holds_nothing(run: Run) -> None:
    async def story(at: Lobby) -> None:
        async with at.stream(recorded=False) as stream:
            assert await stream.pinged(3) is None
        assert not at.office.registry.sessions

    run(story)


def test_a_client_that_hangs_up_ends_its_own_streams_alone(run: Run) -> None:
    async def story(at: Lobby) -> None:
        mine, other = object(), object()
        async with at.stream(mine) as first, at.stream(mine) as second, at.stream(other) as third:
            session = await third.pinged()
            await first.pinged()
            assert session is not None
            assert at.presence.is_held_beside(session.id, mine)
            at.presence.leave(mine)
            assert not at.presence.is_held_beside(session.id, other)
            await third.pinged(3)
            assert (first.ended_here, second.ended_here, third.ended_here) == (True, True, None)
            assert connected(session, at.office.clock.now())

    run(story)


def test_a_server_that_leaves_ends_all_streams_at_once_and_nobody_is_released(run: Run) -> None:
    """After a restart within the lease nothing has flickered."""

    async def story(at: Lobby) -> None:
        async with at.stream() as first, at.stream(recorded=False) as second:
            session = await first.pinged()
            await second.pinged()
            assert session is not None
            at.presence.close()
            await asyncio.sleep(WHILE)
            assert (first.ended_here, second.ended_here) == (True, True)
            assert connected(session, at.office.clock.now())

    run(story)


def test_a_server_may_leave_in_the_very_moment_in_which_a_ping_is_due(run: Run) -> None:
    """The wait of a stream is then over but not yet left: ended twice it must not break the way out."""

    async def story(at: Lobby) -> None:
        async def gone() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                at.presence.close()
                raise

        async def ping(session: AgentSession | None) -> None:
            raise AssertionError("the server has left")

        async with asyncio.timeout(10):
            assert await at.presence.hold(None, gone, ping)

    run(story)
