"""Projects, their members, and the one look-up that decides who sees and does what.

All of it stands in memory, loaded at start and changed after each commit, so that deciding touches no database.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import uuid_utils

from onduty.audit.service import About, record
from onduty.cleaning import NAME, text
from onduty.clock import Instant
from onduty.database.engine import Database
from onduty.database.transaction import Reader, Writer
from onduty.errors import Conflict, Forbidden
from onduty.identity.service import Principal
from onduty.projects import store
from onduty.projects.model import RETENTION_DAYS, Membership, Project, Role, may_act, may_end_any

__all__ = ["NOT_SEEN", "Project", "Projects", "Role", "found", "may_act", "may_end_any"]

NOT_SEEN = "You cannot see this project, or it does not exist. Ask one of its owners."


@dataclass(slots=True)
class Projects:
    database: Database
    known: dict[str, Project] = field(default_factory=dict)
    roles: dict[str, dict[str, Role]] = field(default_factory=dict)
    # Tokens that were revoked since the start: what such a token began goes no further.
    withdrawn: set[str] = field(default_factory=set)
    # Who changes people or takes a project away does so one after the other.
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    on_withdrawal: list[Callable[[], None]] = field(default_factory=list)
    on_deletion: list[Callable[[str], None]] = field(default_factory=list)

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
        if principal.token_id in self.withdrawn:
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

    def may_record(self, principal: Principal, project_id: str | None) -> bool:
        """Whether anything of what the caller does there is kept; None is in no project."""
        if project_id is not None:
            return self.may_act(principal, project_id)
        sees_nothing = principal.project_ids is not None and not principal.project_ids
        return not (principal.read_only or sees_nothing or principal.token_id in self.withdrawn)

    def owned(self, principal: Principal, project_id: str) -> None:
        """Forbidden for all but owners."""
        if self.role(principal, project_id) != "owner":
            raise Forbidden("Only an owner may")

    def managed(self, principal: Principal, project_id: str) -> None:
        """Forbidden for all but owners with a token that may manage: one for agents, narrowed or read-only, may not."""
        self.owned(principal, project_id)
        manages(principal)

    def place(self, user_id: str, project_id: str, role: Role | None) -> None:
        """Let somebody have that role there in memory, None for none."""
        roles = self.roles.setdefault(user_id, {})
        if role is None:
            roles.pop(project_id, None)
        else:
            roles[project_id] = role

    def told(self) -> None:
        """Somebody may do less than before: whatever is open and rests on it looks again."""
        for listener in self.on_withdrawal:
            listener()

    def seen_by(self, principal: Principal) -> list[str]:
        """Ids of the projects that a token sees."""
        return [i for i in self.roles.get(principal.user_id, {}) if self.sees(principal, i) is not None]

    def visible(self, principal: Principal) -> list[Project]:
        """The projects that the caller sees, by name and then id."""
        mine = self.roles.get(principal.user_id, {})
        seen = [self.known[i] for i in mine if principal.project_ids is None or i in principal.project_ids]
        return sorted(seen, key=lambda project: (project.name.casefold(), project.id))

    def project(self, principal: Principal, project_id: str) -> Project:
        """One project. Forbidden where the caller may not see it."""
        self.role(principal, project_id)
        return self.known[project_id]

    def retention_days(self, project_id: str | None) -> int:
        """For how many days sessions are kept there; what is in no project, or in one that is gone, as by default."""
        project = self.known.get(project_id or "")
        return RETENTION_DAYS if project is None else project.retention_days

    def longest_retention_days(self) -> int:
        """For how many days the longest-kept sessions of this server are kept."""
        return max([RETENTION_DAYS, *(project.retention_days for project in list(self.known.values()))])

    def named(self, principal: Principal, id_or_name: str) -> Project:
        """The visible project with this id, or else with this name. Forbidden for none, Conflict for several."""
        wanted = id_or_name.strip()
        if self.sees(principal, wanted.lower()) is not None:
            return self.known[wanted.lower()]
        seen = self.visible(principal)
        found = [p for p in seen if p.name == wanted]
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
        project = await self.database.write(lambda writer: found(writer, cleaned, principal.user_id, principal))
        self.adopt(project, principal.user_id)
        return project

    def adopt(self, project: Project, owner_id: str) -> None:
        """Take a project that was just committed, with its first owner, into memory."""
        self.known[project.id] = project
        self.roles.setdefault(owner_id, {})[project.id] = "owner"


def manages(principal: Principal) -> None:
    """Forbidden for a token that is read-only or narrowed: those are for agents, which manage no people and projects.

    A narrowed token makes no tokens (design.md 1); an invitation would be a way round that.
    """
    if principal.read_only:
        raise Forbidden("This token is read-only")
    if principal.project_ids is not None:
        raise Forbidden("A token that is narrowed to projects manages neither projects nor people")


def found(writer: Writer, name: str, owner_id: str, by: Principal | None = None) -> Project:
    """Write a new project with its owner, inside the caller's transaction."""
    now: Instant = writer.now
    project = Project(str(uuid_utils.uuid7()), name, now)
    store.add_project(writer, project)
    store.add_member(writer, Membership(project.id, owner_id, "owner"))
    record(writer, [project.id], "project_made", by, About(project.id, owner_id, name, "owner"))
    return project
