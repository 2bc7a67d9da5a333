"""JSON files of others, changed in one place and byte for byte the same everywhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_SCALAR = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")
_DEEPEST = 200

Path = Sequence[str]


class Broken(Exception):  # noqa: N818
    """The text is not JSON; `line` is where."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


@dataclass
class Node:
    """A value and where it stands. `members` of an object or a list, each with where it begins (its key's place)."""

    start: int
    end: int
    value: Any
    members: list[tuple[str, int, Node]] = field(default_factory=list)


def parsed(text: str) -> Node:
    """The text's one value. Broken where it is not JSON by RFC 8259, or names a member twice."""
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Broken(getattr(error, "lineno", 1), getattr(error, "msg", "nested too deeply")) from None
    return _node(text, _skip(text, 0), 0)


def found(node: Node, path: Path) -> Node | None:
    """The value at this path of member names, None where there is none. Of a member named twice the last counts."""
    for name in path:
        if not isinstance(node.value, dict):
            return None
        named = [member for key, _, member in node.members if key == name]
        if not named:
            return None
        node = named[-1]
    return node


def with_member(text: str, path: Path, value: Any) -> str:
    """The text with this value at the path; objects on the way are made. ValueError where something else is there."""
    root = parsed(text)
    for depth in range(len(path), 0, -1):
        parent = found(root, path[: depth - 1])
        if parent is None:
            continue
        if not isinstance(parent.value, dict):
            raise ValueError(f"{'.'.join(path[: depth - 1]) or 'it'} is no object")
        there = found(parent, path[depth - 1 : depth])
        if there is not None:
            if depth < len(path):
                raise ValueError(f"{'.'.join(path[:depth])} is no object")
            return text[: there.start] + _written(text, value, _depth_of(text, parent) + 1) + text[there.end :]
        for name in reversed(path[depth:]):
            value = {name: value}
        written = _written(text, value, _depth_of(text, parent) + 1)
        return _added(text, parent, f"{json.dumps(path[depth - 1], ensure_ascii=False)}{_colon(text)}{written}")
    raise ValueError("it is no object")


def with_item(text: str, path: Path, item: Any) -> str:
    """The text with one more item at the end of the list at the path, which is made where it is not there."""
    node = found(parsed(text), path)
    if node is None:
        return with_member(text, path, [item])
    if not isinstance(node.value, list):
        raise ValueError(f"{'.'.join(path)} is no list")
    return _added(text, node, _written(text, item, _depth_of(text, node) + 1))


def without_member(text: str, path: Path) -> str:
    """The text without the member at the path; one that is not there is no error."""
    parent = found(parsed(text), path[:-1])
    if parent is None or not isinstance(parent.value, dict) or path[-1] not in parent.value:
        return text
    index = max(i for i, member in enumerate(parent.members) if member[0] == path[-1])
    return _taken(text, parent, index)


def without_items(text: str, path: Path, is_ours: Callable[[Any], bool]) -> str:
    """The text without those items of the list at the path."""
    while True:
        node = found(parsed(text), path)
        if node is None or not isinstance(node.value, list):
            return text
        ours = [index for index, item in enumerate(node.value) if is_ours(item)]
        if not ours:
            return text
        text = _taken(text, node, ours[-1])


def _node(text: str, start: int, depth: int) -> Node:
    if depth > _DEEPEST:
        raise Broken(text.count("\n", 0, start) + 1, "nested too deeply")
    if text[start] in "{[":
        return _container(text, start, depth)
    match = (_STRING if text[start] == '"' else _SCALAR).match(text, start)
    assert match is not None
    return Node(start, match.end(), json.loads(match.group()))


def _container(text: str, start: int, depth: int) -> Node:
    is_object = text[start] == "{"
    members: list[tuple[str, int, Node]] = []
    at = _skip(text, start + 1)
    while text[at] not in "}]":
        began, key = at, ""
        if is_object:
            match = _STRING.match(text, at)
            assert match is not None
            key = json.loads(match.group())
            at = _skip(text, _skip(text, match.end()) + 1)
        node = _node(text, at, depth + 1)
        members.append((key, began, node))
        at = _skip(text, node.end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    value: Any = {key: node.value for key, _, node in members} if is_object else [node.value for _, _, node in members]
    return Node(start, at + 1, value, members)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def _added(text: str, parent: Node, written: str) -> str:
    """One more member at the end: after the last one, as that is set off from what precedes it."""
    newline, indent = _newline(text), _indent(text)
    if parent.members:
        _, began, last = parent.members[-1]
        before = text[:began].rstrip(" \t\r\n")
        gap = text[len(before) : began]
        if not gap and len(parent.members) == 1:
            gap = "" if not indent else " "
        return text[: last.end] + "," + gap + written + text[last.end :]
    depth = _depth_of(text, parent)
    inside = f"{newline}{indent * (depth + 1)}" if indent else ""
    outside = f"{newline}{indent * depth}" if indent else ""
    return text[: parent.start + 1] + inside + written + outside + text[parent.end - 1 :]


def _taken(text: str, parent: Node, index: int) -> str:
    if len(parent.members) == 1:
        return text[: parent.start + 1] + text[parent.end - 1 :]
    if index:
        return text[: parent.members[index - 1][2].end] + text[parent.members[index][2].end :]
    return text[: parent.members[0][1]] + text[parent.members[1][1] :]


def _depth_of(text: str, node: Node) -> int:
    """How deep a value lies, by the indentation of its line where the file has one."""
    indent = _indent(text)
    line = text.rfind("\n", 0, node.start) + 1
    lead = text[line : node.start]
    lead = lead[: len(lead) - len(lead.lstrip(" \t"))]
    return len(lead) // len(indent) if indent else 0


def _indent(text: str) -> str:
    """One step of the file's indentation, '' where it stands on one line."""
    match = re.search(r"\n([ \t]+)\S", text)
    if match:
        return match.group(1)
    return "" if len(text.strip()) > 2 and "\n" not in text.strip() else "  "


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _colon(text: str) -> str:
    return ":" if not _indent(text) and '": ' not in text else ": "


def _written(text: str, value: Any, depth: int) -> str:
    indent = _indent(text)
    if not indent:
        tight = (",", ":") if _colon(text) == ":" else (", ", ": ")
        return json.dumps(value, ensure_ascii=False, separators=tight)
    written = json.dumps(value, ensure_ascii=False, indent=indent)
    return written.replace("\n", _newline(text) + indent * depth)
