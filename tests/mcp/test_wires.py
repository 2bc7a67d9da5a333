"""How long a wire id is known, with the time passed in, over a real file."""

from __future__ import annotations

from pathlib import Path

from onduty.mcp.model import FORGOTTEN_MS, FORGOTTEN_UNUSED_MS
from onduty.mcp.service import Wires
from onduty.sessions.model import HOUR_MS
from tests.people import ALICE, BOB
from tests.sessions.office import Office, in_office

CLIENT = ("claude-code", "2.1.0")


def test_without_a_tool_call_it_is_forgotten_after_a_day_else_after_thirty(tmp_path: Path) -> None:
    assert (FORGOTTEN_UNUSED_MS, FORGOTTEN_MS) == (24 * HOUR_MS, 30 * 24 * HOUR_MS)

    async def story(office: Office) -> None:
        bob, now, session = office.one(BOB), office.clock.now(), await office.register(BOB)
        for wires in (Wires(office.database), Wires(office.database)):
            for limit, pointed in ((FORGOTTEN_UNUSED_MS, False), (FORGOTTEN_MS, True)):
                late, at_limit = [await wires.mint(bob, "laptop", office.project_id, CLIENT, now) for _ in range(2)]
                if pointed:
                    for wire in (late, at_limit):
                        await wires.point(wire, session.id, session.project_id)
                assert await wires.find(bob, late.id, now + limit + 1) is None
                assert await wires.find(bob, at_limit.id, now + limit) is at_limit
                assert await wires.find(bob, at_limit.id, now + 2 * limit) is at_limit, "each request counts anew"

    in_office(tmp_path / "data.sqlite3", story)


def test_another_process_knows_it_with_all_that_it_points_to(tmp_path: Path) -> None:
    async def story(office: Office) -> None:
        bob, now, session = office.one(BOB), office.clock.now(), await office.register(BOB)
        wires = Wires(office.database)
        minted = await wires.mint(bob, "laptop", None, CLIENT, now)
        await wires.point(minted, session.id, session.project_id)
        other = Wires(office.database)
        found = await other.find(bob, minted.id, now + 1_000)
        assert found is not None
        assert (found.session_id, found.project_id, found.machine_id) == (session.id, office.project_id, "laptop")
        assert (found.client_name, found.client_version) == CLIENT
        assert await other.find(office.one(ALICE), minted.id, now) is None, "another token's"
        await other.retire(found)
        assert await Wires(office.database).find(bob, minted.id, now) is None

    in_office(tmp_path / "data.sqlite3", story)


def test_what_use_project_named_last_is_kept(tmp_path: Path) -> None:
    async def story(office: Office) -> None:
        bob, wires = office.one(BOB), Wires(office.database)
        await wires.choose(bob, "laptop", "claude-code", office.project_id)
        other = Wires(office.database)
        await other.load()
        assert other.chosen(bob, "laptop", "claude-code") == office.project_id
        for key in (
            (office.one(ALICE), "laptop", "claude-code"),
            (bob, "desk", "claude-code"),
            (bob, "laptop", "codex"),
        ):
            assert other.chosen(*key) is None

    in_office(tmp_path / "data.sqlite3", story)
