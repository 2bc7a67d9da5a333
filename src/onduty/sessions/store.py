"""All SQL about agent sessions. Functions are synchronous, over a Reader or a Writer, and decide nothing."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, Select, and_, bindparam, case, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.sql.elements import ColumnElement

from onduty.clock import Instant
from onduty.database.dialect import greatest, insert_or_ignore, upsert
from onduty.database.transaction import Reader, Writer
from onduty.sessions.fold import ClientEnd, Opened, Registers, ServerEnd, Started, Tool, Wait
from onduty.sessions.model import AgentSession
from onduty.sessions.tables import (
    agent_sessions,
    listening,
    listening_gaps,
    session_aliases,
    session_tools,
)

_T: Final = agent_sessions.c
_NUMBERS: Final = (
    "life", "call", "reopen_c", "reopen_t", "reopen_s", "turn_end", "prompt", "fresh", "unwait", "answered", "tool_end",
)  # fmt: skip
_TUPLES: Final[dict[str, tuple[str, ...]]] = {
    "end_c": ("end_c_stamp", "end_c_at", "end_c_reason"),
    "end_s": ("end_s_at", "end_s_reason"),
    "turn_open": ("turn_open_stamp", "turn_open_at"),
    "wait": ("wait_stamp", "wait_at", "wait_tool_id", "wait_tool", "wait_question"),
}
_WORDS: Final = (
    "id", "project_id", "user_id", "token_id", "machine_id", "connected_at", "caller_origin", "caller_role",
    "client_version", "branch", "folder", "said", "ticket", "parent_session_id", "told_apart", "implicit_key",
)  # fmt: skip
_ALL: Final = select(
    *(_T[name] for name in _WORDS),
    *(_T[name] for name in _NUMBERS),
    *(_T[name] for columns in _TUPLES.values() for name in columns),
)
_IDS_AT_ONCE: Final = 500


def _session(row: Row[Any]) -> AgentSession:
    words, numbers, rest = row[:16], row[16:27], row[27:]
    registers = Registers(**dict(zip(_NUMBERS, numbers, strict=True)))
    registers.end_c = ClientEnd(*rest[0:3])
    registers.end_s = ServerEnd(*rest[3:5])
    registers.turn_open = Opened(*rest[5:7])
    registers.wait = Wait(*rest[7:12])
    return AgentSession(**dict(zip(_WORDS, words, strict=True)), registers=registers)


def _sessions(reader: Reader, query: Select[Any]) -> list[AgentSession]:
    found = [_session(row) for row in reader.connection.execute(query)]
    by_id = {session.id: session for session in found}
    ids = list(by_id)
    for start in range(0, len(ids), _IDS_AT_ONCE):
        part = ids[start : start + _IDS_AT_ONCE]
        _load_tools(reader, by_id, select(session_tools).where(session_tools.c.session_id.in_(part)))
    return found


def _load_tools(reader: Reader, by_id: Mapping[str, AgentSession], query: Select[Any]) -> None:
    for session_id, tool_id, stamp, at, name, ended in reader.connection.execute(query):
        if session := by_id.get(session_id):
            session.registers.tools[tool_id] = Tool(Started(stamp, at, name), ended)


def live(reader: Reader) -> list[AgentSession]:
    """Every session that has not settled, for the registry's start."""
    found = [_session(row) for row in reader.connection.execute(_ALL.where(_T.settled_at.is_(None)))]
    by_id = {session.id: session for session in found}
    # In the order of the index of the live ones SQLite takes that; another one holds every session there ever was.
    unsettled = select(_T.id).where(_T.settled_at.is_(None)).order_by(_T.id)
    _load_tools(reader, by_id, select(session_tools).where(session_tools.c.session_id.in_(unsettled)))
    return found


def by_ids(reader: Reader, ids: Iterable[str]) -> list[AgentSession]:
    """The sessions with these ids, in no order; unknown ids are left out."""
    wanted = list(ids)
    found: list[AgentSession] = []
    for start in range(0, len(wanted), _IDS_AT_ONCE):
        found += _sessions(reader, _ALL.where(_T.id.in_(wanted[start : start + _IDS_AT_ONCE])))
    return found


def by_implicit_key(reader: Reader, key: str) -> str | None:
    return reader.connection.execute(select(_T.id).where(_T.implicit_key == key)).scalar()


def create(writer: Writer, session: AgentSession) -> None:
    """Insert a session with its registers, which `raise_registers` raises from then on; it has no tools yet."""
    values = {name: getattr(session, name) for name in _WORDS}
    writer.connection.execute(insert(agent_sessions), values | _values(session.registers))


def _values(registers: Registers) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(registers, name) for name in _NUMBERS}
    for group, columns in _TUPLES.items():
        values |= zip(columns, getattr(registers, group), strict=True)
    return values


def set_words(writer: Writer, session_id: str, words: Mapping[str, str | bool | None]) -> None:
    """Write what a session says of itself: role, branch, said and the like."""
    if words:
        writer.connection.execute(update(agent_sessions).where(_T.id == session_id).values(**words))


_ID: Final = _T.id == bindparam("session_id")


def _raised(columns: Sequence[str]) -> dict[str, ColumnElement[Any]]:
    if len(columns) == 1:
        return {columns[0]: greatest(_T[columns[0]], bindparam(f"new_{columns[0]}", type_=_T[columns[0]].type))}
    new = [bindparam(f"new_{name}", type_=_T[name].type) for name in columns]
    is_newer = tuple_(*new) > tuple_(*(_T[name] for name in columns))
    return {name: case((is_newer, value), else_=_T[name]) for name, value in zip(columns, new, strict=True)}


_RAISE: Final = (
    update(agent_sessions)
    .where(_ID)
    .values(settled_at=None, settled_state=None)
    .values(
        {
            name: value
            for columns in [*((name,) for name in _NUMBERS), *_TUPLES.values()]
            for name, value in _raised(columns).items()
        }
    )
)
_RAISE_TOOL: Final = upsert(
    session_tools,
    keys=("session_id", "tool_id"),
    groups=(("started_stamp", "started_at", "name"), ("ended",)),
)
_FLUSH: Final = (
    update(agent_sessions)
    .where(_ID)
    .values({**_raised(("life",)), **_raised(("call",)), "settled_at": None, "settled_state": None})
)


_NEXT_PROJECT: Final = select(func.min(_T.project_id)).where(_T.project_id > bindparam("after"))


def raise_registers(writer: Writer, session_id: str, delta: Registers) -> None:
    """Join `delta` into the stored registers; the session is live again if it had settled."""
    new = {f"new_{name}": value for name, value in _values(delta).items()}
    writer.connection.execute(_RAISE, {"session_id": session_id, **new})
    if delta.tools:
        started = ("started_stamp", "started_at", "name")
        rows = [
            {
                "session_id": session_id,
                "tool_id": i,
                **dict(zip(started, tool.started, strict=True)),
                "ended": tool.ended,
            }
            for i, tool in delta.tools.items()
        ]
        writer.connection.execute(_RAISE_TOOL, rows)


def forget_tools(writer: Writer, session_id: str, tool_ids: Sequence[str]) -> None:
    for start in range(0, len(tool_ids), _IDS_AT_ONCE):
        writer.connection.execute(
            delete(session_tools).where(
                session_tools.c.session_id == session_id,
                session_tools.c.tool_id.in_(tool_ids[start : start + _IDS_AT_ONCE]),
            )
        )


def flush(writer: Writer, activity: Sequence[tuple[str, Instant, Instant]]) -> None:
    """Write bare activity behind: (session id, life, call), each joined into what is stored."""
    if activity:
        # By id, as everybody who writes several: two who did it in different orders would wait for one another.
        rows = [{"session_id": i, "new_life": life, "new_call": call} for i, life, call in sorted(activity)]
        writer.connection.execute(_FLUSH, rows)


def release_implicit(writer: Writer, session_id: str) -> None:
    """An implicit session that has ended stays so: its key is free for the next one."""
    writer.connection.execute(update(agent_sessions).where(_T.id == session_id).values(implicit_key=None))


def alias_owner(reader: Reader, user_id: str, machine_id: str, project_id: str | None, alias: str) -> str | None:
    """The id of the session that this client's own id means, or None."""
    a = session_aliases.c
    query = select(a.session_id).where(
        a.user_id == user_id, a.machine_id == machine_id, a.project_key == (project_id or ""), a.alias == alias
    )
    return reader.connection.execute(query).scalar()


def alias_owners(reader: Reader, user_id: str, machine_id: str, alias: str) -> list[tuple[str, str]]:
    """(project id or '', session id) of each session of the user on the machine that this alias means, newest first."""
    a = session_aliases.c
    query = select(a.project_key, a.session_id).where(
        a.user_id == user_id, a.machine_id == machine_id, a.alias == alias
    )
    return [(row.project_key, row.session_id) for row in reader.connection.execute(query.order_by(a.session_id.desc()))]


def set_alias(writer: Writer, session: AgentSession, alias: str) -> None:
    """Let this client's own id mean the session; one that means another session already goes on meaning that."""
    row = {
        "user_id": session.user_id,
        "machine_id": session.machine_id,
        "project_key": session.project_id or "",
        "alias": alias,
        "session_id": session.id,
    }
    writer.connection.execute(insert_or_ignore(session_aliases), row)


def move_alias(writer: Writer, session: AgentSession, alias: str) -> None:
    """Let an alias mean this session from now on, whatever it meant before."""
    a = session_aliases.c
    mine = (a.user_id == session.user_id, a.machine_id == session.machine_id, a.alias == alias)
    here = a.project_key == (session.project_id or "")
    writer.connection.execute(delete(session_aliases).where(*mine, here))
    set_alias(writer, session, alias)


def bind(writer: Writer, session: AgentSession, project_id: str | None, implicit_key: str | None) -> None:
    """Let an unbound session belong to a project, with its aliases."""
    writer.connection.execute(
        update(agent_sessions).where(_T.id == session.id).values(project_id=project_id, implicit_key=implicit_key)
    )
    for alias in aliases_of(writer, session.id):
        moved = AgentSession(
            session.id, project_id, session.user_id, session.token_id, session.machine_id, session.connected_at
        )
        set_alias(writer, moved, alias)
    old = and_(session_aliases.c.session_id == session.id, session_aliases.c.project_key == "")
    writer.connection.execute(delete(session_aliases).where(old))


def aliases_of(reader: Reader, session_id: str) -> list[str]:
    query = select(session_aliases.c.alias).where(session_aliases.c.session_id == session_id)
    return list(reader.connection.execute(query.order_by(session_aliases.c.alias)).scalars())


def settle(writer: Writer, settled: Sequence[tuple[AgentSession, str]]) -> None:
    """Mark sessions that are `lost` or `ended` as out of memory; not one that was heard of or ended since."""
    as_seen = (_T.life == bindparam("at"), _T.end_c_at == bindparam("end_c"), _T.end_s_at == bindparam("end_s"))
    unheard = update(agent_sessions).where(_ID, *as_seen)
    statement = unheard.values(settled_at=bindparam("at"), settled_state=bindparam("state"))
    rows = [
        {"session_id": s.id, "at": r.life, "end_c": r.end_c.at, "end_s": r.end_s.at, "state": state}
        for s, state in sorted(settled, key=lambda pair: pair[0].id)
        for r in [s.registers]
    ]
    if rows:
        writer.connection.execute(statement, rows)


def settled_page(
    reader: Reader,
    *,
    project_id: str | None,
    user_id: str | None,
    states: frozenset[str],
    after: tuple[Instant, str] | None,
    limit: int,
) -> list[AgentSession]:
    """Settled sessions of a project, or of a user where `project_id` is None, newest activity first, then by id."""
    query = _ALL.where(_T.settled_at.is_not(None), _T.life > 0)
    query = query.where(_T.project_id == project_id if project_id is not None else _T.user_id == user_id)
    if states != {"lost", "ended"}:
        query = query.where(_T.settled_state.in_(sorted(states)))
    if after is not None:
        at, session_id = after
        # The first of these says where in the index to begin: of the second alone both databases read all before it.
        query = query.where(_T.settled_at <= at, or_(_T.settled_at < at, _T.id > session_id))
    return _sessions(reader, query.order_by(_T.settled_at.desc(), _T.id).limit(limit))


def of_project(reader: Reader, project_id: str, after: str, limit: int) -> list[AgentSession]:
    """So many of a project's sessions in the order of their ids, those after this one, settled or not."""
    return _sessions(reader, _ALL.where(_T.project_id == project_id, _T.id > after).order_by(_T.id).limit(limit))


def live_of(reader: Reader, user_id: str, *, token_id: str | None = None, project_id: str | None = None) -> list[str]:
    """Ids of the user's sessions that have not settled: those that speak through a token, or in a project."""
    query = select(_T.id).where(_T.user_id == user_id, _T.settled_at.is_(None))
    if token_id is not None:
        query = query.where(_T.token_id == token_id)
    if project_id is not None:
        query = query.where(_T.project_id == project_id)
    return list(reader.connection.execute(query).scalars())


def remove_some(writer: Writer, project_id: str, limit: int) -> int:
    """Remove so many of a project's sessions with all that hangs on them; how many that were."""
    some = select(_T.id).where(_T.project_id == project_id).limit(limit)
    return writer.connection.execute(delete(agent_sessions).where(_T.id.in_(some))).rowcount


def settled_before(
    reader: Reader, before: Callable[[str | None], Instant], limit: int, keep: Collection[str]
) -> list[tuple[str, str | None]]:
    """(id, project id) of some settled sessions, but for those to `keep`.

    Of each nothing was heard since the instant that `before` gives for its project.
    """
    found: list[tuple[str, str | None]] = []
    for project_id in _projects(reader):
        old = select(_T.id, _T.project_id).where(*_old(project_id, before(project_id)))
        rows = reader.connection.execute(old.limit(limit + len(keep)))
        found += [(row.id, row.project_id) for row in rows if row.id not in keep]
        if len(found) >= limit:
            break
    return found[:limit]


def count_settled_before(reader: Reader, project_id: str, before: Instant) -> int:
    """How many settled sessions of a project there are of which nothing was heard since then."""
    query = select(func.count()).select_from(agent_sessions).where(*_old(project_id, before))
    return reader.connection.execute(query).scalar_one()


def _old(project_id: str | None, before: Instant) -> tuple[ColumnElement[bool], ...]:
    heard = greatest(_T.life, _T.end_c_at, _T.end_s_at, _T.connected_at)
    # `settled_at` is the last activity, so the index finds them; what ended later or came late stays longer.
    return _T.project_id == project_id, _T.settled_at < before, heard < before


def _projects(reader: Reader) -> Iterator[str | None]:
    """The projects that have sessions, one step through the index each; None for what is in none."""
    yield None
    after = ""
    while (after := reader.connection.execute(_NEXT_PROJECT, {"after": after}).scalar() or "") != "":
        yield after


def remove(writer: Writer, ids: Sequence[str]) -> None:
    """Remove sessions, with their tools, aliases, events and wire ids."""
    writer.connection.execute(delete(agent_sessions).where(_T.id.in_(ids)))


def remove_gaps(writer: Writer, before: Instant) -> None:
    writer.connection.execute(delete(listening_gaps).where(listening_gaps.c.ended_at < before))


def set_registers(writer: Writer, session_id: str, registers: Registers) -> None:
    """Write registers as they are, not joined: for the one case in which they go back, a step of the clock."""
    writer.connection.execute(update(agent_sessions).where(_T.id == session_id).values(_values(registers)))
    t = session_tools.c
    for tool_id, tool in registers.tools.items():
        which = update(session_tools).where(t.session_id == session_id, t.tool_id == tool_id)
        writer.connection.execute(which.values(started_at=tool.started.at))


def gaps(reader: Reader) -> list[tuple[Instant, Instant]]:
    """Spans in which the server did not listen, in order."""
    g = listening_gaps.c
    query = select(g.began_at, g.ended_at).order_by(g.began_at)
    return [(began_at, ended_at) for began_at, ended_at in reader.connection.execute(query)]


def add_gap(writer: Writer, began_at: Instant, ended_at: Instant) -> None:
    statement = upsert(listening_gaps, keys=("began_at",), groups=(("ended_at",),))
    writer.connection.execute(statement, {"began_at": began_at, "ended_at": ended_at})


def listened_until(reader: Reader) -> Instant | None:
    return reader.connection.execute(select(listening.c.until)).scalar()


def set_listened_until(writer: Writer, until: Instant) -> None:
    done = writer.connection.execute(update(listening).values(until=until))
    if not done.rowcount:
        writer.connection.execute(insert(listening), {"id": 1, "until": until})
