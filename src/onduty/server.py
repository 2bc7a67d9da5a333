"""Brings a server up on its data, and down again; each step that may refuse comes before anything is made or told."""

import asyncio
import json
import logging
import socket
import sys
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

import structlog
import uvloop

from onduty import process
from onduty.addresses import networks
from onduty.application import application
from onduty.background import Background
from onduty.database.files import AlreadyInUse, Lock, prepare_folder
from onduty.database.opening import opened
from onduty.database.refused import Refused
from onduty.first_start import first_start
from onduty.front import Front
from onduty.rooms import Rooms, build
from onduty.settings import Settings

_SWITCH_SECONDS: Final = 0.0005


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C: 0. What the data or the address does not allow is one line on stderr: 2."""
    log_to_stderr(settings.log_level)
    try:
        path = settings.sqlite_file
        with ExitStack() as held:
            bound = held.enter_context(_bound(settings))
            prepare_folder(settings.data)
            held.enter_context(Lock.take(settings.data))
            if path is not None and path.parent != settings.data:
                prepare_folder(path.parent)
                held.enter_context(Lock.take(path.parent))
            # A writing thread that is ready gets its turn from a busy loop ten times sooner.
            sys.setswitchinterval(_SWITCH_SECONDS)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_run(settings, bound))
    except Refused as refused:
        sys.stderr.write(f"onduty: {refused}\n")
        return 2


def _bound(settings: Settings) -> socket.socket:
    """The address, taken before anything is made. Where it is taken by the server of this very data, that is said."""
    try:
        return process.bind(settings.host, settings.port)
    except Refused:
        if (pid := Lock.holder(settings.data)) is not None:
            raise AlreadyInUse(settings.data, pid) from None
        raise


async def _run(settings: Settings, bound: socket.socket) -> int:
    failed: list[str] = []

    def leave(loop: str, _: BaseException | None) -> None:
        failed.append(loop)
        server.should_exit = True

    background = Background(leave)
    database, clock = await opened(settings.sqlite_file or str(settings.database))
    rooms = build(settings, clock, database, background)
    server = process.server(front_of(rooms), rooms.presence.close)
    background.start("database", partial(database.watch, background.wake()))
    try:
        await rooms.load()
        rooms.origins.port = bound.getsockname()[1]
        await first_start(rooms, address(settings, rooms.origins.port), tell)
        tell(f"Onduty serves at {address(settings, rooms.origins.port)}")
        await server.serve(sockets=[bound])
    finally:
        await rooms.close()
    return 70 if failed else 0


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


def _ascii(event: Any, **how: Any) -> str:
    """A log line in printable ASCII: JSON leaves the one control character that it could leave out."""
    return json.dumps(event, **how).replace("\x7f", "\\u007f")


def log_to_stderr(level: str) -> None:
    """Log JSON lines of our own and of libraries to stderr."""
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_ascii),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("uvicorn", "alembic"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
