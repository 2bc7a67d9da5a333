"""Bringing events to their server: what the spool holds goes with them, and one that is refused blocks no other."""

from __future__ import annotations

import time
from typing import Any

from onduty.client import spool, wire
from onduty.client.spool import Event
from onduty.client.state import now_ms

_PATH = "/api/agent-events"
_TOO_WRONG = (400, 413)
Answer = dict[str, Any]


def deliver(heading: dict[str, Any], token: str, events: list[Event], until: float, *, tell: bool = False) -> Answer:
    """Send events under their heading, in one request where the server takes it as a whole.

    The answer has a result for each event that need not be sent again. `tell` asks who is on duty, too.
    wire.Late, wire.Answered and OSError as of `wire.post`, then nothing is known of any of them.
    """
    try:
        return wire.post(heading["origin"], _PATH, token, _batch(heading, events, tell), until)
    except wire.Answered as refused:
        if refused.status not in _TOO_WRONG:
            raise
        if len(events) == 1:
            return {"results": [{"id": events[0]["id"], "status": "rejected"}]}
    # Something in it breaks the schema, and the server says so of the whole: it is found by halves.
    results: list[Any] = []
    for part in (events[len(events) // 2 :], events[: len(events) // 2]):
        try:
            results += deliver(heading, token, part, until)["results"]
        except (wire.Late, wire.Answered, OSError):
            if not results:
                raise
    return {"results": results}


def deliver_spool(root: str, heading: dict[str, Any], token: str, seconds: float = 10.0) -> int:
    """Send all that waits under this heading; how many the server took or refused for good. Raises as `deliver`."""
    count = 0
    while events := spool.waiting(root, heading):
        answered = ids_of(deliver(heading, token, events, time.monotonic() + seconds))
        spool.remove(root, heading, answered)
        count += len(answered)
        if not answered:
            break
    return count


def ids_of(answer: Answer) -> list[str]:
    """The events that the answer speaks of: taken, repeated or refused for good."""
    results = answer.get("results")
    return [str(each.get("id")) for each in results if isinstance(each, dict)] if isinstance(results, list) else []


def session_of(answer: Answer, event_id: str) -> str:
    """The session that an event belongs to by the answer, '' where it does not say."""
    for each in answer.get("results") or []:
        if isinstance(each, dict) and each.get("id") == event_id:
            return str(each.get("session_id") or "")
    return ""


def _batch(heading: dict[str, Any], events: list[Event], tell: bool) -> dict[str, Any]:
    named = {"project_id": "project", "machine_id": "machine", "caller_role": "role", "caller_origin": "client"}
    told = {field: heading[name] for field, name in named.items() if heading.get(name)}
    return {"sent_at": rfc3339(now_ms()), **told, **({"tell": True} if tell else {}), "events": events}


def rfc3339(ms: int) -> str:
    """An instant as the API takes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03d}Z"
