"""What we write into the files of agent clients, and how it is taken out again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from onduty.client import json_text

_PATH_MARK = "\x1f"
Record = dict[str, Any]


class Unreadable(Exception):  # noqa: N818
    """A file that cannot be changed without harm. One line, with file and line where it has one."""


class Edit(Protocol):
    """What is to be written into one file of a client. `is_private`: a secret is part of it."""

    path: str
    is_private: bool

    def put(self, text: str, record: Record) -> str: ...

    def take(self, text: str, record: Record) -> str: ...


@dataclass
class JsonFile:
    """A JSON file of a client: `members` are set, `items` are added to lists; `is_ours` knows such an item again."""

    path: str
    members: Mapping[tuple[str, ...], Any] = field(default_factory=dict)
    items: Mapping[tuple[str, ...], Any] = field(default_factory=dict)
    is_ours: Callable[[Any], bool] = lambda item: False
    is_private: bool = False

    def put(self, text: str, record: Record) -> str:
        """The text with our entries, once. `record` takes what is needed to undo it. Unreadable."""
        before = text or "{}\n"
        try:
            if self._is_there(before):
                return text
            clean = self._taken(before, record)
            record.update(self._noted(clean))
            for path, value in self.members.items():
                clean = json_text.with_member(clean, path, value)
            for path, item in self.items.items():
                clean = json_text.with_item(clean, path, item)
        except json_text.Broken as broken:
            raise Unreadable(f"{self.path}:{broken.line}: it is not valid JSON ({broken})") from None
        except ValueError as error:
            raise Unreadable(f"{self.path}: {error}") from None
        return clean

    def take(self, text: str, record: Record) -> str:
        """The text without our entries. Unreadable."""
        try:
            return self._taken(text, record) if text else text
        except json_text.Broken as broken:
            raise Unreadable(f"{self.path}:{broken.line}: it is not valid JSON ({broken})") from None

    def _is_there(self, text: str) -> bool:
        root = json_text.parsed(text)
        for path, value in self.members.items():
            node = json_text.found(root, path)
            if node is None or node.value != value:
                return False
        for path, item in self.items.items():
            node = json_text.found(root, path)
            items = node.value if node is not None and isinstance(node.value, list) else []
            if [each for each in items if self.is_ours(each)] != [item]:
                return False
        return True

    def _noted(self, text: str) -> Record:
        root = json_text.parsed(text)
        ways = {tuple(path[:depth]) for path in (*self.members, *self.items) for depth in range(1, len(path) + 1)}
        there = [_PATH_MARK.join(way) for way in sorted(ways) if json_text.found(root, way) is not None]
        replaced = {}
        for path in self.members:
            node = json_text.found(root, path)
            if node is not None:
                replaced[_PATH_MARK.join(path)] = node.value
        return {"there": there, "replaced": replaced}

    def _taken(self, text: str, record: Record) -> str:
        there, replaced = set(record.get("there", ())), record.get("replaced", {})
        for path in self.members:
            if not record:
                continue
            key = _PATH_MARK.join(path)
            if key in replaced:
                text = json_text.with_member(text, path, replaced[key])
                continue
            text = self._emptied(json_text.without_member(text, path), path[:-1], there)
        for path in self.items:
            text = json_text.without_items(text, path, self.is_ours)
            text = self._emptied(text, path, there) if record else text
        return text

    def _emptied(self, text: str, path: Sequence[str], there: set[str]) -> str:
        """Without the objects and lists that were made for our entries and hold nothing any more."""
        for depth in range(len(path), 0, -1):
            way = path[:depth]
            node = json_text.found(json_text.parsed(text), way)
            if node is None or node.value not in ({}, []) or _PATH_MARK.join(way) in there:
                break
            text = json_text.without_member(text, way)
        return text


def digest(content: bytes) -> str:
    """By which a file is known again as we left it."""
    return hashlib.sha256(content).hexdigest()
