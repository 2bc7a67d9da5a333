"""Ages, and the reason for a state as a full thought. Instants are milliseconds on the server's line."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from onduty.clock import Instant, parse_rfc3339

_CLIENTS = {
    "claude-code": "Claude Code",
    "codex": "Codex",
    "copilot-cli": "Copilot CLI",
    "cursor": "Cursor",
    "gemini-cli": "Gemini CLI",
    "opencode": "opencode",
}
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000


def client_name(origin: str | None) -> str:
    """A client as its makers write it; one that we do not know as it calls itself."""
    return _CLIENTS.get(origin or "", origin or "Unknown client")


def mark_of(origin: str | None) -> str:
    """The name of our own sign for a client, always shown beside its name; `other` for one that we do not know."""
    return origin if origin in _CLIENTS else "other"


def age(then: Instant, now: Instant, zone: tzinfo | None = None) -> str:
    """How long ago: `41 s`, `6 min`, `2 h 33 min`; after a day when: `yesterday, 18:40`, `19 June`.

    Nothing is rounded up and the future counts as 0. `zone` is the reader's, None for this computer's.
    """
    passed = max(0, now - then)
    if passed >= _DAY:
        return _day(datetime.fromtimestamp(then / 1000, UTC), datetime.fromtimestamp(now / 1000, UTC), zone)
    if passed < _MINUTE:
        return f"{passed // _SECOND} s"
    if passed < _HOUR:
        return f"{passed // _MINUTE} min"
    minutes = passed % _HOUR // _MINUTE
    return f"{passed // _HOUR} h" + (f" {minutes} min" if minutes else "")


def age_of(time: str, now: Instant, zone: tzinfo | None = None) -> str:
    """The age of an RFC 3339 time."""
    return age(parse_rfc3339(time), now, zone)


def ago_of(time: str, now: Instant, zone: tzinfo | None = None) -> str:
    """The same as a point in time: `41 s ago`, `yesterday, 18:40`."""
    return _ago(age_of(time, now, zone))


def time_of_day(now: Instant, zone: tzinfo | None = None) -> str:
    """The instant in the reader's zone, with seconds."""
    return f"{datetime.fromtimestamp(now / 1000, UTC).astimezone(zone):%H:%M:%S}"


def waited_of(time: str, now: Instant, zone: tzinfo | None = None) -> str:
    """How long somebody has waited since an RFC 3339 time, with its seconds in the first hour: `4 min 12 s`."""
    passed = max(0, now - parse_rfc3339(time))
    if _MINUTE <= passed < _HOUR:
        return f"{passed // _MINUTE} min {passed % _MINUTE // _SECOND} s"
    return age(now - passed, now, zone)


def sentence(row: Mapping[str, Any], now: Instant, zone: tzinfo | None = None) -> str:
    """The reason as it stands alone: with a capital, unless it begins with a tool's own name."""
    return _text(capital(row, reason(row)), now, zone)


def why(row: Mapping[str, Any], now: Instant, zone: tzinfo | None = None) -> str:
    """The reason for a row's state, made from its facts."""
    return _text(reason(row), now, zone)


class Reason(NamedTuple):
    """Words round one point in time, which is said as `kind` has it (see `moment`). Empty `at`: words alone."""

    before: str
    kind: str = ""
    at: str = ""
    after: str = ""


def reason(row: Mapping[str, Any]) -> Reason:
    """The reason for a row's state, with its time apart from the words."""
    because = row["because"]
    at, tool = because["at"], because.get("tool") or "a tool"
    if silent_since := because.get("silent_since"):
        return Reason("no sign of life ", "for", silent_since, f", {_still(because)}")
    match because["signal"]:
        case "wait":
            return Reason(f"{wait_words(because)} (", "age", at, ")")
        case "tool":
            return Reason(f"{tool} running ", "for", because.get("tool_since") or at)
        case "subagent":
            return Reason("sub-agent running ", "for", at)
        case "turn":
            return Reason("turn open ", "for", at)
        case "call":
            return Reason("called ", "ago", at)
        case "stream":
            return Reason("connected ", "for", at, ", no turn open")
        case "end":
            return Reason("ended ", "ago", at, f" ({row['end_reason']})" if row.get("end_reason") else "")
        case _:
            return Reason("no turn open")


def capital(row: Mapping[str, Any], given: Reason) -> Reason:
    """The reason as it stands alone: with a capital, unless it begins with a tool's own name."""
    tool, words = row["because"].get("tool"), given.before
    return given if tool and words.startswith(tool) else given._replace(before=words[:1].upper() + words[1:])


def moment(kind: str, time: str, now: Instant, zone: tzinfo | None = None) -> str:
    """A point in time (RFC 3339) as it is said.

    `age` and `ago` are `age_of` and `ago_of`; `for` has its word before it; `waited` is `waited_of`; `clock` is the
    time of day, or the day; `on` stands beside it and says how long, within a day only.
    """
    today = now - parse_rfc3339(time) < _DAY
    match kind:
        case "for":
            return _span(age_of(time, now, zone))
        case "ago":
            return ago_of(time, now, zone)
        case "waited":
            return waited_of(time, now, zone)
        case "clock" if today:
            return time_of_day(parse_rfc3339(time), zone)[:5]
        case "on" if not today:
            return ""
        case _:
            return age_of(time, now, zone)


def _text(given: Reason, now: Instant, zone: tzinfo | None) -> str:
    return given.before + (moment(given.kind, given.at, now, zone) if given.at else "") + given.after


def _still(because: Mapping[str, Any]) -> str:
    return {
        "wait": f"still {wait_words(because)}",
        "tool": f"{because.get('tool') or 'a tool'} still running",
        "subagent": "sub-agent still running",
        "turn": "turn still open",
    }.get(because["signal"], "no end reported")


def wait_words(because: Mapping[str, Any]) -> str:
    """What a waiting session waits for, with the question's own words where they are shared."""
    waits_for, question = because.get("waits_for") or "answer", because.get("question")
    if waits_for == "answer":
        return f"asks: {question}" if question else "waits for an answer"
    return f"asks to use {waits_for}" + (f": {question}" if question else "")


def _ago(words: str) -> str:
    return f"{words} ago" if words[0].isdigit() and words.endswith((" s", " min", " h")) else words


def _span(words: str) -> str:
    return f"for {words}" if _ago(words) != words else f"since {words}"


def _day(then: datetime, now: datetime, zone: tzinfo | None) -> str:
    then, now = then.astimezone(zone), now.astimezone(zone)
    return f"yesterday, {then:%H:%M}" if (now.date() - then.date()).days == 1 else _date(then, now)


def _date(then: datetime, now: datetime) -> str:
    return f"{then.day} {then:%B}" + (f" {then.year}" if then.year != now.year else "")


def date_of(then: Instant, now: Instant, zone: tzinfo | None = None) -> str:
    """The day of an instant, past or to come: `today`, `yesterday`, `19 June`, `19 June 2025`."""
    day, today = (datetime.fromtimestamp(each / 1000, UTC).astimezone(zone) for each in (then, now))
    near = {0: "today", -1: "yesterday", 1: "tomorrow"}
    return near.get((day.date() - today.date()).days) or _date(day, today)


def day_and_time(then: Instant, now: Instant, zone: tzinfo | None = None) -> str:
    """The same with the time of day: `today, 14:03:22`."""
    return f"{date_of(then, now, zone)}, {time_of_day(then, zone)}"
