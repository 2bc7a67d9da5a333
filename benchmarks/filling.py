"""Many sessions that are long over, put into a database by the database itself: they ended within the last 29 days.

Each has an alias and one event. The server is stopped meanwhile. One text serves both databases: ids are decimal.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from onduty.database import postgres

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_NUMBERS: Final = """
    WITH RECURSIVE numbers(n) AS (SELECT cast({first} AS bigint) UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}),
    kept AS (
        SELECT n, '01900000-0000-7000-8000-' || substr(cast(1000000000000 + n AS text), 2) AS id,
        {newest} - (n * 7919) % {span} AS at,
        (SELECT min(id) FROM users) AS user_id FROM numbers
    )
"""
_SESSIONS: Final = """
    INSERT INTO agent_sessions (id, project_id, user_id, token_id, machine_id, caller_origin, caller_role,
        client_version, branch, folder, told_apart, connected_at, settled_at, settled_state, life, call,
        end_c_stamp, end_c_at, end_c_reason)
    {numbers} SELECT id, '{project}', user_id, (SELECT min(id) FROM tokens), 'laptop-' || (n % 50), 'claude-code',
        'backend', '2.1.330', 'feature/' || n, '/home/dev/project', true, at - 60000, at,
        CASE WHEN n % 10 = 0 THEN 'lost' ELSE 'ended' END, at, at,
        CASE WHEN n % 10 = 0 THEN 0 ELSE at END, CASE WHEN n % 10 = 0 THEN 0 ELSE at END,
        CASE WHEN n % 10 = 0 THEN '' ELSE 'exit' END FROM kept
"""
_ALIASES: Final = """
    INSERT INTO session_aliases (user_id, machine_id, project_key, alias, session_id)
    {numbers} SELECT user_id, 'laptop-' || (n % 50), '{project}', 'kept-' || n, id FROM kept
"""
_EVENTS: Final = """
    INSERT INTO agent_events (session_id, event_id, kind, stamp, at, received_day)
    {numbers} SELECT id, 'event-' || n, 'end', at, at, at / {day} FROM kept
"""


def fill(place: Path | str, project_id: str, first: int, last: int, now: int) -> None:
    """Add the sessions of these numbers, and have the database know how much it has."""
    numbers = _NUMBERS.format(first=first, last=last, newest=now - _DAY_MS - _HOUR_MS, span=28 * _DAY_MS)
    statements = [
        each.format(numbers=numbers, project=project_id, day=_DAY_MS) for each in (_SESSIONS, _ALIASES, _EVENTS)
    ]
    if postgres.is_address(place):
        asyncio.run(_on_postgresql(str(place), statements))
        return
    with closing(sqlite3.connect(place)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


async def _on_postgresql(url: str, statements: list[str]) -> None:
    connection = await postgres.connect(url)
    try:
        # What refers to what is known to be there; to look it up row by row takes longer than all the rest.
        for statement in ("SET session_replication_role = replica", *statements, "VACUUM (ANALYZE)"):
            await connection.execute(statement)
    finally:
        await connection.close(timeout=10)
