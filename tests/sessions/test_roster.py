"""What the page says of rows: order, groups, counts, and where which words stand."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from onduty.clock import parse_rfc3339, rfc3339
from onduty.sessions.roster import Eye, Look, Roster, entry, filter_words, look_of, roster

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
    return {group.name: [each.row["session_id"] for each in group.entries] for group in shown.groups}


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
    assert shown.tally == {"waiting": 0, "working": 2, "idle": 1, "quiet": 1, "lost": 1}
    assert shown.groups[1].tally == {"working": 2, "idle": 1}
    assert [each.row["session_id"] for each in shown.lost.entries] == ["gone"]


def test_words_of_an_entry() -> None:
    words = entry(row("a", branch="fix/x", folder="shop"), eye(), 9)
    assert (words.whose, words.client, words.mark, words.depth) == ("Mara", "Codex 0.91", "codex", 3)
    assert (words.doing, list(words.places)) == ("fix/x", ["shop"])
    assert words.why == ("Turn open ", "for", at(MIN), "")
    said = entry(row("a", said="Tests", branch="fix/x"), eye())
    assert (said.doing, list(said.places)) == ("Tests", ["fix/x"])
    nothing = entry(row("a", caller_origin=None, client_version=None), eye())
    assert (nothing.doing, nothing.client, nothing.mark) == ("", "Unknown client", "other")


def test_times_are_said_in_the_reader_s_zone_and_left_to_the_script_where_there_is_no_now() -> None:
    words = entry(row("a"), eye())
    assert words.when("clock", at(2 * H)) == "07:07"
    assert words.when("for", at(MIN)) == "for 1 min"
    assert entry(row("a"), eye(None)).when("clock", at(25 * H)) == "yesterday, 07:07"
    assert entry(row("a"), Eye(ME, None, None, NAMES.__getitem__)).when("clock", at(H)) == ""
    assert roster([], [], eye(None)).clock == "08:07:00"


def test_a_group_is_a_machine_a_person_a_role_or_all() -> None:
    rows = [row("a", user_id=OTHER), row("b", caller_role=None), row("c", caller_role="Backend"), waits("d", 1, OTHER)]
    assert names(roster(rows, [], eye(), Look("person"))) == {"Jonas": ["a"], "Mara": ["b", "c"]}
    assert names(roster(rows, [], eye(), Look("role"))) == {"Backend": ["c"], "qa": ["a"], "No role": ["b"]}
    assert names(roster(rows, [], eye(), Look("none"))) == {"All agents": ["a", "b", "c"]}
    assert [group.waiting for group in roster(rows, [], eye(), Look("person")).groups] == [1, 0]


def test_a_filter_hides_rows_by_words_and_state_and_never_a_wait() -> None:
    rows = [row("a", said="Refund totals"), row("b", "idle", "refund-box"), waits("c", 1, ME)]
    shown = roster(rows, [row("d", "lost")], eye(), Look(q="REFUND totals"))
    hidden = {each.row["session_id"] for group in (*shown.groups, shown.lost) for each in group.entries if each.hidden}
    assert (hidden, len(shown.asks), shown.waiting) == ({"b", "d"}, 1, 1)
    assert shown.filtered == "1 shown. 2 are hidden."
    by_state = roster(rows, [], eye(), Look(state="idle"))
    assert [group.hidden for group in by_state.groups] == [True, False]
    assert roster(rows, [], eye(), Look(state="waiting")).tally["waiting"] == 1


def test_what_a_filter_hides_is_said() -> None:
    assert filter_words(Look(q="payments"), 11, 11) == "No agent matches 'payments'. 11 are hidden."
    assert filter_words(Look(q="x", state="quiet"), 1, 1) == "No agent matches 'x' and is quiet. 1 is hidden."
    assert filter_words(Look(q="x"), 0, 3) == ""


def test_above_sixty_rows_are_dense_and_the_floor_has_a_line_a_machine_with_waits_first() -> None:
    rows = [row(f"a{number}", machine=f"m{number % 2}") for number in range(60)]
    few = roster(rows, [], eye())
    assert (few.density, few.floor) == ("roomy", ())
    many = roster([*rows, waits("w", 1, ME, "m1")], [row("l", "lost", "m1")], eye())
    assert many.density == "compact"
    assert [(line.machine, line.on_duty) for line in many.floor] == [("m0", 30), ("m1", 31)]
    assert list(many.floor[1].runs) == [("waiting", 0, 1), ("working", 1, 30), ("lost", 31, 1)]
    assert roster([*rows, row("z")], [], eye(), Look(rows="roomy")).density == "roomy"


def test_a_look_is_what_was_asked_for_and_what_is_not_known_counts_not() -> None:
    assert look_of({"group": "person", "state": "quiet", "q": " a  b ", "rows": "roomy"}, "compact") == Look(
        "person", "quiet", "a b", "roomy"
    )
    assert look_of({"group": "x", "state": "ended", "rows": "x"}) == Look()
    assert look_of({}, "compact").rows == "compact"
    assert len(look_of({"q": "x" * 300}).q) == 200


def test_the_path_of_a_look_says_what_is_not_as_usual() -> None:
    look = Look("role", "idle", "a b", "compact")
    assert look.path(group="machine") == "?state=idle&q=a+b"
    assert look.path(state="", q="", rows="roomy") == "?group=role&rows=roomy"
