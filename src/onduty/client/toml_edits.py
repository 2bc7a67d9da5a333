"""What we write into TOML files of agent clients: tables of our own; all else stays byte for byte."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from onduty.client import toml_text
from onduty.client.edits import Record, Unreadable
from onduty.client.json_text import Broken
from onduty.client.toml_text import Document, Path

Table = Mapping[str, Any]


@dataclass
class TomlFile:
    """A TOML file of a client: these `tables` stand in it as we write them. `is_private`: they hold a secret."""

    path: str
    tables: Mapping[Path, Table] = field(default_factory=dict)
    is_private: bool = False

    def put(self, text: str, record: Record) -> str:
        """The text with our tables, once. `record` takes what is needed to undo it. Unreadable."""
        try:
            there = toml_text.parsed(text)
            if all(there.found(path) == table for path, table in self.tables.items()):
                return text
            bare = self._taken(text, record)
            record.update({"tables": [list(path) for path in self.tables], "replaced": [], "unended": False})
            found = self._added(bare, record)
            wanted = _with(toml_text.parsed(bare), self.tables)
            if toml_text.parsed(found).value != wanted:
                raise Unreadable(f"{self.path}: our entries do not fit into it as it is written")
        except Broken as broken:
            raise Unreadable(f"{self.path}:{broken.line}: it is not valid TOML ({broken})") from None
        return found

    def take(self, text: str, record: Record) -> str:
        """The text without our tables. Unreadable."""
        try:
            return self._taken(text, record)
        except Broken as broken:
            raise Unreadable(f"{self.path}:{broken.line}: it is not valid TOML ({broken})") from None

    def _added(self, text: str, record: Record) -> str:
        newline = "\r\n" if "\r\n" in text else "\n"
        for path, table in self.tables.items():
            block = toml_text.written(path, dict(table)).replace("\n", newline)
            span = self._span(text, path)
            if span is not None:
                record["replaced"].append([list(path), text[span[0] : span[1]]])
                text = text[: span[0]] + block + text[span[1] :]
                continue
            if text and not text.endswith("\n"):
                record["unended"] = True
                text += newline
            text += (newline if text else "") + block
        return text

    def _taken(self, text: str, record: Record) -> str:
        if not text:
            return text
        replaced = {tuple(path): block for path, block in record.get("replaced", ())}
        for path in (tuple(path) for path in record.get("tables", ())):
            span = self._span(text, path)
            if span is None:
                continue
            start, end = span
            before = text[:start]
            if path not in replaced and (before.endswith(("\n\n", "\n\r\n")) or not before.strip("\r\n")):
                start = len(before.removesuffix("\n").removesuffix("\r"))
            text = text[:start] + replaced.get(path, "") + text[end:]
            if record.get("unended") and start == len(text):
                text = text.rstrip("\r\n")
        return text

    def _span(self, text: str, path: Path) -> tuple[int, int] | None:
        """Where the table stands with those in it, None where it is not there. Unreadable where it is in pieces."""
        document = toml_text.parsed(text)
        if document.found(path) is None:
            return None
        inside = [i for i, each in enumerate(document.statements) if each.path[: len(path)] == path]
        first, last = document.statements[inside[0]], document.statements[inside[-1]]
        if not first.is_header or first.path != path or inside[-1] - inside[0] + 1 != len(inside):
            line = text.count("\n", 0, first.start) + 1
            raise Unreadable(f"{self.path}:{line}: {'.'.join(path)} is there in another form: take it out first")
        return first.start, last.end


def _with(document: Document, tables: Mapping[Path, Table]) -> dict[str, Any]:
    value = copy.deepcopy(document.value)
    for path, table in tables.items():
        inner: Any = value
        for key in path[:-1]:
            inner = inner.setdefault(key, {}) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner[path[-1]] = dict(table)
    return value
