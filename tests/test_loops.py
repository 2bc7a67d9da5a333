"""Each loop of the server is watched: if one dies, the server is not ready any more, and is told to leave."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from onduty.background import Background
from onduty.clock import Clock
from onduty.database.engine import Database
from onduty.database.schema import prepare
from onduty.health import trouble
from onduty.rooms import Rooms, build
from onduty.settings import Settings

LOOPS = ("keeping", "settling", "retention", "wires", "tokens", "deleting")


async def _up(folder: Path, left: list[str]) -> Rooms:
    prepare(folder / "onduty.sqlite3")
    background = Background(lambda name, _: left.append(name))
    database = Database.open(folder / "onduty.sqlite3", Clock())
    rooms = build(Settings(data=folder), Clock(), database, background)
    await rooms.load()
    return rooms


def test_these_are_all_the_loops(tmp_path: Path) -> None:
    async def names() -> set[str]:
        rooms = await _up(tmp_path, [])
        try:
            return set(rooms.background._tasks.values())
        finally:
            await rooms.close()

    assert asyncio.run(names()) == set(LOOPS)


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_that_dies_makes_the_server_unready_and_leave(tmp_path: Path, name: str) -> None:
    async def killed() -> None:
        left: list[str] = []
        rooms = await _up(tmp_path, left)
        try:
            assert not trouble(rooms)
            [task] = [task for task, named in rooms.background._tasks.items() if named == name]
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert left == [name]
            assert trouble(rooms) == [f"the loop '{name}' died"]
        finally:
            await rooms.close()

    asyncio.run(killed())
