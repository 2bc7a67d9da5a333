"""Changing the files of agent clients: all or none, with a backup; and putting them back."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from onduty.client import files, place
from onduty.client.edits import Edit, Record, Unreadable, digest


@dataclass
class Change:
    """One file before and after. `after` None: it is taken away, for it was not there before us.

    `mode` where the file's own may not stay.
    """

    path: str
    before: bytes | None
    after: bytes | None
    record: Record = field(default_factory=dict)
    backup: bytes | None = None
    mode: int | None = None

    @property
    def is_none(self) -> bool:
        return self.before == self.after

    def difference(self) -> str:
        """As `diff -u` shows it, without secrets."""
        old, new = (_lines(each) for each in (self.before, self.after))
        return "".join(difflib.unified_diff(old, new, self.path, self.path))


def connecting(edits: Sequence[Edit], records: dict[str, Record]) -> list[Change]:
    """What is to be done to the files, with nothing done yet. Unreadable where a file cannot be changed."""
    found = []
    for edit in edits:
        before = _read(edit.path)
        record = dict(records.get(edit.path, {}))
        text = _text(edit.path, before)
        bare = edit.take(text, record) if record else text
        after = edit.put(text, record).encode()
        change = Change(edit.path, before, before if after == (before or b"") else after, record)
        change.mode = 0o600 if edit.is_private else None
        if not change.is_none:
            as_left = before is not None and digest(before) == record.get("wrote")
            change.backup = None if as_left else (before if not records.get(edit.path) else bare.encode())
            record["wrote"] = digest(after)
            record["new"] = record.get("new", before is None)
            record["keep"] = as_left
        found.append(change)
    return found


def disconnecting(edits: Sequence[Edit], records: dict[str, Record]) -> list[Change]:
    """What puts the files back: the backup where nothing else changed, else what is there without our entries."""
    found = []
    for edit in edits:
        record = records.get(edit.path)
        before = _read(edit.path)
        if record is None or before is None:
            continue
        after: bytes | None
        if digest(before) == record.get("wrote"):
            after = None if record.get("new") else _read(record["backup"])
        else:
            after = edit.take(_text(edit.path, before), record).encode()
        found.append(Change(edit.path, before, after))
    return found


def carry_out(root: str, changes: Sequence[Change]) -> None:
    """Do it, each file at once; a file that changes has its backup first. OSError."""
    for change in changes:
        if change.is_none:
            continue
        if change.backup is not None:
            change.record["backup"] = _keep(root, change.path, change.backup)
        change.record.pop("keep", None)
        if change.after is None:
            os.unlink(change.path)
        else:
            files.write(change.path, change.after, change.mode)


def _keep(root: str, path: str, content: bytes) -> str:
    folder = os.path.join(root, "backups")
    place.make(folder)
    name = path.strip(os.sep).replace(os.sep, "-").replace(":", "-")
    number = 1
    while os.path.exists(kept := os.path.join(folder, f"{name}.{number}")):
        number += 1
    files.write(kept, content, mode=0o600)
    return kept


def _read(path: str) -> bytes | None:
    try:
        return files.read(path)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from None


def _text(path: str, content: bytes | None) -> str:
    try:
        return (content or b"").decode("utf-8")
    except UnicodeDecodeError as error:
        line = (content or b"")[: error.start].count(b"\n") + 1
        raise Unreadable(f"{path}:{line}: it is not UTF-8 text") from None


def text_of(path: str) -> str:
    """What the file says, '' where it is not there. Unreadable."""
    return _text(path, _read(path))


def _lines(content: bytes | None) -> list[str]:
    return [line + "\n" for line in masked((content or b"").decode("utf-8", "replace")).splitlines()]


def masked(text: str) -> str:
    """The text without tokens of ours."""
    import re

    return re.sub(r"ody_[0-9A-Za-z]{6,}", "ody_…", text)


def records_of(changes: Sequence[Change], records: dict[str, Any]) -> dict[str, Any]:
    """What is to be kept of the changes that were carried out, beside what was kept before."""
    return {**records, **{change.path: change.record for change in changes if change.record}}


def naming(path: str, named: dict[str, str]) -> Change:
    """What names project and role in a repository's own file; what else stands there stays. Unreadable."""
    from onduty.client.edits import JsonFile

    before = _read(path)
    edit = JsonFile(path, members={(key,): value for key, value in named.items()})
    after = edit.put(_text(path, before), {}).encode()
    return Change(path, before, before if after == (before or b"") else after)
