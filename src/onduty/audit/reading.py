"""Reading the audit log, which owners alone may."""

from dataclasses import dataclass
from typing import Any

from onduty.audit import store
from onduty.audit.model import EVERYTHING, Entry, Filter
from onduty.clock import Instant, rfc3339
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

    async def page(
        self, principal: Principal, project_id: str, asked: Asked, wanted: Filter = EVERYTHING
    ) -> tuple[list[Entry], str | None]:
        """Entries, newest first, and the cursor of what is older. Forbidden for all but owners."""
        self.projects.owned(principal, project_id)
        after = _place(asked.after)
        rows = await self.database.read(lambda reader: store.page(reader, project_id, after, asked.limit + 1, wanted))
        chosen = rows[: asked.limit]
        return chosen, cursor_of(f"{chosen[-1].at} {chosen[-1].id}") if len(rows) > len(chosen) else None

    async def people(self, principal: Principal, project_id: str) -> list[tuple[str, str]]:
        """(user id, name) of all whom the log speaks of, by name. Forbidden for all but owners."""
        self.projects.owned(principal, project_id)
        ids = await self.database.read(lambda reader: store.people(reader, project_id))
        return sorted(((each, self.identity.name_of(each)) for each in ids), key=lambda one: (one[1].casefold(), one))

    def row(self, entry: Entry) -> dict[str, Any]:
        """An entry as it is answered."""
        about = entry.about
        return {
            "id": entry.id,
            "at": rfc3339(entry.at),
            "act": entry.act,
            "user_id": entry.user_id,
            "name": self.name_of(entry.user_id),
            "token_id": entry.token_id,
            "address": entry.address,
            "about_id": about.id,
            "about_user_id": about.user_id,
            "about_user_name": self.name_of(about.user_id),
            "about_name": about.name,
            "about_role": about.role,
        }

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
