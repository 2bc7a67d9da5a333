"""Projects, their members, and the one look-up that decides who sees and does what.

All of it stands in memory, loaded at start and changed after each commit, so that deciding touches no database.
"""

from dataclasses import dataclass, field

import uuid_utils

from onduty.cleaning import NAME, text
from onduty.clock import Instant
from onduty.database.engine import Database
from onduty.database.transaction import Reader, Writer
from onduty.errors import Conflict, Forbidden
from onduty.identity.service import Principal
from onduty.projects import store
from onduty.projects.model import Membership, Project, Role, may_act, may_end_any

__all__ = ["NOT_SEEN", "Project", "Projects", "Role", "found", "may_act", "may_end_any"]

NOT_SEEN = "You cannot see this project, or it does not exist. Ask one of its owners."


@dataclass(slots=True)
class Projects:
    database: Database
    known: dict[str, Project] = field(default_factory=dict)
    roles: dict[str, dict[str, Role]] = field(default_factory=dict)

    async def load(self) -> None:
        """Read every project and membership; once, before the server answers."""

        def work(reader: Reader) -> tuple[list[Project], list[Membership]]:
            return store.all_projects(reader), store.all_members(reader)

        projects, members = await self.database.read(work)
        self.known = {project.id: project for project in projects}
        for member in members:
            self.roles.setdefault(member.user_id, {})[member.project_id] = member.role

    def sees(self, principal: Principal, project_id: str) -> Role | None:
        """The caller's role in the project, None where they may not see it or it does not exist."""
        if principal.project_ids is not None and project_id not in principal.project_ids:
            return None
        return self.roles.get(principal.user_id, {}).get(project_id)

    def role(self, principal: Principal, project_id: str) -> Role:
        """The caller's role in the project. Forbidden where they may not see it, whether it exists or not."""
        role = self.sees(principal, project_id)
        if role is None:
            raise Forbidden(NOT_SEEN)
        return role

    def acting(self, principal: Principal, project_id: str) -> Role:
        """The caller's role, if it lets them register and act. Forbidden otherwise."""
        role = self.role(principal, project_id)
        if principal.read_only:
            raise Forbidden("This token is read-only")
        if not may_act(role, principal.read_only):
            raise Forbidden("A viewer reads only; ask an owner to become a member")
        return role

    def may_act(self, principal: Principal, project_id: str) -> bool:
        """Whether the caller registers and acts in the project; False too where they may not see it."""
        role = self.sees(principal, project_id)
        return role is not None and may_act(role, principal.read_only)

    def visible(self, principal: Principal) -> list[Project]:
        """The projects that the caller sees, by name and then id."""
        mine = self.roles.get(principal.user_id, {})
        seen = [self.known[i] for i in mine if principal.project_ids is None or i in principal.project_ids]
        return sorted(seen, key=lambda project: (project.name.casefold(), project.id))

    def project(self, principal: Principal, project_id: str) -> Project:
        """One project. Forbidden where the caller may not see it."""
        self.role(principal, project_id)
        return self.known[project_id]

    def named(self, principal: Principal, id_or_name: str) -> Project:
        """The visible project with this id, or else with this name. Forbidden for none, Conflict for several."""
        seen = self.visible(principal)
        wanted = id_or_name.strip()
        found = [p for p in seen if p.id == wanted.lower()] or [p for p in seen if p.name == wanted]
        found = found or [p for p in seen if p.name.casefold() == wanted.casefold()]
        if not found:
            raise Forbidden(NOT_SEEN)
        if len(found) > 1:
            raise Conflict("Several of your projects have this name; use the id")
        return found[0]

    def only_one(self, principal: Principal) -> str | None:
        """The id of the single project that a token is narrowed to, else None."""
        ids = principal.project_ids
        return next(iter(ids)) if ids is not None and len(ids) == 1 else None

    def named_first(self, principal: Principal, *named: str | None) -> str | None:
        """The project that a request names: the first of these that is there counts, None if none is.

        Forbidden for one that the caller may not see; the next is never tried then.
        """
        first = next((name for name in named if name), None)
        return None if first is None else self.named(principal, first).id

    def asked(self, principal: Principal, *named: str | None) -> str | None:
        """The project that a request names, else the token's only one."""
        return self.named_first(principal, *named) or self.only_one(principal)

    async def create(self, principal: Principal, name: str) -> Project:
        """Make a project that the caller owns. Forbidden for a narrowed or read-only token, Invalid at `name`."""
        if principal.read_only:
            raise Forbidden("This token is read-only")
        if principal.project_ids is not None:
            raise Forbidden("A token that is narrowed to projects makes none")
        cleaned = text(name, "name", NAME, required=True)
        project = await self.database.write(lambda writer: found(writer, cleaned, principal.user_id))
        self.adopt(project, principal.user_id)
        return project

    def adopt(self, project: Project, owner_id: str) -> None:
        """Take a project that was just committed, with its first owner, into memory."""
        self.known[project.id] = project
        self.roles.setdefault(owner_id, {})[project.id] = "owner"


def found(writer: Writer, name: str, owner_id: str) -> Project:
    """Write a new project with its owner, inside the caller's transaction."""
    now: Instant = writer.now
    project = Project(str(uuid_utils.uuid7()), name, now)
    store.add_project(writer, project)
    store.add_member(writer, Membership(project.id, owner_id, "owner"))
    return project
