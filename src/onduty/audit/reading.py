"""Reading the audit log, which owners alone may."""

from dataclasses import dataclass

from onduty.audit import store
from onduty.audit.model import Entry
from onduty.clock import Instant
from onduty.database.engine import Database
from onduty.errors import Invalid
from onduty.identity.service import Identity, Principal
from onduty.paging import Asked, cursor_of
from onduty.projects.service import Projects


@dataclass(slots=True)
class Audit:
    database: Database
    projects: Projects
    identity: Identity

    async def page(self, principal: Principal, project_id: str, asked: Asked) -> tuple[list[Entry], str | None]:
        """Entries, newest first, and the cursor of what is older. Forbidden for all but owners."""
        self.projects.owned(principal, project_id)
        after = _place(asked.after)
        rows = await self.database.read(lambda reader: store.page(reader, project_id, after, asked.limit + 1))
        chosen = rows[: asked.limit]
        return chosen, cursor_of(f"{chosen[-1].at} {chosen[-1].id}") if len(rows) > len(chosen) else None

    def name_of(self, user_id: str | None) -> str | None:
        """A user's name, for showing."""
        return None if user_id is None else self.identity.name_of(user_id)


def _place(after: str | None) -> tuple[Instant, str] | None:
    if after is None:
        return None
    at, _, entry_id = after.partition(" ")
    if not (at.isascii() and at.isdigit() and len(at) <= 18):
        raise Invalid.at("cursor", "is no cursor of this list")
    return int(at), entry_id
