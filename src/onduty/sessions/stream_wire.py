"""How a stream reads on the wire: server-sent events, each with its id and the server's `now` (design.md 2.6).

The pages' twin tells several projects in one stream, so each of its events names its project. Its snapshot has no more
than ids and states: whoever gets one fetches the part of the page again, whose 500 rows would come a second time here.
Where one of the viewer's own waits, there is a `notice`: what to say of it outside the page.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from onduty.answers import Headers
from onduty.clock import Instant, rfc3339
from onduty.sessions.rows import encode
from onduty.sessions.stream import Change, Told
from onduty.wording import client_name, wait_words

Dress = Callable[[dict[str, Any], str, str], Mapping[str, Any]]
"""What a page's `session` event holds beside the row: made of the row, who looks, and the project's id."""

HEADERS: Final[Headers] = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    # Proxies that would hold events back to send many at once are asked not to.
    (b"x-accel-buffering", b"no"),
]
# How long a browser waits before it comes again.
RETRY: Final = b"retry: 2000\n\n"
_PIECE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Wire:
    """Words of one process's streams at one instant. `viewer` is who looks at a page, None for a bearer stream."""

    process: str
    now: Instant
    dress: Dress | None = None
    _made: dict[tuple[int, str, bool | None], bytes] = field(default_factory=dict)

    def id_of(self, number: int) -> str:
        return f"{self.process}:{number}"

    def change(self, change: Change, kind: str, project_id: str, viewer: str | None) -> bytes:
        """A change as an event, made once for all bearer streams, once for pages of whose it is, once for others'."""
        mine = None if viewer is None else change.told is not None and change.told.user_id == viewer
        key = (change.number, kind, mine)
        if key not in self._made:
            words = self._words(change, kind, project_id, viewer)
            self._made[key] = self._event(kind, change.number, words)
        return self._made[key]

    def _words(self, change: Change, kind: str, project_id: str, viewer: str | None) -> dict[str, Any]:
        words: dict[str, Any] = {} if viewer is None else {"project_id": project_id}
        if change.told is None or kind == "gone":
            words["session_id"] = change.session_id
        else:
            words["session"] = change.told.row
            if viewer is not None:
                words |= _notice(change.told, viewer)
                words |= {} if self.dress is None else self.dress(change.told.row, viewer, project_id)
        return words

    def snapshot(self, number: int, rows: Iterable[Told]) -> Iterator[bytes]:
        """A snapshot of whole rows, in pieces that are made as they are sent."""
        piece = f"id: {self.id_of(number)}\nevent: snapshot\n".encode() + b'data: {"sessions":['
        comma = b""
        for told in rows:
            piece += comma + told.body
            comma = b","
            if len(piece) > _PIECE_BYTES:
                yield piece
                piece = b""
        yield piece + b'],"now":%b}\n\n' % encode(rfc3339(self.now))

    def outline(self, number: int, project_id: str, viewer: str, rows: Iterable[Told]) -> bytes:
        """A page's snapshot: the ids that there are, and their states."""
        sessions = [
            {"session_id": told.row["session_id"], "state": told.state, **_notice(told, viewer)} for told in rows
        ]
        return self._event("snapshot", number, {"project_id": project_id, "sessions": sessions})

    def withdrawn(self, number: int, project_id: str) -> bytes:
        """A page's project that its viewer does not see, or not any more."""
        return self._event("withdrawn", number, {"project_id": project_id})

    def beat(self, number: int, viewer: str | None) -> bytes:
        """A sign that the stream stands, with how far all is told. Browsers hide comments from scripts."""
        if viewer is None:
            return f": alive\nid: {self.id_of(number)}\n\n".encode()
        return self._event("beat", number, {})

    def _event(self, kind: str, number: int, words: dict[str, Any]) -> bytes:
        told = encode({**words, "now": rfc3339(self.now)})
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (self.id_of(number).encode(), kind.encode(), told)


def _notice(told: Told, viewer: str) -> dict[str, Any]:
    """What to say outside the page where the viewer's own session waits: since when, and for what."""
    if told.state != "waiting" or told.user_id != viewer:
        return {}
    row = told.row
    who = f"{client_name(row['caller_origin'])} on {row['machine_id']}"
    return {
        "notice": {
            "since": row["because"]["at"],
            "title": "Waiting for you",
            "body": f"{who} {wait_words(row['because'])}",
        }
    }


def number_of(process: str, last_event_id: str | None) -> int | None:
    """The number in an id of this process's, None for any other text."""
    named, _, number = (last_event_id or "").partition(":")
    is_number = number.isascii() and number.isdecimal() and len(number) < 16
    return int(number) if named == process and is_number else None
