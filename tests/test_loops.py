"""Each loop of the server is watched: if one dies, the server is not ready any more, and is told to leave."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, ClassVar

import pytest

from onduty import process, server
from onduty.background import Background
from onduty.clock import Clock
from onduty.database import backups
from onduty.database.backups import kept_in
from onduty.database.engine import Database
from onduty.database.schema import prepare
from onduty.health import trouble
from onduty.rooms import Rooms, build
from onduty.settings import Settings
from tests.asking import ask
from tests.database.places import Place

LOOPS = ("keeping", "settling", "retention", "wires", "tokens", "deleting", "streams")


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


class Kept(Background):
    """What the server makes for itself, for a test to reach into."""

    made: ClassVar[list[Background]] = []

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.made.append(self)


OWN = ("database", "backups", "mcp")


@pytest.mark.parametrize("name", OWN)
def test_a_server_takes_its_first_backup_and_leaves_with_70_when_a_loop_dies(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Those that begin outside the rooms, on either database."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(server, "Background", Kept)
    monkeypatch.setattr(server, "tell", print)
    monkeypatch.setattr(backups, "_FIRST_SECONDS", 0.05)
    database = f"sqlite:///{place}" if isinstance(place, Path) else place
    settings = Settings(data=tmp_path, database=database, port=0)

    async def serve() -> int:
        with process.bind("127.0.0.1", 0) as bound:
            serving = asyncio.create_task(server._run(settings, bound, None))
            async with asyncio.timeout(60):
                while not (kept_in(settings.backup_folder) and _is_told(settings)):
                    await asyncio.sleep(0.02)
                    assert not serving.done(), await serving
            await asyncio.to_thread(ask, bound.getsockname()[1], "POST", "/mcp", token=_token(settings), json={})
            [background] = Kept.made
            assert set(background._tasks.values()) == {*LOOPS, *OWN}
            [task] = [task for task, named in background._tasks.items() if named == name]
            task.cancel()
            return await serving

    Kept.made.clear()
    assert asyncio.run(serve()) == 70


def _is_told(settings: Settings) -> bool:
    """Whether the first start is over."""
    return (settings.data / "config" / "onduty" / "credentials.json").exists()


def _token(settings: Settings) -> str:
    kept = (settings.data / "config" / "onduty" / "credentials.json").read_text()
    found = re.search(r"ody_[0-9A-Za-z]{36}", kept)
    assert found is not None
    return found.group()
