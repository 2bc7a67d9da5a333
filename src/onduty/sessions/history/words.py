"""How a session's past is said: spans of time, points in time, and why it was in a state. Pure."""

from datetime import UTC, datetime, tzinfo
from typing import Final

from onduty.clock import Instant
from onduty.sessions.fold import Event
from onduty.sessions.history.model import Span
from onduty.sessions.model import HOUR_MS, Because
from onduty.sessions.rows import because
from onduty.wording import age, wait_words

_DAY_MS: Final = 24 * HOUR_MS
_STILL: Final = {
    "tool": "a tool still running",
    "subagent": "a sub-agent still running",
    "turn": "turn still open",
    "wait": "still waiting",
}
_WORKS: Final = {"subagent": "Sub-agent running", "turn": "Turn open", "call": "Called"}
END: Final = {
    "exit": "the client exited",
    "logout": "the client was signed out",
    "other": "its client ended it",
    "deleted": "somebody ended it here",
    "end_session": "the agent said that it is done",
    "moved": "it went on as another session",
    "revoked": "what it spoke through was taken away",
}
KINDS: Final = {
    "start": "Started",
    "prompt": "Prompt",
    "tool_started": "Tool started",
    "tool_ended": "Tool ended",
    "waiting": "Waits",
    "answered": "Answered",
    "turn_ended": "Turn ended",
    "subagent_started": "Sub-agent started",
    "subagent_ended": "Sub-agent ended",
    "activity": "Sign of life",
    "end": "Ended",
}


def length(ms: int) -> str:
    """How long something lasted: `41 s`, `2 h 5 min`, `3 d 4 h`."""
    if ms < _DAY_MS:
        return age(0, ms)
    hours = ms % _DAY_MS // HOUR_MS
    return f"{ms // _DAY_MS} d" + (f" {hours} h" if hours else "")


def moment(then: Instant, now: Instant, zone: tzinfo, seconds: bool = False) -> str:
    """The time of day, and the day before it where that is not today."""
    local, today = (datetime.fromtimestamp(at / 1000, UTC).astimezone(zone) for at in (then, now))
    clock = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    if local.date() == today.date():
        return clock
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local.day} {local:%b}{year} {clock}"


def exactly(then: Instant, now: Instant, zone: tzinfo) -> str:
    """The same with milliseconds: events follow one another fast."""
    return f"{moment(then, now, zone, seconds=True)}.{then % 1000:03d}"


def why(span: Span, end_reason: str | None) -> str:
    """The reason for a state that was, without its age."""
    reason = span.because
    match span.state:
        case "waiting":
            words = wait_words(because(reason))
            return words[:1].upper() + words[1:]
        case "working":
            return _worked(span, reason)
        case "idle":
            return "Connected, no turn open" if reason.signal == "stream" else "No turn open"
        case "ended":
            words = END.get(end_reason or "", "")
            return words[:1].upper() + words[1:]
        case _:
            return f"No sign of life, {_STILL.get(reason.signal, 'no end reported')}"


def _worked(span: Span, reason: Because) -> str:
    if span.calls:
        return f"{span.calls} tool call{'' if span.calls == 1 else 's'}"
    return f"{reason.tool or 'A tool'} running" if reason.signal == "tool" else _WORKS.get(reason.signal, "")


def said(event: Event) -> str:
    """What an event's kind means to a person; a client's own sub-agent is named as whose it is."""
    words = KINDS[event.kind]
    return f"{words}, by a sub-agent" if event.subagent and not event.kind.startswith("subagent") else words
