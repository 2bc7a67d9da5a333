"""A PostgreSQL server: how it is called, connections to it, and what its errors mean.

asyncpg itself reads the address, so all that libpq's addresses, PGPASSWORD and ~/.pgpass say holds here too. It is
imported only where a PostgreSQL is used. Outside source of the codes: PostgreSQL's manual, appendix A.
"""

import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.pool import AsyncAdaptedQueuePool

from onduty.database.refused import Refused

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


class Link(Protocol):
    """What is used of a connection of asyncpg's, which has no types."""

    async def execute(self, query: str, *values: object) -> str: ...
    async def fetchval(self, query: str, *values: object) -> Any: ...
    async def fetchrow(self, query: str, *values: object) -> Any: ...
    async def close(self, *, timeout: float) -> None: ...  # noqa: ASYNC109
    def terminate(self) -> None: ...
    def is_closed(self) -> bool: ...
    def add_termination_listener(self, callback: Callable[[Any], None]) -> None: ...


CONNECT_SECONDS: Final = 5.0
_OLDEST: Final = 13
# In containers, process ids are all alike and host names may be.
_MARK: Final = secrets.token_hex(4)
_STATEMENTS_KEPT: Final = 500

_SETTINGS: Final[dict[str, str]] = {
    # A query's few milliseconds are not to be spent on compiling it.
    "jit": "off",
    "lock_timeout": "5s",
    # A computer that vanished holds its connections, and with them the lock, no longer than this.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}

# Classes and codes that tell of the server and the way to it, not of the statement: connection, resources, operator
# intervention, system, authentication, no such database; then read-only, lock timeout, and data that is damaged.
_UNAVAILABLE: Final = (
    *("08", "53", "57", "58", "28", "3D"),
    *("25006", "55P03", "XX001", "XX002", "40"),
)
# Serialization failure, deadlock; a key that another took, or a row that another removed, meanwhile.
_RACES: Final = frozenset({"40001", "40P01", "23505", "23503"})


def is_address(where: str | Path) -> bool:
    """Whether this names a database on a PostgreSQL server."""
    return isinstance(where, str) and where.startswith("postgresql:")


def shown(url: str) -> str:
    """The address as a person may see it: neither user nor password nor options, whatever characters those hold."""
    head, _, query = url.partition("?")
    place = "…" if "@" in query else head.removeprefix("postgresql://").rpartition("@")[2]
    return f"postgresql://{place}"


def own_name() -> str:
    """How this process calls itself on its connections (`application_name`, at most 63 bytes), and no other does."""
    host = "".join(c if c.isascii() and c.isprintable() else "-" for c in socket.gethostname())
    return f"onduty {os.getpid()} on {host[:32]} #{_MARK}"


async def connect(url: str, **_: Any) -> Link:
    """A connection of the driver's. OSError, TimeoutError, ValueError (no address) or one of asyncpg's errors."""
    import asyncpg  # type: ignore[import-untyped]

    settings = {"application_name": own_name(), **_SETTINGS}
    link: Link = await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings=settings)
    return link


def engine(url: str, size: int, opened: Callable[[Link], None] | None = None) -> "AsyncEngine":
    """An engine that keeps up to `size` connections, `opened` being told of each; one that was cut is never given out.

    Errors of it tell no values, which may be secrets.
    """
    # It brings all of the ORM with it, which a server on SQLite does not load.
    from sqlalchemy.ext.asyncio import create_async_engine

    made = create_async_engine(
        "postgresql+asyncpg://",
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size,
        max_overflow=0,
        hide_parameters=True,
        connect_args={
            "async_creator_fn": partial(connect, url),
            "prepared_statement_cache_size": _STATEMENTS_KEPT,
        },
    )

    def check(adapted: Any, *_: object) -> None:
        if adapted.driver_connection.is_closed():
            raise DisconnectionError

    def tell(adapted: Any, *_: object) -> None:
        if opened is not None:
            opened(adapted.driver_connection)

    event.listen(made.sync_engine, "checkout", check)
    event.listen(made.sync_engine, "connect", tell)
    return made


@asynccontextmanager
async def snapshot(url: str, *, reads_only: bool = True) -> AsyncIterator["AsyncConnection"]:
    """A connection of its own, in one transaction that sees one state of the database and is committed at the end."""
    made = engine(url, 1)
    try:
        async with made.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=reads_only)
            async with connection.begin():
                yield connection
    finally:
        await made.dispose()


@contextmanager
def refusing(url: str) -> Iterator[None]:
    """Have errors that tell of the server, the way to it or the user's rights come out as `Refused`."""
    try:
        yield
    except Exception as error:
        if not is_unavailable(error) and not is_forbidden(error):
            raise
        raise refusal(url, error) from error


def is_unavailable(error: BaseException) -> bool:
    """Whether an error means that the server cannot be reached or written now, whoever asks."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OSError | TimeoutError) or _state(error).startswith(_UNAVAILABLE)


def is_forbidden_write(error: BaseException) -> bool:
    """Whether a transaction that may only read was made to write."""
    return _state(error) == "25006"


def is_forbidden(error: BaseException) -> bool:
    """Whether the user may not do that there."""
    return _state(error) == "42501"


def damage(error: BaseException) -> str | None:
    """What the server says of its own files that are not whole (XX001 a table, XX002 an index), None for the rest."""
    return _words(error) if _state(error) in ("XX001", "XX002") else None


def is_race(error: BaseException) -> bool:
    """Whether an error may come from what others did at the same time, so that the work, done again, may succeed."""
    return _state(error) in _RACES


def _state(error: BaseException) -> str:
    """The SQLSTATE of an error of the driver's or of SQLAlchemy's, '' where it has none."""
    return getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None) or ""


def refusal(url: str, error: BaseException) -> Refused:
    """Why a server cannot start on it, without a word that may be part of a password."""
    driver = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(driver, TimeoutError):
        reason = f"no answer within {CONNECT_SECONDS:.0f} s"
    elif isinstance(driver, OSError):
        reason = os.strerror(driver.errno) if driver.errno and driver.errno > 0 else "no such host"
    elif state := _state(error):
        reason = f"{_words(error)} ({state})"
    else:
        reason = "the address is not understood"
    return Refused(f"The database {shown(url)} cannot be used: {reason}.")


def _words(error: BaseException) -> str:
    """The first line of what the server said."""
    driver = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(driver, "driver_exception", driver)).partition("\n")[0].rstrip(".")


def check_server(url: str, version: int, encoding: str) -> None:
    """`Refused` for a server that is too old, or keeps text in anything but UTF-8."""
    if version < _OLDEST * 10_000:
        raise Refused(f"{shown(url)} is PostgreSQL {version // 10_000}: Onduty needs {_OLDEST} or newer.")
    if encoding != "UTF8":
        raise Refused(f"{shown(url)} keeps text as {encoding}: Onduty needs a database whose encoding is UTF8.")
