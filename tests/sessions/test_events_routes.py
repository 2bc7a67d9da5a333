"""REST for events of agents, asked of a real server (design.md 2.6)."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
import uuid_utils

from onduty.sessions.model import session_id_of
from tests.asking import Answer
from tests.serving import Server
from tests.sessions.contract import validated_error
from tests.sessions.desk import SESSIONS, Desk, event, refused


@pytest.fixture
def desk(server: Server) -> Desk:
    return Desk(server)


def _results(answer: Answer) -> list[tuple[str, str]]:
    assert answer.status == 200, answer.body
    return [(result["id"], result["status"]) for result in answer.json["results"]]


def test_events_are_answered_in_their_order_and_stored_once(desk: Desk) -> None:
    """A repeat, within a batch or later, is answered as one and changes nothing."""
    events = [event("b", "start", stamp=1), event("a", "prompt", stamp=2), event("b", "end", stamp=3)]
    events += [event("a", "prompt", session="other")]
    answer = desk.report(*events, caller_origin="codex", client_version="1.0")
    assert _results(answer) == [("b", "accepted"), ("a", "accepted"), ("b", "repeated"), ("a", "accepted")]
    ids = [result["session_id"] for result in answer.json["results"]]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    row = desk.row(ids[0])
    assert (row["state"], row["because"]["signal"]) == ("working", "turn")
    assert (row["caller_origin"], row["client_version"]) == ("codex", "1.0")
    assert _results(desk.report(*events)) == [(name, "repeated") for name in ("b", "a", "b", "a")]
    assert desk.row(ids[0]) == row
    assert _results(desk.report()) == []


def test_a_client_ref_is_an_alias(desk: Desk) -> None:
    """An event whose session is that text meets the registered row, and the other way round; so does our own id."""
    row = desk.new(client_ref="thread", caller_role="qa")
    answer = desk.report(event("1", "waiting", tool="Bash"), event("2", "activity", session=row["session_id"]))
    assert {result["session_id"] for result in answer.json["results"]} == {row["session_id"]}
    shown = desk.row(row["session_id"])
    assert (shown["state"], shown["because"]["waits_for"], shown["caller_role"]) == ("waiting", "Bash", "qa")
    first = desk.report(event("1", "start", session="later")).json["results"][0]["session_id"]
    again = desk.register(client_ref="later")
    assert (again.status, again.json["session_id"]) == (200, first)


def test_a_question_s_own_words_are_shown_while_it_waits_and_masked_here_too(desk: Desk) -> None:
    """For a client that masks nothing; those of any other kind of event are kept nowhere."""
    words = "May I run\n`login --token hunter2`?"
    desk.report(event("1", "prompt", stamp=1, question="not asked"), event("2", "waiting", stamp=2, question=words))
    [row] = desk.ask("GET", SESSIONS.format(desk.project)).json["sessions"]
    assert row["because"]["question"] == "May I run `login --token …"
    assert row["because"]["waits_for"] == "answer"
    desk.report(event("3", "answered", stamp=3))
    assert "question" not in desk.row(row["session_id"])["because"]
    refused(desk.report(event("4", "waiting", question="x" * 201)), 400, "events.0.question")
    assert _results(desk.report(event("4", "waiting", question="x" * 200))) == [("4", "accepted")]


def test_a_rejected_item_leaves_the_rest(desk: Desk) -> None:
    """An id of ours that is foreign carries the error object in its place; a project not written to rejects each."""
    stranger = _unknown_of_ours()
    answer = desk.report(event("1", "activity"), event("2", "activity", session=stranger), event("3", "prompt"))
    assert _results(answer) == [("1", "accepted"), ("2", "rejected"), ("3", "accepted")]
    rejected = answer.json["results"][1]
    assert validated_error(rejected["error"])["code"] == "NOT_FOUND"
    assert "session_id" not in rejected
    assert desk.row(answer.json["results"][0]["session_id"])["state"] == "working"
    unseen = desk.report(event("1", "start"), event("2", "prompt"), project_id=str(uuid4()))
    assert _results(unseen) == [("1", "rejected"), ("2", "rejected")]
    assert {result["error"]["code"] for result in unseen.json["results"]} == {"FORBIDDEN"}


def _unknown_of_ours() -> str:
    return session_id_of(UUID(int=uuid_utils.uuid7().int))


@pytest.mark.parametrize(
    ("broken", "at"),
    [
        ({"kind": "dance"}, "kind"),
        ({"kind": None}, "kind"),
        ({"id": ""}, "id"),
        ({"id": "x" * 201}, "id"),
        ({"at": "2026-01-01"}, "at"),
        ({"at": "2026-01-01T12:00:00"}, "at"),
        ({"at": 1767268800}, "at"),
        ({"session": ""}, "session"),
        ({"stamp": -1}, "stamp"),
        ({"stamp": 2**63}, "stamp"),
        ({"stamp": 1.5}, "stamp"),
        ({"stamp": "5"}, "stamp"),
        ({"tool": "x" * 121}, "tool"),
        ({"tool_id": "x" * 201}, "tool_id"),
        ({"tool": "\ud83d"}, "tool"),
        ({"kind": "subagent_started"}, "subagent"),
        ({"kind": "subagent_ended", "subagent": ""}, "subagent"),
    ],
)
def test_a_broken_event_refuses_the_batch(desk: Desk, broken: dict[str, Any], at: str) -> None:
    """400 at `events.3.…` as a whole, and nothing of it is stored."""
    good = [event(str(number), "prompt") for number in range(3)]
    refused(desk.report(*good, {**event("3", "prompt"), **broken}), 400, f"events.3.{at}", code="VALIDATION")
    assert desk.ids() == []
    assert _results(desk.report(*good)) == [(str(number), "accepted") for number in range(3)]


@pytest.mark.parametrize(
    ("batch", "at"),
    [
        ({"sent_at": "yesterday"}, "sent_at"),
        ({"sent_at": None}, "sent_at"),
        ({"project_id": "x"}, "project_id"),
        ({"machine_id": "x" * 65}, "machine_id"),
        ({"events": None}, "events"),
        ({"events": {}}, "events"),
        ({"events": [1]}, "events.0"),
    ],
)
def test_a_broken_batch_is_400_at_its_field(desk: Desk, batch: dict[str, Any], at: str) -> None:
    """The batch's own fields are checked like an event's."""
    refused(desk.report(event("1", "start"), **batch), 400, at)


def test_a_batch_has_500_events_at_most(desk: Desk) -> None:
    """500 are taken, 501 are 400 at `events`."""
    events = [event(str(number), "activity", session=f"s-{number % 7}") for number in range(501)]
    refused(desk.report(*events), 400, "events")
    assert desk.ids() == []
    assert _results(desk.report(*events[:500])) == [(str(number), "accepted") for number in range(500)]
    assert len(desk.ids()) == 7


def test_every_kind_is_taken(desk: Desk) -> None:
    """Each of the eleven, with `stamp`, `tool` and `tool_id` left out."""
    kinds = ["start", "prompt", "tool_started", "tool_ended", "waiting", "answered", "turn_ended", "activity", "end"]
    events = [event(kind, kind, session=f"one-{kind}") for kind in kinds]
    events += [event(kind, kind, subagent="s", session=kind) for kind in ("subagent_started", "subagent_ended")]
    assert [status for _, status in _results(desk.report(*events))] == ["accepted"] * 11


_EARLIER = "2026-01-01T11:00:00Z"


def test_a_late_event_of_an_ended_session_changes_nothing_shown(desk: Desk) -> None:
    """It is accepted; the row stays as it was, words included."""
    [session_id, *_] = [r["session_id"] for r in desk.report(event("1", "start", stamp=1)).json["results"]]
    assert _results(desk.report(event("9", "end", stamp=9, reason="exit"))) == [("9", "accepted")]
    before = desk.row(session_id)
    assert (before["state"], before["end_reason"]) == ("ended", "exit")
    late = [event("5", "tool_started", at=_EARLIER, stamp=5, tool="Bash", branch="late")]
    late += [event("6", "prompt", at=_EARLIER, stamp=6, folder="late")]
    assert _results(desk.report(*late)) == [("5", "accepted"), ("6", "accepted")]
    assert desk.row(session_id) == before
    assert _results(desk.report(event("10", "prompt", stamp=10))) == [("10", "accepted")]
    assert desk.row(session_id)["state"] == "working"


def test_nothing_but_ends_is_not_shown(desk: Desk) -> None:
    """A health check's end makes no row; a start that arrives late finds its end already there."""
    answer = desk.report(event("2", "end", stamp=2, reason="exit"))
    session_id = answer.json["results"][0]["session_id"]
    assert desk.ids() == []
    refused(desk.ask("GET", f"/api/agent-sessions/{session_id}"), 404)
    late = desk.report(event("1", "start", stamp=1)).json["results"][0]
    assert late["session_id"] == session_id
    assert desk.row(session_id)["state"] == "ended"
    assert desk.ids() == [session_id]


def test_an_end_that_changes_the_conversation_ends_nothing(desk: Desk) -> None:
    """Reasons clear, resume and compact are the end of a turn in the same session; an unknown reason is `other`."""
    for reason in ("clear", "resume", "compact"):
        answer = desk.report(event("1", "prompt", session=reason), event("2", "end", session=reason, reason=reason))
        assert desk.row(answer.json["results"][0]["session_id"])["state"] == "idle"
    answer = desk.report(event("1", "prompt", session="x"), event("2", "end", session="x", reason="bored"))
    assert desk.row(answer.json["results"][0]["session_id"])["end_reason"] == "other"


def test_a_clients_clock_does_not_matter(desk: Desk) -> None:
    """Only the difference between `at` and `sent_at` counts, and an age is never below 0."""
    for year in ("1970", "2026", "9999"):
        at = event("1", "prompt", session=year, at=f"{year}-06-01T12:00:00Z")
        answer = desk.report(at, sent_at=f"{year}-06-01T12:00:00Z")
        assert desk.row(answer.json["results"][0]["session_id"])["state"] == "working", year
    future = event("2", "prompt", session="ahead", at="2026-01-01T18:00:00Z")
    [result] = desk.report(future).json["results"]
    assert desk.row(result["session_id"])["state"] == "working"
    old = desk.report(event("3", "prompt", session="old", at="0001-01-01T00:00:00Z"), sent_at="9999-12-31T23:59:59Z")
    assert desk.row(old.json["results"][0]["session_id"])["state"] == "lost"


def test_state_narrows(desk: Desk) -> None:
    """By a comma list, in both lists; an empty result is no error and a word that is no state is 400 at `state`."""
    ages = {"quiet": 6, "lost": 40, "working": 1}
    by_state = {state: _silent(desk, state, minutes) for state, minutes in ages.items()}
    by_state["ended"] = desk.new()["session_id"]
    assert desk.end(by_state["ended"]).status == 204
    for state, session_id in by_state.items():
        assert desk.ids(f"?active=false&state={state}") == [session_id]
        assert desk.row(session_id)["state"] == state
    assert set(desk.ids("?active=false&state=quiet,lost")) == {by_state["quiet"], by_state["lost"]}
    assert desk.ids("?active=false&state=idle") == desk.ids("?state=ended") == []
    assert desk.ids("?state=working,waiting,idle,quiet") == [by_state["working"]]
    for wrong in ("", "busy", "working,busy", "Working", "working,", ","):
        refused(desk.ask("GET", f"{SESSIONS.format(desk.project)}?state={wrong}"), 400, "state", code="VALIDATION")


def _silent(desk: Desk, name: str, minutes: int) -> str:
    """A session whose turn opened so many minutes ago, and of which nothing was heard since; its id."""
    answer = desk.report(event("1", "prompt", session=name), sent_at=f"2026-01-01T12:{minutes:02}:00Z")
    return str(answer.json["results"][0]["session_id"])
