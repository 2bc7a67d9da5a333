"""Brings a server up on its data, and down again; each step that may refuse comes before anything is made or told."""

import asyncio
import gc
import logging
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Final

import uvloop

from onduty import process
from onduty.addresses import networks
from onduty.application import application
from onduty.background import Background, Wake
from onduty.database import postgres
from onduty.database.backups import Backups, vouch
from onduty.database.files import AlreadyInUse, Lock, prepare_folder
from onduty.database.opening import opened
from onduty.database.refused import Refused
from onduty.errors import Unavailable
from onduty.first_start import first_start
from onduty.front import Front
from onduty.log import log_to_stderr
from onduty.rooms import Rooms, build
from onduty.settings import Settings

_SWITCH_SECONDS: Final = 0.0005
Beside = Callable[[Rooms, Wake], Coroutine[Any, Any, None]]


def serve(settings: Settings, beside: Beside | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C: 0. What the data or the address does not allow is one line on stderr: 2.

    `beside` is a loop that runs along, once the address is known.
    """
    log_to_stderr(settings.log_level)
    try:
        path = settings.sqlite_file
        with ExitStack() as held:
            bound = held.enter_context(_bound(settings))
            locks = [held.enter_context(lock) for lock in data_locks(settings)]
            if path is not None and any(lock.unclean for lock in locks):
                logging.getLogger(__name__).warning("the last stop was not a clean one: the database is checked")
                vouch(path, settings.backup_folder)
            for lock in locks:
                lock.unclean = False
            # A writing thread that is ready gets its turn from a busy loop ten times sooner.
            sys.setswitchinterval(_SWITCH_SECONDS)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_run(settings, bound, beside))
    except Refused as refused:
        sys.stderr.write(f"onduty: {refused}\n")
        return 2


def data_locks(*places: Settings) -> Iterator[Lock]:
    """Prepare the data folder, and the database file's where that is another one, and take the lock of each."""
    files = [settings.sqlite_file for settings in places]
    for folder in dict.fromkeys([*(settings.data for settings in places), *(file.parent for file in files if file)]):
        prepare_folder(folder)
        yield Lock.take(folder)


def _bound(settings: Settings) -> socket.socket:
    """The address, taken before anything is made. Where it is taken by the server of this very data, that is said."""
    try:
        return process.bind(settings.host, settings.port)
    except Refused:
        if (pid := Lock.holder(settings.data)) is not None:
            raise AlreadyInUse(settings.data, pid) from None
        raise


async def _run(settings: Settings, bound: socket.socket, beside: Beside | None) -> int:
    failed: list[str] = []

    def leave(loop: str, _: BaseException | None) -> None:
        failed.append(loop)
        server.should_exit = True

    background = Background(leave)
    database, clock = await opened(settings.place)
    rooms = build(settings, clock, database, background)
    server = process.server(front_of(rooms), rooms.leave)
    background.start("database", partial(database.watch, background.wake()))
    backups = Backups(settings.place, settings.backup_folder, clock, settings.backups)
    background.start("backups", partial(backups.run, background.wake()))
    try:
        with _needing(settings):
            await rooms.load()
        # What is here now stays: each look through all of it would hold the loop up, with 10 000 sessions for 40 ms.
        gc.freeze()
        rooms.origins.port = bound.getsockname()[1]
        with _needing(settings):
            await first_start(rooms, address(settings, rooms.origins.port), tell)
        tell(f"Onduty serves at {address(settings, rooms.origins.port)}")
        if beside is not None:
            background.start("beside", partial(beside, rooms, background.wake()))
        await server.serve(sockets=[bound])
    finally:
        await rooms.close()
    return 70 if failed else 0


@contextmanager
def _needing(settings: Settings) -> Iterator[None]:
    """Nothing starts on a database that, once opened, is out of reach again or cannot be written: `Refused`."""
    try:
        yield
    except Unavailable as problem:
        where = settings.sqlite_file or postgres.shown(str(settings.place))
        raise Refused(f"{problem.message}: {where}.") from problem


def front_of(rooms: Rooms) -> Front:
    """The whole application of one server."""
    return Front(
        application(rooms),
        rooms.identity,
        rooms.projects,
        rooms.reading,
        rooms.limits,
        rooms.clock,
        rooms.origins,
        rooms.answered,
        networks(rooms.settings.trusted_proxies),
    )


def address(settings: Settings, port: int) -> str:
    """The origin that people and agents use."""
    if settings.public_url is not None:
        return settings.public_url
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{port}"


def tell(line: str) -> None:
    """Print a line on stdout at once, never wrapped."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
