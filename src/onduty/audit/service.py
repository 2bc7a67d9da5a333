"""Writing the audit log: by services, in the transaction of the act, so that neither is there without the other."""

from collections.abc import Iterable
from typing import Protocol

import uuid_utils

from onduty.audit import store
from onduty.audit.model import NOTHING, About, Act, Entry
from onduty.database.transaction import Writer

__all__ = ["About", "Act", "record", "remove"]


class By(Protocol):
    """Who acts: a user through a token, from an address (None: not over the network)."""

    @property
    def user_id(self) -> str: ...
    @property
    def token_id(self) -> str: ...
    @property
    def address(self) -> str | None: ...


def record(writer: Writer, project_ids: Iterable[str], act: Act, by: By | None, about: About = NOTHING) -> None:
    """Note an act in each of these projects, inside the caller's transaction. `by` None: the server itself."""
    entries = [
        Entry(
            id=str(uuid_utils.uuid7()),
            project_id=project_id,
            at=writer.now,
            act=act,
            user_id=None if by is None else by.user_id,
            token_id=(by.token_id or None) if by is not None else None,
            address=(by.address or None) if by is not None else None,
            about=about,
        )
        for project_id in project_ids
    ]
    store.add(writer, entries)


def remove(writer: Writer, project_id: str) -> None:
    """Remove a project's entries, with the project, inside the caller's transaction."""
    store.remove(writer, project_id)
