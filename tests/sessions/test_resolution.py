"""The ladder of design.md 2.4, rung by rung, over a real file with the time passed in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from onduty.errors import Ended, NotFound
from onduty.identity import service as identity
from onduty.identity.model import Principal
from onduty.projects import service as projects
from onduty.sessions.fold import Kind, Registers
from onduty.sessions.model import HOUR_MS, MINUTE_MS, AgentSession, end_of, judge
from onduty.sessions.resolution import Claim, Resolution
from tests.people import ALICE, BOB, Person
from tests.sessions.office import Office, in_office

CLAUDE, CODEX = "claude-code", "codex-mcp-client"
UNKNOWN = "0198f0a4-0000-7000-8000-000000000000"


class Reception:
    """The ladder of an office, asked by Bob's clients on his laptop unless a test says otherwise."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.resolution = Resolution(office.database, office.registry, office.projects, office.sessions)

    def claim(self, person: Person = BOB, **words: Any) -> Claim:
        claim = Claim(self.office.one(person), self.office.project_id, "laptop", CLAUDE, "2.1.0")
        return replace(claim, **words)

    async def call(self, after_ms: int = 0, person: Person = BOB, **words: Any) -> AgentSession:
        """Whose a tool call is, so much later."""
        claim = self.claim(person, **words)
        return await self.resolution.of_call(claim, self.office.clock.now() + after_ms)

    async def looked_up(self, **words: Any) -> AgentSession | None:
        return await self.resolution.existing(self.claim(**words), self.office.clock.now())

    async def told(self, session: str, *kinds: Kind, person: Person = BOB, **words: Any) -> AgentSession:
        """A client's hook tells of a session by its own id for it."""
        office = self.office
        told = [(f"{session}-{kind}-{office.clock.now()}", kind) for kind in kinds]
        events = [office.told(name, kind, session=session, **words) for name, kind in told]
        batch = office.batch(*events, words={"caller_origin": "claude-code"})
        [*_, last] = await office.events.record(office.one(person), batch)
        assert last.session_id is not None
        return office.registry.sessions[last.session_id]

    async def ended(self, session: AgentSession) -> AgentSession:
        return await self.office.sessions.finish(session.id, "end_session")

    async def new_project(self) -> str:
        """Another project of Bob's."""
        office, bob = self.office, self.office.one(BOB).user_id
        project = await office.database.write(lambda writer: projects.found(writer, "other", bob))
        office.projects.adopt(project, bob)
        return project.id

    async def new_token(self, **words: Any) -> Principal:
        """Another token of Bob's."""
        token = identity.make_token(self.office.one(BOB).user_id, "second", **words)
        await self.office.database.write(lambda writer: identity.keep_token(writer, token))
        return token.principal


Story = Callable[[Reception], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Story], None]:
    return lambda story: in_office(tmp_path / "data.sqlite3", lambda office: story(Reception(office)))


Run = Callable[[Story], None]


def test_each_rung_counts_before_all_below_it(run: Run) -> None:
    async def story(at: Reception) -> None:
        implicit = await at.call()
        only = await at.told("one", "start")
        assert (await at.call()) is only, "4 before 5"
        pointed = await at.office.register(BOB, "pointed", caller_origin="claude-code")
        by_wire: dict[str, Any] = {"pointed": pointed.id}
        assert (await at.call(**by_wire)) is pointed, "3 before 4"
        thread = await at.told("thread", "start")
        by_thread = {**by_wire, "aliases": ("thread",)}
        assert (await at.call(**by_thread)) is thread, "2 before 3"
        used = await at.told("user", "start")
        await at.told("user", "tool_started", tool="x", tool_id="toolu_1")
        assert (await at.call(**by_wire, tool_use_id="toolu_1")) is used, "2 before 3, by a tool use"
        assert (await at.call(**by_thread, tool_use_id="toolu_1")) is thread
        named = await at.office.register(BOB, "named", caller_origin="claude-code")
        assert (await at.call(**by_thread, named=named.id.upper())) is named, "1 before 2"
        assert (await at.call()) is implicit, "several are told apart, so none of them"

    run(story)


def test_a_call_is_a_sign_of_life_and_a_look_is_none(run: Run) -> None:
    async def story(at: Reception) -> None:
        assert await at.looked_up() is None
        assert not at.office.registry.sessions
        session = await at.call()
        life = session.registers.life
        assert await at.looked_up() is session
        assert session.registers.life == life
        assert (await at.call(5_000)) is session
        assert session.registers.life == session.registers.call > life

    run(story)


def test_naming_one_that_may_not_be_seen_is_an_error_and_never_the_next_rung(run: Run) -> None:
    async def story(at: Reception) -> None:
        alices = await at.office.register(ALICE, "hers")
        ended = await at.ended(await at.office.register(BOB, "ended"))
        elsewhere = await at.call(project_id=await at.new_project())
        narrowed = await at.new_token(project_ids=[at.office.project_id])
        await at.told("thread", "start")
        pointed = await at.office.register(BOB, "pointed")
        lives = {s.id: s.registers.life for s in at.office.registry.sessions.values()}
        for named, error in ((alices.id, NotFound), (UNKNOWN, NotFound), ("", NotFound), (ended.id, Ended)):
            with pytest.raises(error):
                await at.call(9_000, named=named, aliases=("thread",), pointed=pointed.id)
            with pytest.raises(error):
                await at.looked_up(named=named)
            assert await at.resolution.of_stream(at.claim(named=named), at.office.clock.now(), None) is None
        with pytest.raises(NotFound):
            await at.call(9_000, principal=narrowed, named=elsewhere.id)
        assert {s.id: s.registers.life for s in at.office.registry.sessions.values()} == lives

    run(story)


def test_a_named_session_brings_its_own_project(run: Run) -> None:
    async def story(at: Reception) -> None:
        elsewhere = await at.call(project_id=await at.new_project())
        assert (await at.call(named=elsewhere.id)) is elsewhere

    run(story)


def test_a_client_of_another_name_is_a_child_of_the_one_it_names(run: Run) -> None:
    async def story(at: Reception) -> None:
        parent = await at.office.register(BOB, "parent", caller_origin="claude-code")
        child = await at.call(named=parent.id, client_name=CODEX)
        assert child.parent_session_id == parent.id
        assert (child.caller_origin, child.project_id) == ("codex", at.office.project_id)
        assert (await at.call(named=parent.id, client_name=CODEX)) is child
        assert (await at.call(named=parent.id, client_name=CODEX, pointed=child.id)) is child
        thread = await at.call(named=parent.id, client_name=CODEX, aliases=("thread",))
        assert thread is not child
        assert thread.parent_session_id == parent.id

    run(story)


def test_one_whose_origin_nobody_told_fits_any_client_and_learns_it(run: Run) -> None:
    async def story(at: Reception) -> None:
        session = await at.office.register(BOB, "x")
        before = session.caller_origin, session.client_version
        assert (await at.call(client_name=CODEX, client_version="1.2")) is session
        assert (before, session.caller_origin, session.client_version) == ((None, None), "codex", "1.2")
        assert (await at.office.stored(session.id)).caller_origin == "codex"
        assert (await at.call()) is not session

    run(story)


def test_an_alias_belongs_to_user_machine_and_project_but_to_no_token_or_origin(run: Run) -> None:
    async def story(at: Reception) -> None:
        by_thread: dict[str, Any] = {"aliases": ("thread",)}
        mine = await at.call(**by_thread)
        assert mine.told_apart
        assert (await at.call(**by_thread, principal=await at.new_token())) is mine
        assert (await at.call(**by_thread, client_name=CODEX)) is mine
        assert (await at.told("thread", "prompt")) is mine
        others = [
            await at.call(person=ALICE, **by_thread),
            await at.call(machine_id="desk", **by_thread),
            await at.call(project_id=await at.new_project(), **by_thread),
            await at.call(project_id=None, **by_thread),
            await at.call(aliases=("another",)),
        ]
        assert len({session.id for session in (mine, *others)}) == 6

    run(story)


def test_a_thread_is_one_session_even_for_fifty_at_once(run: Run) -> None:
    async def story(at: Reception) -> None:
        calls = (at.call(aliases=("thread",)) for _ in range(50))
        await asyncio.gather(*calls, at.told("thread", "prompt"))
        assert len(at.office.registry.sessions) == 1

    run(story)


def test_two_threads_on_one_wire_id_are_two_sessions(run: Run) -> None:
    async def story(at: Reception) -> None:
        one = await at.call(aliases=("one",))
        two = await at.call(aliases=("two",), pointed=one.id)
        assert two is not one
        assert two.parent_session_id is None
        assert (await at.call(aliases=("one",), pointed=two.id)) is one
        assert (await at.call(pointed=two.id)) is two, "without one, the wire id says who"

    run(story)


def test_a_thread_whose_session_has_ended_goes_on_in_one_child(run: Run) -> None:
    """Not in a new one a call; and what its hooks still tell means the ended one, which a start re-opens."""

    async def story(at: Reception) -> None:
        first = await at.ended(await at.call(aliases=("thread",)))
        second = await at.call(aliases=("thread",))
        assert second.parent_session_id == first.id
        assert (await at.call(aliases=("thread",))) is second
        assert (await at.told("thread", "activity")) is first
        assert end_of(first.registers) is not None
        await at.ended(second)
        third = await at.call(aliases=("thread",))
        assert third.parent_session_id == second.id
        assert (await at.call(aliases=("thread",))) is third
        await asyncio.sleep(0.005)
        assert (await at.told("thread", "start")) is first
        assert (await at.call(aliases=("thread",))) is first

    run(story)


def test_a_tool_use_counts_only_once_announced_and_only_for_its_own_user(run: Run) -> None:
    async def story(at: Reception) -> None:
        implicit = await at.call()
        await at.told("a", "start")
        await at.told("b", "start")
        assert (await at.call(tool_use_id="toolu_1")) is implicit
        await asyncio.sleep(0.005)
        announced = await at.told("b", "tool_started", tool="x", tool_id="toolu_1")
        assert (await at.call(tool_use_id="toolu_1")) is announced
        assert (await at.call(person=ALICE, tool_use_id="toolu_1")) is not announced
        await at.ended(announced)
        assert (await at.call(tool_use_id="toolu_1", pointed=implicit.id)) is implicit

    run(story)


def test_a_wire_id_points_on_until_its_session_ends_and_then_a_child_goes_on(run: Run) -> None:
    async def story(at: Reception) -> None:
        first = await at.call()
        assert (await at.call(2 * 24 * HOUR_MS, pointed=first.id)) is first, "silence is no end"
        await at.ended(first)
        child = await at.call(pointed=first.id)
        assert child.parent_session_id == first.id
        assert (await at.call(pointed=child.id)) is child
        assert end_of(first.registers) is not None

    run(story)


def test_a_wire_id_whose_session_has_left_memory_still_points_to_it(run: Run) -> None:
    async def story(at: Reception) -> None:
        office, session = at.office, await at.call(aliases=("thread",))
        await office.keeping.flush()
        now = office.forward(25 * HOUR_MS)
        assert await office.keeping.settle(now) == 1
        assert not office.registry.sessions
        held = await at.resolution.of_stream(at.claim(pointed=session.id), now, None)
        assert held is not None
        assert held.id == session.id
        assert held.registers.life == session.registers.life
        assert (await at.call(pointed=session.id)) is held
        assert list(office.registry.sessions) == [session.id]

    run(story)


LOST_AFTER = [("start", 2 * HOUR_MS), ("prompt", 30 * MINUTE_MS), ("waiting", 12 * HOUR_MS)]


@pytest.mark.parametrize(("kind", "limit"), LOST_AFTER)
def test_the_only_one_on_duty_counts_until_it_is_lost(run: Run, kind: Kind, limit: int) -> None:
    async def story(at: Reception) -> None:
        session = await at.told("one", kind)
        silent = limit - (at.office.clock.now() - session.registers.life)
        at_limit = at.office.clock.now() + silent
        assert judge(session, at_limit).state != "lost"
        assert (await at.resolution.existing(at.claim(), at_limit)) is session
        assert judge(session, at_limit + 1).state == "lost"
        assert await at.resolution.existing(at.claim(), at_limit + 1) is None

    run(story)


def test_the_only_one_on_duty_is_of_the_same_token_machine_project_and_client(run: Run) -> None:
    async def story(at: Reception) -> None:
        session = await at.told("one", "start")
        assert await at.looked_up() is session
        for other in (
            {"principal": await at.new_token()},
            {"machine_id": "desk"},
            {"project_id": await at.new_project()},
            {"project_id": None},
            {"client_name": CODEX},
        ):
            assert await at.looked_up(**other) is None, other
        await at.ended(session)
        assert await at.looked_up() is None

    run(story)


def test_the_implicit_session_is_one_even_for_fifty_at_once(run: Run) -> None:
    async def story(at: Reception) -> None:
        ids = {session.id for session in await asyncio.gather(*(at.call() for _ in range(50)))}
        assert len(ids) == 1 == len(at.office.registry.sessions)
        [session] = at.office.registry.sessions.values()
        assert (session.told_apart, session.caller_origin, session.client_version) == (False, "claude-code", "2.1.0")
        assert len({(await at.call(client_name=name)).id for name in (CLAUDE, CODEX, "", "Other")}) == 4

    run(story)


def test_the_implicit_session_once_ended_stays_so_and_the_next_call_makes_a_new_one(run: Run) -> None:
    async def story(at: Reception) -> None:
        first = await at.ended(await at.call())
        second = await at.call()
        assert second.id != first.id
        assert (await at.call()) is second
        assert end_of((await at.office.stored(first.id)).registers) is not None

    run(story)


def test_a_stream_makes_a_session_that_has_no_sign_of_life_and_a_call_goes_on_in_it(run: Run) -> None:
    async def story(at: Reception) -> None:
        session = await at.resolution.of_stream(at.claim(), at.office.clock.now(), None)
        assert session is not None
        assert session.registers == Registers()
        assert (await at.call()) is session
        assert session.registers.life

    run(story)


def test_an_unbound_session_is_bound_and_a_bound_one_moves_for_good(run: Run) -> None:
    async def story(at: Reception) -> None:
        unbound, project_id = await at.call(project_id=None), at.office.project_id
        bound = await at.resolution.move(unbound, at.claim(), alone=True)
        assert bound is unbound
        assert (await at.call()) is bound
        other = await at.new_project()
        child = await at.resolution.move(bound, at.claim(project_id=other), alone=True)
        end = end_of(bound.registers)
        assert end is not None
        assert (end.reason, bound.project_id) == ("moved", project_id)
        assert (child.parent_session_id, child.project_id) == (bound.id, other)
        assert (await at.call(project_id=other)) is child

    run(story)


def test_one_that_something_else_speaks_for_goes_on_where_it_is(run: Run) -> None:
    async def story(at: Reception) -> None:
        hooked = await at.told("one", "start")
        assert not at.resolution.is_alone(hooked)
        child = await at.resolution.move(hooked, at.claim(project_id=await at.new_project()), alone=False)
        assert end_of(hooked.registers) is None
        assert child.parent_session_id == hooked.id

    run(story)
