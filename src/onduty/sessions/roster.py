"""Who is on duty as a person reads it on a page: who waits first, then group by group. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from onduty.clock import Instant
from onduty.ordering import Row, in_order
from onduty.wording import Reason, capital, client_name, moment, reason, time_of_day, wait_words

DAY_MS: Final = 24 * 3600 * 1000
GROUPS: Final = {"machine": "Machine", "person": "Person", "role": "Role", "none": "None"}
DENSITIES: Final = {"roomy": "Roomy", "compact": "Dense"}
STATES: Final = ("waiting", "working", "idle", "quiet", "lost")
_CARDS: Final = 4
_ROOMY: Final = 60
# Nobody scrolls on a wall.
_ROOMY_ON_WALL: Final = 6
_MARKS: Final = frozenset({"claude-code", "codex", "cursor", "gemini-cli", "copilot-cli", "opencode"})


@dataclass(frozen=True, slots=True)
class Look:
    """What of it the reader wants to see, and how. `rows` is empty where the number of agents decides."""

    group: str = "machine"
    state: str = ""
    q: str = ""
    rows: str = ""

    def path(self, **changes: str) -> str:
        """The query that asks for this look with these changes; what is as it is by itself stands not in it."""
        wanted = {**asdict(self), "rows": "", **changes}
        return "?" + urlencode({name: word for name, word in wanted.items() if word and (name, word) != _USUAL})

    def matches(self, entry: "Entry") -> bool:
        """Whether the row stays in sight: it is in the state and has each of the words."""
        if self.state and entry.row["state"] != self.state:
            return False
        text = entry.words.casefold()
        return all(word in text for word in self.q.casefold().split())


_USUAL: Final = ("group", "machine")


@dataclass(frozen=True, slots=True)
class Eye:
    """Who looks, and when: ages are counted on the server's `now`, times of day stand in the `zone` (None: UTC).

    Without a `now` the times are left to the page's script. A wall is nobody's: nothing leads on from there.
    """

    user_id: str
    now: Instant | None
    zone: ZoneInfo | None
    name_of: Callable[[str], str]

    @property
    def is_wall(self) -> bool:
        return not self.user_id


@dataclass(frozen=True, slots=True)
class Entry:
    """A session in words. `row` is the API's, for what is shown as it is."""

    row: Row
    eye: Eye
    whose: str
    mine: bool
    client: str
    mark: str
    asks: str
    why: Reason
    doing: str
    places: Sequence[str]
    depth: int = 0
    hidden: bool = False

    @property
    def words(self) -> str:
        """What a filter looks through."""
        told = (self.whose, self.row["caller_role"], self.client, self.row["machine_id"], self.doing)
        return " ".join(word for word in (*told, self.row["ticket"], *self.places) if word)

    def when(self, kind: str, time: str) -> str:
        """A point in time as it is said (`wording.moment`)."""
        return "" if self.eye.now is None else moment(kind, time, self.eye.now, self.eye.zone or UTC)


@dataclass(frozen=True, slots=True)
class Group:
    """Agents that belong together, but for those that wait: they are counted here and stand above."""

    key: str
    name: str
    entries: Sequence[Entry]
    total: int
    waiting: int
    tally: Mapping[str, int]

    @property
    def hidden(self) -> bool:
        return all(entry.hidden for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Line:
    """All agents on one machine as their states: of each how many, those that wait first."""

    machine: str
    on_duty: int
    runs: Sequence[tuple[str, int, int]]
    """(state, how many agents stand before, how many are in it)"""


@dataclass(frozen=True, slots=True)
class Roster:
    """All that a page says of a project. `clock` is the time of day at which it was so."""

    look: Look
    density: str
    on_duty: int
    tally: Mapping[str, int]
    asks: Sequence[Entry]
    groups: Sequence[Group]
    lost: Group
    floor: Sequence[Line]
    clock: str
    zone: str

    @property
    def waiting(self) -> int:
        return len(self.asks)

    @property
    def as_cards(self) -> bool:
        """Whether few enough wait for a card each."""
        return len(self.asks) <= _CARDS

    @property
    def hidden(self) -> int:
        """How many rows the filter hides."""
        return sum(entry.hidden for group in (*self.groups, self.lost) for entry in group.entries)

    @property
    def filtered(self) -> str:
        """What the filter does, where it hides anything."""
        return filter_words(self.look, self.hidden, sum(len(g.entries) for g in (*self.groups, self.lost)))


def filter_words(look: Look, hidden: int, rows: int) -> str:
    """What a filter that hides so many of the rows does; empty where it hides none."""
    if not hidden:
        return ""
    told = f"{hidden} {'is' if hidden == 1 else 'are'} hidden."
    if hidden < rows:
        return f"{rows - hidden} shown. {told}"
    what = [f"matches '{look.q}'"] if look.q else []
    return f"No agent {' and '.join([*what, *([f'is {look.state}'] if look.state else [])])}. {told}"


def roster(rows: Sequence[Row], lost: Sequence[Row], eye: Eye, look: Look = Look()) -> Roster:
    """The page's words for these sessions on duty, and for those that were lost of late."""
    asks = [entry(row, eye) for row, _ in in_order([row for row in rows if row["state"] == "waiting"], eye.user_id)]
    gone = [_seen(entry(row, eye), look) for row, _ in in_order(lost, eye.user_id)]
    counts = Counter(row["state"] for row in (*rows, *lost))
    return Roster(
        look=look,
        density=look.rows or ("roomy" if len(rows) <= (_ROOMY_ON_WALL if eye.is_wall else _ROOMY) else "compact"),
        on_duty=len(rows),
        tally={state: counts[state] for state in STATES},
        asks=asks,
        groups=_groups(rows, eye, look),
        lost=Group("lost", "Lost", gone, len(gone), 0, {}),
        floor=_floor(rows, lost) if len(rows) > _ROOMY else (),
        clock=time_of_day(eye.now or 0, eye.zone or UTC),
        zone=eye.zone.key if eye.zone else "",
    )


def key_of(row: Row, group: str) -> str:
    """Which group of that kind the session belongs to."""
    match group:
        case "machine":
            return str(row["machine_id"])
        case "person":
            return str(row["user_id"])
        case "role":
            return row["caller_role"] or ""
        case _:
            return "all"


def _groups(rows: Sequence[Row], eye: Eye, look: Look) -> list[Group]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(key_of(row, look.group), []).append(row)
    named = [(_name(key, look.group, eye), key) for key in found]
    named.sort(key=lambda pair: (not pair[1], pair[0].casefold(), pair[1]))
    return [_group(key, name, found[key], eye, look) for name, key in named]


def _name(key: str, group: str, eye: Eye) -> str:
    match group:
        case "person":
            return eye.name_of(key)
        case "none":
            return "All agents"
        case _:
            return key or "No role"


def _group(key: str, name: str, rows: Sequence[Row], eye: Eye, look: Look) -> Group:
    here = [row for row in rows if row["state"] != "waiting"]
    entries = [_seen(entry(row, eye, depth), look) for row, depth in in_order(here, eye.user_id)]
    return Group(key, name, entries, len(rows), len(rows) - len(here), Counter(row["state"] for row in here))


def _seen(shown: Entry, look: Look) -> Entry:
    return shown if look.matches(shown) else replace(shown, hidden=True)


def _floor(rows: Iterable[Row], lost: Iterable[Row]) -> list[Line]:
    counts: dict[str, Counter[str]] = {}
    for row in (*rows, *lost):
        counts.setdefault(row["machine_id"], Counter())[row["state"]] += 1
    machines = sorted(counts, key=lambda name: (name.casefold(), name))
    return [Line(name, counts[name].total() - counts[name]["lost"], _runs(counts[name])) for name in machines]


def _runs(counts: Mapping[str, int]) -> list[tuple[str, int, int]]:
    runs, before = [], 0
    for state in STATES:
        if counts[state]:
            runs.append((state, before, counts[state]))
            before += counts[state]
    return runs


def entry(row: Row, eye: Eye, depth: int = 0) -> Entry:
    """One session's words."""
    waits_for = wait_words(row["because"])
    doing, *places = [word for word in (row["said"], row["branch"], row["folder"]) if word] or [""]
    return Entry(
        row=row,
        eye=eye,
        whose=eye.name_of(row["user_id"]),
        mine=row["user_id"] == eye.user_id,
        client=" ".join(word for word in (client_name(row["caller_origin"]), row["client_version"]) if word),
        mark=row["caller_origin"] if row["caller_origin"] in _MARKS else "other",
        asks=waits_for[:1].upper() + waits_for[1:],
        why=capital(row, reason(row)),
        doing=doing,
        places=places,
        depth=min(depth, 3),
    )


def look_of(asked: Mapping[str, Any], kept: str = "") -> Look:
    """The look that a query asks for, with the density that the reader chose before; what is not known counts not."""
    rows = asked.get("rows", kept)
    return Look(
        group=asked["group"] if asked.get("group") in GROUPS else "machine",
        state=asked["state"] if asked.get("state") in STATES else "",
        q=" ".join(str(asked.get("q", ""))[:200].split()),
        rows=rows if rows in DENSITIES else "",
    )
