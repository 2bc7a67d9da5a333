"""A server's claim on a PostgreSQL database, and the time that it has from there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from onduty.background import Wake
from onduty.clock import Clock, wall_ms
from onduty.database import postgres, postgres_lock
from onduty.database.engine import Database
from onduty.database.opening import opened
from onduty.database.postgres_lock import Claim, InUse
from onduty.errors import Unavailable
from tests.database.postgres import Cluster

HOUR_MS = 3_600_000


@asynccontextmanager
async def claimed(url: str) -> AsyncIterator[Claim]:
    claim = await Claim.take(url)
    try:
        yield claim
    finally:
        await claim.release()


def test_one_at_a_time_and_the_next_at_once_after(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_lock, "TAKE_WITHIN", 0.1)

    async def run() -> None:
        async with claimed(postgres_url):
            monkeypatch.setattr(postgres, "own_name", lambda: "onduty 7 on elsewhere")
            with pytest.raises(InUse, match=r"already in use by an Onduty server \(onduty \d+ on "):
                await Claim.take(postgres_url)
        async with claimed(postgres_url):
            pass

    asyncio.run(run())


def test_databases_of_one_server_are_claimed_apart(cluster: Cluster, template: str) -> None:
    async def run() -> None:
        async with claimed(cluster.new(template)), claimed(cluster.new(template)):
            pass

    asyncio.run(run())


def test_a_connection_of_ours_that_the_server_still_holds_is_ended(postgres_url: str) -> None:
    """This side lost it; the other side has not noticed. It must not keep us out of our own database."""

    async def run() -> None:
        async with claimed(postgres_url), claimed(postgres_url):
            pass

    asyncio.run(run())


def test_the_time_is_the_databases(cluster: Cluster, template: str) -> None:
    """One that is an hour ahead, and then is set back by two."""
    url = cluster.new(template)
    name = url.rpartition("/")[2]

    def ahead(hours: int) -> None:
        cluster.sql(
            "CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
            f"$$ SELECT pg_catalog.clock_timestamp() + interval '{hours} hours' $$; "
            f"ALTER DATABASE {name} SET search_path = public, pg_catalog",
            name,
        )

    async def run() -> None:
        ahead(1)
        database, clock = await opened(url)
        wake = Wake()
        watching = asyncio.create_task(database.watch(wake))
        assert abs(clock.now() - wall_ms() - HOUR_MS) < 500
        assert abs(await database.read(lambda reader: reader.now) - clock.now()) < 500
        assert clock.adopt() == 0
        ahead(-1)
        wake.notify()
        # The loop looks at once, and then the clock has something to adopt.
        await asyncio.sleep(0.7)
        step = clock.adopt()
        assert abs(step + 2 * HOUR_MS) < 500
        assert abs(clock.now() - wall_ms() + HOUR_MS) < 500
        wake.stop()
        await watching
        await database.close()

    asyncio.run(run())


def test_while_the_claim_is_lost_nothing_is_read_or_written(postgres_url: str, cluster: Cluster) -> None:
    name = postgres_url.rpartition("/")[2]

    def may_connect(allowed: bool) -> None:
        cluster.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}")

    async def run() -> None:
        claim = await Claim.take(postgres_url)
        database = Database.open(postgres_url, Clock(claim.now), claim=claim)
        wake = Wake()
        watching = asyncio.create_task(database.watch(wake))
        assert await database.write(lambda _: 1) == 1
        may_connect(False)
        assert cluster.end_connections(name) == 2
        await asyncio.sleep(0.5)
        assert not database.writable
        for work in (database.read(lambda _: 1), database.write(lambda _: 1)):
            with pytest.raises(Unavailable, match="just now"):
                await work
        may_connect(True)
        await asyncio.sleep(1.5)
        assert await database.write(lambda _: 1) == 1
        wake.stop()
        await watching
        await database.close()

    asyncio.run(run())
