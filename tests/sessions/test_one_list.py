"""Memory and settled rows page as one list, while sessions settle, return, start, end and are removed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from onduty.sessions.listing import query_of
from onduty.sessions.model import HOUR_MS, end_of
from tests.people import ALICE, BOB
from tests.sessions.office import Office, opened
from tests.sessions.test_retention import retaining

ACTS = ("start", "act", "end", "hour", "day", "settle", "remove")
step = st.tuples(st.sampled_from(ACTS), st.integers(0, 9))


@dataclass
class Story:
    """What happens in an office, and what its list has to be."""

    office: Office
    ids: list[str] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)

    async def do(self, act: str, number: int) -> None:
        office = self.office
        chosen = self.ids[number % len(self.ids)] if self.ids else None
        if act == "start" or chosen is None:
            self.ids.append((await office.register(BOB, f"{len(self.ids)}")).id)
            self.moved.add(self.ids[-1])
        elif act == "act":
            await self.act(chosen)
        elif act == "end":
            if end_of((await office.sessions.find(office.one(BOB), chosen)).registers) is None:
                await office.sessions.end(office.one(BOB), chosen, "deleted")
        elif act in ("hour", "day"):
            office.forward((number + 1) * HOUR_MS * (1 if act == "hour" else 24))
        elif act == "settle":
            await office.keeping.flush()
            await office.keeping.settle(office.clock.now())
        else:
            await self.remove()
        # No two share a millisecond, so that the order is one.
        office.forward(1_000)

    async def act(self, chosen: str) -> None:
        session = await self.office.sessions.find(self.office.one(BOB), chosen)
        if end_of(session.registers) is None:
            await self.office.sessions.act(self.office.one(BOB), chosen, self.office.clock.now())
            self.moved.add(chosen)

    async def remove(self) -> None:
        gone: list[str] = []
        await retaining(self.office, gone).remove_old()
        self.ids = [each for each in self.ids if each not in gone]
        self.moved.update(gone)

    async def page(self, limit: int, cursor: str | None) -> tuple[list[str], str | None]:
        query = query_of(self.office.project_id, False, None, limit, cursor)
        listing = await self.office.reading.list(self.office.one(ALICE), query, self.office.clock.now())
        return [row["session_id"] for row in json.loads(listing.body)["sessions"]], listing.next_cursor

    async def truth(self) -> list[str]:
        """All that there are, newest activity first, asked one by one."""
        found = [await self.office.sessions.find(self.office.one(ALICE), each) for each in self.ids]
        return [s.id for s in sorted(found, key=lambda s: (-s.registers.life, s.id))]

    async def walk(self, limit: int, between: list[tuple[str, int]]) -> None:
        """Page through all of it while this happens between the pages."""
        self.moved.clear()
        before, seen, cursor, coming = await self.truth(), list[str](), None, list(between)
        while True:
            rows, cursor = await self.page(limit, cursor)
            seen += rows
            if cursor is None:
                break
            if coming:
                await self.do(*coming.pop(0))
        assert len(set(seen)) == len(seen), "one comes twice"
        still = [each for each in before if each not in self.moved]
        assert [each for each in seen if each in set(still)] == still, "one that did not change is missing"
        if not between:
            assert seen == before


@settings(max_examples=40)
@given(
    before=st.lists(step, min_size=8, max_size=30),
    between=st.lists(step, max_size=6),
    limit=st.integers(1, 6),
)
def test_none_comes_twice_and_each_that_did_not_change_comes_once_in_its_place(
    before: list[tuple[str, int]], between: list[tuple[str, int]], limit: int
) -> None:
    async def run() -> None:
        with TemporaryDirectory() as folder:
            async with opened(Path(folder) / "data.sqlite3") as office:
                story = Story(office)
                for act, number in before:
                    await story.do(act, number)
                await story.walk(limit, [])
                await story.walk(limit, between)
                await story.do("day", 2)
                await story.do("settle", 0)
                await story.walk(limit, [])

    asyncio.run(run())


def test_while_sessions_settle_and_return_at_the_very_same_time() -> None:
    """Pages are asked for in the midst of it, not only between: settling and reading take turns as they come."""

    async def run() -> None:
        with TemporaryDirectory() as folder:
            async with opened(Path(folder) / "data.sqlite3") as office:
                story = Story(office)
                for _ in range(120):
                    await story.do("start", 0)
                await story.do("day", 1)
                for number in range(60):
                    await asyncio.gather(
                        office.keeping.settle(office.clock.now()),
                        story.walk(7, [("settle", 0)]),
                        story.act(story.ids[number]),
                    )

    asyncio.run(run())
