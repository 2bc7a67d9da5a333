"""Who is on duty as a person reads it on a page: who waits first, then machine by machine. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from onduty.clock import Instant, parse_rfc3339
from onduty.ordering import Row, in_order
from onduty.wording import age_of, ago_of, client_name, sentence, time_of_day, wait_words

DAY_MS: Final = 24 * 3600 * 1000
_CARDS: Final = 4
_COUNTED: Final = ("working", "idle", "quiet")
_MARKS: Final = frozenset({"claude-code", "codex", "cursor", "gemini-cli", "copilot-cli", "opencode"})


@dataclass(frozen=True, slots=True)
class Eye:
    """Who looks, and when: ages are counted on the server's `now`, times of day stand in the `zone` (None: UTC)."""

    user_id: str
    now: Instant
    zone: ZoneInfo | None
    name_of: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A session in words. `row` is the API's, for what is shown as it is."""

    row: Row
    depth: int
    whose: str
    mine: bool
    client: str
    mark: str
    asks: str
    why: str
    doing: str
    places: Sequence[str]
    since: str
    since_age: str
    waited: str
    last: str
    last_at: str


@dataclass(frozen=True, slots=True)
class Group:
    """The agents on one machine, but for those that wait: they are counted here and stand above."""

    machine: str
    entries: Sequence[Entry]
    total: int
    waiting: int
    tally: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Roster:
    """All that a page says of a project. `clock` is the time of day at which it was so."""

    on_duty: int
    waiting: int
    tally: Sequence[tuple[str, int]]
    asks: Sequence[Entry]
    as_cards: bool
    groups: Sequence[Group]
    lost: Sequence[Entry]
    clock: str
    zone: str


def roster(rows: Sequence[Row], lost: Sequence[Row], eye: Eye) -> Roster:
    """The page's words for these sessions on duty, and for those that were lost of late."""
    waits = [row for row in rows if row["state"] == "waiting"]
    asks = [entry(row, 0, eye) for row, _ in in_order(waits, eye.user_id)]
    machines = sorted({row["machine_id"] for row in rows}, key=lambda name: (name.casefold(), name))
    groups = [_group(name, [row for row in rows if row["machine_id"] == name], eye) for name in machines]
    return Roster(
        on_duty=len(rows),
        waiting=len(waits),
        tally=_tally(rows),
        asks=asks,
        as_cards=len(asks) <= _CARDS,
        groups=groups,
        lost=[entry(row, 0, eye) for row in lost],
        clock=time_of_day(eye.now, eye.zone or UTC),
        zone=eye.zone.key if eye.zone else "",
    )


def _group(machine: str, rows: Sequence[Row], eye: Eye) -> Group:
    here = [row for row in rows if row["state"] != "waiting"]
    entries = [entry(row, depth, eye) for row, depth in in_order(here, eye.user_id)]
    return Group(machine, entries, len(rows), len(rows) - len(here), [part for part in _tally(here) if part[1]])


def _tally(rows: Sequence[Row]) -> list[tuple[str, int]]:
    counts = Counter(row["state"] for row in rows)
    return [(state, counts[state]) for state in _COUNTED]


def entry(row: Row, depth: int, eye: Eye) -> Entry:
    """One session's words."""
    zone = eye.zone or UTC
    since, last = row["connected_at"], row["last_activity_at"]
    today = eye.now - parse_rfc3339(since) < DAY_MS
    waits_for = wait_words(row["because"])
    doing, *places = [word for word in (row["said"], row["branch"], row["folder"]) if word] or [""]
    return Entry(
        row=row,
        depth=min(depth, 3),
        whose=eye.name_of(row["user_id"]),
        mine=row["user_id"] == eye.user_id,
        client=" ".join(word for word in (client_name(row["caller_origin"]), row["client_version"]) if word),
        mark=row["caller_origin"] if row["caller_origin"] in _MARKS else "other",
        asks=waits_for[:1].upper() + waits_for[1:],
        why=sentence(row, eye.now, zone),
        doing=doing,
        places=places,
        since=_clock(since, zone) if today else age_of(since, eye.now, zone),
        since_age=age_of(since, eye.now, zone) if today else "",
        waited=age_of(row["because"]["at"], eye.now, zone),
        last=ago_of(last, eye.now, zone),
        last_at=time_of_day(parse_rfc3339(last), zone),
    )


def _clock(time: str, zone: Any) -> str:
    return f"{datetime.fromtimestamp(parse_rfc3339(time) / 1000, zone):%H:%M}"
