"""Lists of sessions: order, pages, cursors, tags, and the body of the hot list, kept until it may change."""

import base64
import binascii
import hashlib
import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, NamedTuple

import msgspec

from onduty.clock import Instant
from onduty.errors import Invalid
from onduty.sessions.model import STATES, AgentSession, State, Verdict, judge, known
from onduty.sessions.registry import Registry
from onduty.sessions.rows import Rendered, as_row, encode

PAGE: Final = 1000
_DIGEST_BYTES: Final = 12


class Listing(NamedTuple):
    """A body, its tag, the cursor of the next page if there is more, and until when the body surely stays so."""

    body: bytes
    etag: bytes
    next_cursor: str | None = None
    until: Instant | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. `project_id` is None for the caller's own sessions everywhere; `limit` None is no limit."""

    project_id: str | None
    active: bool
    states: frozenset[State] | None
    limit: int | None
    after: tuple[Instant, str] | None

    @property
    def whole(self) -> bool:
        """Whether it is the contract's own question: all that are active."""
        return self.active and self.states is None and self.limit is None and self.after is None

    @property
    def scope(self) -> str:
        """What a cursor belongs to."""
        states = ",".join(sorted(self.states)) if self.states is not None else "*"
        return hashlib.blake2b(f"{self.project_id}|{self.active}|{states}".encode(), digest_size=8).hexdigest()


def states_of(text: str | None) -> frozenset[State] | None:
    """A comma list of states. Invalid at `state` for a word that is none."""
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    chosen = frozenset(state for state in STATES if state in words)
    if len(chosen) != len(set(words)):
        raise Invalid.at("state", f"must be a comma list of {', '.join(STATES)}")
    return chosen


def query_of(project_id: str | None, active: bool, state: str | None, limit: int | None, cursor: str | None) -> Query:
    """The query that these parameters ask for. Invalid at `state`, `limit` or `cursor`."""
    if limit is not None and not 1 <= limit <= PAGE:
        raise Invalid.at("limit", f"must be a whole number from 1 to {PAGE}")
    query = Query(project_id, active, states_of(state), limit if active or limit else PAGE, None)
    if cursor is None:
        return query
    return Query(query.project_id, active, query.states, query.limit, _after(cursor, query.scope))


# A database's whole number is the most that a cursor of ours holds.
_Cursor = tuple[str, Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)], str]


def _after(cursor: str, scope: str) -> tuple[Instant, str]:
    try:
        found = msgspec.json.decode(base64.b64decode(cursor, altchars=b"-_", validate=True), type=_Cursor)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        found = ("", 0, "")
    if found[0] != scope:
        raise Invalid.at("cursor", "is no cursor of this list")
    return found[1], found[2]


def cursor_after(query: Query, row: Rendered) -> str:
    return base64.urlsafe_b64encode(encode((query.scope, -row.place[0], row.place[1]))).decode()


def place_of(session: AgentSession) -> tuple[int, str]:
    """Newest activity first, then by id."""
    return (-session.registers.life, session.id)


def render(session: AgentSession, verdict: Verdict, now: Instant) -> Rendered:
    """One row, whether it is shown or not."""
    row = encode(as_row(session, verdict, now))
    digest = hashlib.blake2b(row, digest_size=_DIGEST_BYTES).digest()
    return Rendered(place_of(session), row, digest, verdict.changes_at)


def matching(sessions: Iterable[AgentSession], query: Query, registry: Registry, now: Instant) -> list[AgentSession]:
    """The sessions in memory that the query asks for, its cursor included, in no order."""
    found = []
    for session in sessions:
        if query.after is not None and place_of(session) <= (-query.after[0], query.after[1]):
            continue
        verdict = judge(session, now, registry.gaps)
        if (query.active and not verdict.active) or (query.states is not None and verdict.state not in query.states):
            continue
        if registry.shown(session, now)[0]:
            found.append(session)
    return found


def page(found: Iterable[AgentSession], query: Query, registry: Registry, now: Instant) -> Listing:
    """One page of these sessions, newest activity first, then by id."""
    if query.limit is None:
        chosen, more = sorted(found, key=place_of), False
    else:
        chosen = heapq.nsmallest(query.limit + 1, found, key=place_of)
        more = len(chosen) > query.limit
        chosen = chosen[: query.limit]
    rows = [render(session, judge(session, now, registry.gaps), now) for session in chosen]
    return assemble(rows, cursor_after(query, rows[-1]) if more else None)


def assemble(rows: Sequence[Rendered], next_cursor: str | None = None, until: Instant | None = None) -> Listing:
    """The answer's body; its tag is a hash over the rows' own, so equal rows have an equal tag on every process."""
    tail = b"]}" if next_cursor is None else b'],"next_cursor":' + encode(next_cursor) + b"}"
    body = b'{"sessions":[' + b",".join([row.row for row in rows]) + tail
    tag = hashlib.blake2b(b"".join([row.digest for row in rows]) + tail, digest_size=16).hexdigest()
    return Listing(body, f'"{tag}"'.encode(), next_cursor, until)


@dataclass(slots=True)
class ActiveView:
    """A project's active sessions as rows and as one body. Only what was touched or is due is made anew."""

    registry: Registry
    rows: dict[str, Rendered] = field(default_factory=dict)
    # The same rows in the order of the list.
    ordered: list[Rendered] = field(default_factory=list)
    # Hidden by another session (design.md 2.4 rung 5), and until when that surely stays so.
    hidden: dict[str, Instant | None] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    # Not later than the first instant at which any of them may read otherwise.
    due: Instant | None = None
    listing: Listing | None = None

    def touch(self, session: AgentSession) -> None:
        self.touched.add(session.id)
        self.listing = None

    def at(self, now: Instant) -> Listing:
        """The list of the active sessions at `now`."""
        listing = self.listing
        if listing is None or (listing.until is not None and now >= listing.until):
            listing = self.listing = self._made(now)
        return listing

    def _made(self, now: Instant) -> Listing:
        if self.due is not None and now >= self.due:
            untils = [*((i, row.until) for i, row in self.rows.items()), *self.hidden.items()]
            self.touched.update(i for i, until in untils if until is not None and now >= until)
            self.due = min((until for i, until in untils if until is not None and i not in self.touched), default=None)
        for session_id in self.touched:
            self._place(session_id, now)
        self.touched.clear()
        return assemble(self.ordered, until=self.due)

    def _place(self, session_id: str, now: Instant) -> None:
        self.hidden.pop(session_id, None)
        if row := self.rows.pop(session_id, None):
            del self.ordered[bisect_left(self.ordered, row)]
        session = self.registry.sessions.get(session_id)
        if session is None:
            return
        verdict = judge(session, now, self.registry.gaps)
        if not verdict.active:
            return
        shown, until = self.registry.shown(session, now)
        if shown:
            row = self.rows[session_id] = render(session, verdict, now)
            insort(self.ordered, row)
            until = row.until
        elif known(session.registers):
            self.hidden[session_id] = until
        if until is not None:
            self.due = until if self.due is None else min(self.due, until)
