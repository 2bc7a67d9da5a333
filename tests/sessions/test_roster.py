"""What the page says of rows: order, groups, counts, and where which words stand."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from onduty.clock import parse_rfc3339, rfc3339
from onduty.sessions.roster import Eye, Roster, entry, roster

NOW = parse_rfc3339("2026-11-24T08:07:00Z")
MIN, H = 60_000, 3_600_000
ME, OTHER = "me", "other"
NAMES = {ME: "Mara", OTHER: "Jonas"}


def eye(zone: str | None = "Europe/Berlin") -> Eye:
    return Eye(ME, NOW, ZoneInfo(zone) if zone else None, NAMES.__getitem__)


def row(name: str, state: str = "working", machine: str = "laptop", **fields: Any) -> dict[str, Any]:
    signal = {"working": "turn", "waiting": "wait", "quiet": "turn", "lost": "none"}.get(state, "none")
    return {
        "session_id": name,
        "user_id": ME,
        "machine_id": machine,
        "state": state,
        "because": {"signal": signal, "at": at(MIN)},
        "caller_origin": "codex",
        "caller_role": "qa",
        "client_version": "0.91",
        "connected_at": at(2 * H + 33 * MIN),
        "last_activity_at": at(MIN),
        "said": None,
        "branch": None,
        "folder": None,
        "ticket": None,
        "parent_session_id": None,
        **fields,
    }


def at(passed: int) -> str:
    return rfc3339(NOW - passed)


def waits(name: str, passed: int, user_id: str, machine: str = "laptop") -> dict[str, Any]:
    return row(name, "waiting", machine, user_id=user_id, because={"signal": "wait", "at": at(passed)})


def names(shown: Roster) -> dict[str, list[str]]:
    return {group.machine: [each.row["session_id"] for each in group.entries] for group in shown.groups}


def test_waits_stand_above_yours_first_and_are_counted_on_their_machine() -> None:
    rows = [row("a"), waits("short", MIN, OTHER), waits("long", H, OTHER), waits("mine", MIN // 2, ME, "atlas")]
    shown = roster(rows, [], eye())
    assert (shown.on_duty, shown.waiting) == (4, 3)
    assert [each.row["session_id"] for each in shown.asks] == ["mine", "long", "short"]
    assert [each.mine for each in shown.asks] == [True, False, False]
    assert names(shown) == {"atlas": [], "laptop": ["a"]}
    assert [(group.total, group.waiting) for group in shown.groups] == [(1, 1), (3, 2)]


def test_a_wait_shows_the_question_s_own_words_where_it_has_them() -> None:
    said, asked = waits("a", MIN, ME), waits("b", MIN, ME)
    asked = {**asked, "because": {**said["because"], "waits_for": "Bash", "question": "make all"}}
    shown = roster([said, asked], [], eye())
    assert {each.asks for each in shown.asks} == {"Waits for an answer", "Asks to use Bash: make all"}


def test_more_than_four_waits_are_lines() -> None:
    rows = [waits(str(number), MIN, ME) for number in range(5)]
    assert roster(rows[:4], [], eye()).as_cards
    assert not roster(rows, [], eye()).as_cards


def test_groups_are_machines_and_children_stand_under_their_parent() -> None:
    rows = [
        row("young", connected_at=at(1)),
        row("old", "idle"),
        row("child", parent_session_id="old", connected_at=at(2)),
        row("afar", "quiet", "Atlas", parent_session_id="old"),
    ]
    shown = roster(rows, [row("gone", "lost", "zoo")], eye())
    assert names(shown) == {"Atlas": ["afar"], "laptop": ["old", "child", "young"]}
    assert [each.depth for each in shown.groups[1].entries] == [0, 1, 0]
    assert list(shown.tally) == [("working", 2), ("idle", 1), ("quiet", 1)]
    assert list(shown.groups[1].tally) == [("working", 2), ("idle", 1)]
    assert [each.row["session_id"] for each in shown.lost] == ["gone"]


def test_words_of_an_entry() -> None:
    words = entry(row("a", branch="fix/x", folder="shop"), 9, eye())
    assert (words.whose, words.client, words.mark, words.depth) == ("Mara", "Codex 0.91", "codex", 3)
    assert (words.doing, list(words.places)) == ("fix/x", ["shop"])
    assert (words.since, words.since_age) == ("06:34", "2 h 33 min")
    assert (words.last, words.last_at, words.why) == ("1 min ago", "09:06:00", "Turn open for 1 min")
    said = entry(row("a", said="Tests", branch="fix/x"), 0, eye())
    assert (said.doing, list(said.places)) == ("Tests", ["fix/x"])
    nothing = entry(row("a", caller_origin=None, client_version=None), 0, eye())
    assert (nothing.doing, nothing.client, nothing.mark) == ("", "Unknown client", "other")


def test_after_a_day_the_day_is_said() -> None:
    words = entry(row("a", connected_at=at(25 * H)), 0, eye())
    assert (words.since, words.since_age) == ("yesterday, 08:07", "")
    assert entry(row("a", connected_at=at(25 * H)), 0, eye(None)).since == "yesterday, 07:07"
    assert roster([], [], eye(None)).clock == "08:07:00"
