"""Ages never round up, and each reason is a full thought."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from typing import Any

import pytest

from onduty.clock import parse_rfc3339, rfc3339
from onduty.wording import age, ago_of, client_name, date_of, day_and_time, sentence, why

NOW = parse_rfc3339("2026-11-24T08:07:00Z")
EAST = timezone(timedelta(hours=3))
S, MIN, H = 1_000, 60_000, 3_600_000


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (-5 * S, "0 s"),
        (999, "0 s"),
        (41 * S, "41 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (H - 1, "59 min"),
        (H, "1 h"),
        (2 * H + 33 * MIN, "2 h 33 min"),
        (24 * H - 1, "23 h 59 min"),
        (24 * H, "yesterday, 11:07"),
        (49 * H, "22 November"),
        (158 * 24 * H, "19 June"),
        (400 * 24 * H, "20 October 2025"),
    ],
)
def test_ages(passed: int, words: str) -> None:
    assert age(NOW - passed, NOW, EAST) == words


@pytest.mark.parametrize(
    ("later", "words"),
    [
        (0, "today"),
        (-11 * H, "today"),
        (-11 * H - 7 * MIN - 1, "yesterday"),
        (12 * H + 53 * MIN, "tomorrow"),
        (48 * H, "26 November"),
        (7 * 24 * H, "1 December"),
        (60 * 24 * H, "23 January 2027"),
        (-48 * H, "22 November"),
    ],
)
def test_days_before_and_after_by_the_reader_s_calendar(later: int, words: str) -> None:
    assert date_of(NOW + later, NOW, EAST) == words


def test_a_day_with_its_time() -> None:
    assert day_and_time(NOW - 5 * S, NOW, EAST) == "today, 11:06:55"
    assert day_and_time(NOW - 5 * S, NOW, UTC) == "today, 08:06:55"


def row(state: str, **because: Any) -> dict[str, Any]:
    return {"state": state, "because": {"at": at(6 * MIN), **because}, "end_reason": "logout"}


def at(passed: int) -> str:
    return rfc3339(NOW - passed)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (row("waiting", signal="wait", waits_for="Bash"), "asks to use Bash (6 min)"),
        (row("waiting", signal="wait", waits_for="answer"), "waits for an answer (6 min)"),
        (row("waiting", signal="wait", waits_for="Bash", question="ls"), "asks to use Bash: ls (6 min)"),
        (row("waiting", signal="wait", waits_for="answer", question="Why?"), "asks: Why? (6 min)"),
        (row("working", signal="tool", tool="Bash", tool_since=at(7 * MIN)), "Bash running for 7 min"),
        (row("working", signal="tool"), "a tool running for 6 min"),
        (row("working", signal="subagent"), "sub-agent running for 6 min"),
        (row("working", signal="turn"), "turn open for 6 min"),
        (row("working", signal="call"), "called 6 min ago"),
        (row("idle", signal="stream"), "connected for 6 min, no turn open"),
        (row("idle", signal="stream", at="2026-06-19T09:00:00Z"), "connected since 19 June, no turn open"),
        (row("idle", signal="none"), "no turn open"),
        (row("idle", signal="something-newer"), "no turn open"),
        (row("ended", signal="end"), "ended 6 min ago (logout)"),
        (
            row("quiet", signal="turn", silent_since=at(12 * MIN)),
            "no sign of life for 12 min, turn still open",
        ),
        (
            row("quiet", signal="tool", tool="Bash", silent_since=at(40 * MIN)),
            "no sign of life for 40 min, Bash still running",
        ),
        (
            row("quiet", signal="wait", waits_for="Bash", silent_since=at(13 * H)),
            "no sign of life for 13 h, still asks to use Bash",
        ),
        (row("lost", signal="none", silent_since=at(3 * H)), "no sign of life for 3 h, no end reported"),
    ],
)
def test_reasons(given: dict[str, Any], words: str) -> None:
    assert why(given, NOW) == words


def test_a_sentence_stands_alone() -> None:
    assert sentence(row("idle", signal="none"), NOW) == "No turn open"
    assert sentence(row("working", signal="turn"), NOW) == "Turn open for 6 min"
    # A tool's name is not ours to change.
    named = row("working", signal="tool", tool="mcp__db__query", tool_since=at(7 * MIN))
    assert sentence(named, NOW) == "mcp__db__query running for 7 min"


def test_times_of_day_are_the_reader_s() -> None:
    assert ago_of(at(41 * S), NOW, EAST) == "41 s ago"
    assert ago_of(at(24 * H), NOW, EAST) == "yesterday, 11:07"
    assert ago_of(at(24 * H), NOW, UTC) == "yesterday, 08:07"
    stream = row("idle", signal="stream", at=at(24 * H))
    assert sentence(stream, NOW, EAST) == "Connected since yesterday, 11:07, no turn open"


def test_a_client_is_called_as_its_makers_write_it() -> None:
    assert client_name("claude-code") == "Claude Code"
    assert client_name("refund-bot") == "refund-bot"
    assert client_name(None) == "Unknown client"
