"""Changing a project, and taking it away with everything: from everybody at once, from the disk in small portions."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from onduty.audit.service import About, Act, record, remove
from onduty.background import Wake
from onduty.cleaning import NAME, text
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.errors import Invalid, Problem
from onduty.identity.service import Principal
from onduty.projects import store
from onduty.projects.model import LEAST_DAYS, MOST_DAYS, Change, Project, Role
from onduty.projects.service import Projects
from onduty.sessions.service import remove_some

# So few that other writers hardly notice.
_SESSIONS_AT_ONCE: Final = 50
_AGAIN_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Owning:
    """What only an owner does to a project as a whole."""

    database: Database
    projects: Projects
    wake: Wake | None = field(default=None)

    async def change(self, principal: Principal, project_id: str, change: Change) -> Project:
        """Change what is named. Forbidden for all but owners, Invalid at `name` or `retention_days`."""
        self.projects.managed(principal, project_id)
        wanted = _cleaned(change)

        def work(writer: Writer) -> Project:
            before = self.projects.known[project_id]
            after = replace(before, **wanted)
            store.change(writer, after)
            for act, name in _acts(before, after):
                record(writer, [project_id], act, principal, About(project_id, None, name))
            return after

        async with self.projects.changing:
            self.projects.managed(principal, project_id)
            project = self.projects.known[project_id] = await self.database.write(work)
        return project

    async def delete(self, principal: Principal, project_id: str) -> None:
        """Take a project away, with everything. Nobody sees it once this returns. Forbidden for all but owners."""
        self.projects.managed(principal, project_id)
        async with self.projects.changing:
            self.projects.managed(principal, project_id)
            # From here on nobody sees it, so that nothing is added to what is being taken away.
            project, roles = self._taken(project_id)
            try:
                await self.database.write(lambda writer: store.begin_deletion(writer, project_id))
            except BaseException:
                self._given_back(project, roles)
                raise
        self._forgotten(project_id)
        if self.wake is not None:
            self.wake.notify()

    def _taken(self, project_id: str) -> tuple[Project, dict[str, Role]]:
        roles = {user: theirs.pop(project_id) for user, theirs in self.projects.roles.items() if project_id in theirs}
        return self.projects.known.pop(project_id), roles

    def _given_back(self, project: Project, roles: dict[str, Role]) -> None:
        self.projects.known[project.id] = project
        for user_id, role in roles.items():
            self.projects.place(user_id, project.id, role)

    def _forgotten(self, project_id: str) -> None:
        for listener in self.projects.on_deletion:
            listener(project_id)
        self.projects.told()

    async def run(self, wake: Wake) -> None:
        """The loop that removes what belongs to deleted projects; one that was stopped goes on after the next start."""
        self.wake = wake
        while await wake.wait(_AGAIN_SECONDS):
            try:
                await self.remove_deleted(wake)
            except Problem as problem:
                _log.warning("what is left of deleted projects cannot be removed: %s", problem.message)

    async def remove_deleted(self, wake: Wake) -> None:
        """Remove what is left of deleted projects, with others' writes in between."""
        for project_id in await self.database.read(store.deleted_projects):
            while await self.database.write(partial(_remove_some, project_id)):
                if wake.stopping:
                    return
            await self.database.write(partial(_end, project_id))
            self._forgotten(project_id)


def _cleaned(change: Change) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if change.name is not None:
        wanted["name"] = text(change.name, "name", NAME, required=True)
    if change.retention_days is not None:
        if not LEAST_DAYS <= change.retention_days <= MOST_DAYS:
            raise Invalid.at("retention_days", f"must be from {LEAST_DAYS} to {MOST_DAYS}")
        wanted["retention_days"] = change.retention_days
    return wanted


def _acts(before: Project, after: Project) -> Iterator[tuple[Act, str]]:
    """What the audit log says of a change, each with what it is from now on."""
    if after.name != before.name:
        yield "project_renamed", after.name
    if after.retention_days != before.retention_days:
        yield "retention_changed", f"{after.retention_days} day" + ("s" if after.retention_days != 1 else "")


def _remove_some(project_id: str, writer: Writer) -> int:
    return remove_some(writer, project_id, _SESSIONS_AT_ONCE)


def _end(project_id: str, writer: Writer) -> None:
    remove(writer, project_id)
    store.end_deletion(writer, project_id)
