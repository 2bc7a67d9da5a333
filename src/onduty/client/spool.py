"""Events that no server took yet, on disk: bounded, in order, for their owner alone.

A file holds what goes under one heading (server, project, machine, client): the heading, then an event a line.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from typing import Any

from onduty.client import locked, place

Event = dict[str, Any]
SENT_AT_ONCE = 200
_LONGEST = 2 * 1024 * 1024
_MOST_FILES = 64


def path(root: str, heading: dict[str, Any]) -> str:
    """The file of what goes under this heading."""
    text = json.dumps(heading, sort_keys=True).encode()
    return os.path.join(place.spool_folder(root), f"{zlib.crc32(text):08x}{zlib.adler32(text):08x}.jsonl")


def waiting(root: str, heading: dict[str, Any]) -> list[Event]:
    """The oldest events that wait under this heading, as many as are sent at once. Busy, OSError."""
    file = path(root, heading)
    if not os.path.exists(file):
        return []
    with locked.held(file) as handle:
        return _events(locked.content(handle))[:SENT_AT_ONCE]


def add(root: str, heading: dict[str, Any], event: Event) -> None:
    """Keep an event for later; where there is no more room the oldest give way. Busy, OSError."""
    folder = place.spool_folder(root)
    place.make(folder)
    file = path(root, heading)
    if not os.path.exists(file) and len(os.listdir(folder)) >= _MOST_FILES:
        return
    with locked.held(file) as handle:
        kept = locked.content(handle)
        if len(kept) > _LONGEST:
            events = _events(kept)
            kept = _text(heading, events[len(events) // 2 :])
        elif not kept:
            kept = _text(heading, [])
        locked.replace(handle, kept + json.dumps(event, separators=(",", ":")).encode() + b"\n")


def remove(root: str, heading: dict[str, Any], ids: Iterable[str]) -> None:
    """Forget events that were answered for. Busy, OSError."""
    gone = set(ids)
    file = path(root, heading)
    if not gone or not os.path.exists(file):
        return
    with locked.held(file) as handle:
        left = [event for event in _events(locked.content(handle)) if event.get("id") not in gone]
        # The file itself stays: another hook may hold it open, and what that writes must not go into nowhere.
        locked.replace(handle, _text(heading, left) if left else b"")


def headings(root: str) -> list[tuple[dict[str, Any], int]]:
    """Every heading under which events wait, and how many."""
    folder = place.spool_folder(root)
    found = []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        with locked.held(os.path.join(folder, name)) as handle:
            kept = locked.content(handle)
        heading = _line(kept.partition(b"\n")[0])
        if heading and (count := len(_events(kept))):
            found.append((heading, count))
    return found


def _events(kept: bytes) -> list[Event]:
    return [event for line in kept.split(b"\n")[1:] if (event := _line(line))]


def _text(heading: dict[str, Any], events: Iterable[Event]) -> bytes:
    lines = [json.dumps(each, separators=(",", ":")) for each in (heading, *events)]
    return "\n".join(lines).encode() + b"\n"


def _line(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line) if line else {}
    except ValueError:
        # Half a line, from a machine that was switched off.
        return {}
    return value if isinstance(value, dict) else {}
