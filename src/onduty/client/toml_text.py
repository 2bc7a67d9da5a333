"""TOML files of others: what they say, and where each statement stands. TOML 1.0, https://toml.io/en/v1.0.0.

Python reads TOML from 3.11 on only, never tells where, and writes none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from onduty.client.json_text import Broken

_SPACE = re.compile(r"[ \t]*")
_EMPTY = re.compile(r"(?:[ \t]*(?:#[^\x00-\x08\x0a-\x1f\x7f]*)?(?:\r?\n|$))+")
_REST = re.compile(r"[ \t]*(?:#[^\x00-\x08\x0a-\x1f\x7f]*)?(?:\r?\n|$)")
_BETWEEN = re.compile(r"(?:[ \t]|\r?\n|#[^\x00-\x08\x0a-\x1f\x7f]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\.)*)"')
_LITERAL = re.compile(r"'([^'\x00-\x08\x0a-\x1f\x7f]*)'")
_LONG_BASIC = re.compile(
    r'"""(?:\r?\n)?((?:[^"\\\x00-\x08\x0b-\x1f\x7f\r]|\r\n|\\(?:\r\n|[^\r])|"{1,2}(?!"))*"{0,2})"""'
)
_LONG_LITERAL = re.compile(r"'''(?:\r?\n)?((?:[^'\x00-\x08\x0b-\x1f\x7f\r]|\r\n|'{1,2}(?!'))*'{0,2})'''")
_ESCAPE = re.compile(r'\\(?:([btnfr"\\])|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|[ \t]*\r?\n[ \t\r\n]*|(.?))', re.DOTALL)
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
_DAY = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_HOUR = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
_TIME = re.compile(rf"{_DAY}(?:[Tt ]{_HOUR}(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?)?|{_HOUR}")
_FLOAT = re.compile(
    r"[+-]?(?:(?:0|[1-9](?:_?[0-9])*)"
    r"(?:\.[0-9](?:_?[0-9])*(?:[eE][+-]?[0-9](?:_?[0-9])*)?|[eE][+-]?[0-9](?:_?[0-9])*)|inf|nan)"
)
_INTEGER = re.compile(
    r"0x[0-9A-Fa-f](?:_?[0-9A-Fa-f])*|0o[0-7](?:_?[0-7])*|0b[01](?:_?[01])*|[+-]?(?:0|[1-9](?:_?[0-9])*)"
)
_DEEPEST = 100

Path = tuple[str, ...]


@dataclass(frozen=True)
class Time:
    """A date or time, as it is written."""

    text: str


@dataclass(frozen=True)
class Statement:
    """A table's header or a `key = value`, from its line's start to its line's end. `path` is the whole way to it."""

    path: Path
    is_header: bool
    start: int
    end: int


@dataclass
class Document:
    """What a text says, and its statements in order."""

    value: dict[str, Any]
    statements: list[Statement]

    def found(self, path: Path) -> Any:
        """The value at this path of keys, None where there is none."""
        value: Any = self.value
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value


class _Table(dict[str, Any]):
    """`how` it came to be: `implied` by a table in it, by its `header`, by `dotted` keys, or `inline`."""

    how = "implied"


class _Tables(list[Any]):
    """An array of tables."""


def parsed(text: str) -> Document:
    """What the text says. Broken where it is not TOML."""
    return _Reader(text).document()


@dataclass
class _Reader:
    text: str
    at: int = 0
    root: _Table = field(default_factory=_Table)
    statements: list[Statement] = field(default_factory=list)

    def document(self) -> Document:
        table = self.root
        way: Path = ()
        if self.text.startswith("\ufeff"):
            self.at = 1
        while self._skip(_EMPTY) and self.at < len(self.text):
            start = self.text.rfind("\n", 0, self.at) + 1
            self._skip(_SPACE)
            is_header = self.text.startswith("[", self.at)
            if is_header:
                table, way = self._header()
                path = way
            else:
                path = (*way, *self._pair(table, 0))
            if not self._skip(_REST) and self.at < len(self.text):
                raise self._broken("something follows on the same line")
            self.statements.append(Statement(path, is_header, start, self.at))
        return Document(self.root, self.statements)

    def _header(self) -> tuple[_Table, Path]:
        brackets = 2 if self.text.startswith("[[", self.at) else 1
        self.at += brackets
        path = self._key()
        self._expect("]" * brackets)
        table = self.root
        for key in path[:-1]:
            table = self._entered(table, key)
        there = table.get(path[-1])
        made = _Table()
        if brackets == 2:
            if there is None:
                there = table[path[-1]] = _Tables()
            if not isinstance(there, _Tables):
                raise self._broken(f"{'.'.join(path)} is there already")
            there.append(made)
        elif there is None:
            table[path[-1]] = made
        elif isinstance(there, _Table) and there.how == "implied":
            made = there
        else:
            raise self._broken(f"{'.'.join(path)} is there already")
        made.how = "header"
        return made, path

    def _entered(self, table: _Table, key: str) -> _Table:
        inner = table.setdefault(key, _Table())
        if isinstance(inner, _Tables):
            inner = inner[-1]
        if not isinstance(inner, _Table) or inner.how == "inline":
            raise self._broken(f"{key} is no table that can be added to")
        return inner

    def _pair(self, table: _Table, depth: int) -> Path:
        path = self._key()
        self._expect("=")
        self._skip(_SPACE)
        value = self._value(depth)
        for key in path[:-1]:
            inner = table.setdefault(key, _Table())
            if not isinstance(inner, _Table) or inner.how not in ("dotted", "implied"):
                raise self._broken(f"{key} is there already")
            inner.how = "dotted"
            table = inner
        if path[-1] in table:
            raise self._broken(f"{'.'.join(path)} is there already")
        table[path[-1]] = value
        return path

    def _key(self) -> Path:
        path = []
        while True:
            self._skip(_SPACE)
            bare = _BARE.match(self.text, self.at)
            if bare is not None:
                self.at = bare.end()
                path.append(bare.group())
            elif self.text.startswith('"', self.at):
                path.append(self._basic(_BASIC))
            else:
                path.append(self._matched(_LITERAL, "a key is missing"))
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return tuple(path)
            self.at += 1

    def _value(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise self._broken("nested too deeply")
        for opening, read in (
            ('"""', lambda: self._basic(_LONG_BASIC)),
            ("'''", lambda: self._matched(_LONG_LITERAL, "a text has no end").replace("\r\n", "\n")),
            ('"', lambda: self._basic(_BASIC)),
            ("'", lambda: self._matched(_LITERAL, "a text has no end")),
            ("[", lambda: self._array(depth)),
            ("{", lambda: self._inline(depth)),
        ):
            if self.text.startswith(opening, self.at):
                return read()
        return self._scalar()

    def _scalar(self) -> Any:
        for word, value in (("true", True), ("false", False)):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return value
        for pattern, made in (
            (_TIME, Time),
            (_FLOAT, lambda text: float(text.replace("_", ""))),
            (_INTEGER, lambda text: int(text.replace("_", ""), 0)),
        ):
            match = pattern.match(self.text, self.at)
            if match is not None:
                self.at = match.end()
                return made(match.group())
        raise self._broken("a value is missing, or is none of TOML")

    def _array(self, depth: int) -> list[Any]:
        self.at += 1
        items: list[Any] = []
        while True:
            self._skip(_BETWEEN)
            if self.text.startswith("]", self.at):
                self.at += 1
                return items
            items.append(self._value(depth + 1))
            self._skip(_BETWEEN)
            if not self.text.startswith("]", self.at):
                self._expect(",")

    def _inline(self, depth: int) -> _Table:
        self.at += 1
        table = _Table()
        self._skip(_SPACE)
        if not self.text.startswith("}", self.at):
            self._pair(table, depth + 1)
            self._skip(_SPACE)
            while self.text.startswith(",", self.at):
                self.at += 1
                self._pair(table, depth + 1)
                self._skip(_SPACE)
        self._expect("}")
        _close(table)
        return table

    def _basic(self, pattern: re.Pattern[str]) -> str:
        written = self._matched(pattern, "a text has no end")
        return _ESCAPE.sub(self._escaped, written.replace("\r\n", "\n"))

    def _escaped(self, match: re.Match[str]) -> str:
        short, four, eight, wrong = match.groups()
        if wrong is not None:
            raise self._broken(f"\\{wrong} means nothing in a text")
        if short:
            return _ESCAPED[short]
        code = int(four or eight or "0", 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise self._broken("an escape names no character")
        return chr(code) if four or eight else ""

    def _matched(self, pattern: re.Pattern[str], what: str) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise self._broken(what)
        self.at = match.end()
        return match.group(1)

    def _expect(self, word: str) -> None:
        if not self.text.startswith(word, self.at):
            raise self._broken(f"{word} is missing")
        self.at += len(word)

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self.text, self.at)
        self.at = self.at if match is None else match.end()
        return True if pattern is _EMPTY else match is not None

    def _broken(self, what: str) -> Broken:
        return Broken(self.text.count("\n", 0, self.at) + 1, what)


def _close(table: _Table) -> None:
    """Nothing is added to what stands between braces."""
    table.how = "inline"
    for value in table.values():
        if isinstance(value, _Table):
            _close(value)


def written(path: Sequence[str], table: dict[str, Any]) -> str:
    """A table with its header, a line each, as `parsed` reads it back."""
    lines = [f"[{'.'.join(_key(key) for key in path)}]"]
    return "\n".join([*lines, *(f"{_key(key)} = {_value(value)}" for key, value in table.items())]) + "\n"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    import json

    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
