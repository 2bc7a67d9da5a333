"""The people of a project: who they are, what they may from now on, and how they leave."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from onduty.audit.service import About, Act, record
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.errors import Conflict, Forbidden, NotFound
from onduty.identity.service import Identity, Principal
from onduty.projects import store
from onduty.projects.model import Membership, Role, may_act, rank
from onduty.projects.service import Projects, manages
from onduty.sessions.service import AgentSession, Sessions, revoke

_NO_MEMBER = "There is no such member"


@dataclass(slots=True)
class Members:
    database: Database
    projects: Projects
    identity: Identity
    sessions: Sessions

    def all(self, principal: Principal, project_id: str) -> list[tuple[Membership, str]]:
        """The members of a project with their names, in no order. Forbidden where the caller may not see it."""
        self.projects.role(principal, project_id)
        found = ((user_id, roles.get(project_id)) for user_id, roles in self.projects.roles.items())
        return [(Membership(project_id, i, role), self.identity.name_of(i)) for i, role in found if role is not None]

    def one(self, principal: Principal, project_id: str, user_id: str) -> tuple[Membership, str]:
        """One member with their name. Forbidden where the caller may not see the project, NotFound."""
        self.projects.role(principal, project_id)
        return Membership(project_id, user_id, self._role(project_id, user_id)), self.identity.name_of(user_id)

    async def change(self, principal: Principal, project_id: str, user_id: str, role: Role) -> None:
        """Give a member another role; as a viewer they lose their sessions there. Refused as by `may_change`."""
        self.may_change(principal, project_id, user_id, role)
        async with self.projects.changing:
            # Once more: who asked may have been lowered while this waited.
            before = self.may_change(principal, project_id, user_id, role)
            if before == role:
                return
            after = Membership(project_id, user_id, role)

            def work(writer: Writer) -> Sequence[AgentSession]:
                if not store.set_role(writer, after, before):
                    raise Conflict("Somebody else has just changed this member")
                act: Act = "member_raised" if rank(role) > rank(before) else "member_lowered"
                return self._noted(writer, principal, act, after)

            async with self._lowered(project_id, user_id, before, role):
                ended = await self.database.write(work)
        self._done(ended)

    async def remove(self, principal: Principal, project_id: str, user_id: str) -> None:
        """Remove a member, or leave: their sessions there end. Refused as by `may_remove`."""
        self.may_remove(principal, project_id, user_id)
        async with self.projects.changing:
            before = self.may_remove(principal, project_id, user_id)
            leaves = principal.user_id == user_id

            def work(writer: Writer) -> Sequence[AgentSession]:
                store.remove_member(writer, project_id, user_id)
                gone = Membership(project_id, user_id, before)
                return self._noted(writer, principal, "member_left" if leaves else "member_removed", gone, gone=True)

            async with self._lowered(project_id, user_id, before, None):
                ended = await self.database.write(work)
        self._done(ended)

    def may_change(self, principal: Principal, project_id: str, user_id: str, role: Role) -> Role:
        """The role that the member has now, where the caller may give them this one. Conflict for the last owner.

        Forbidden for all but owners, NotFound for who is no member.
        """
        self.projects.managed(principal, project_id)
        before = self._role(project_id, user_id)
        if before != role:
            self._not_the_last_owner(project_id, before)
        return before

    def may_remove(self, principal: Principal, project_id: str, user_id: str) -> Role:
        """The member's role, where the caller may remove them. Conflict for the last owner.

        Forbidden for who is neither owner nor that member, NotFound for who is no member.
        """
        role = self.projects.role(principal, project_id)
        manages(principal)
        if role != "owner" and principal.user_id != user_id:
            raise Forbidden("Only an owner may remove others")
        before = self._role(project_id, user_id)
        self._not_the_last_owner(project_id, before)
        return before

    def _role(self, project_id: str, user_id: str) -> Role:
        role = self.projects.roles.get(user_id, {}).get(project_id)
        if role is None:
            raise NotFound(_NO_MEMBER)
        return role

    def _not_the_last_owner(self, project_id: str, before: Role) -> None:
        owners = sum(roles.get(project_id) == "owner" for roles in self.projects.roles.values())
        if before == "owner" and owners == 1:
            raise Conflict("The last owner can neither leave nor be lowered: make somebody else an owner first")

    def _noted(
        self, writer: Writer, principal: Principal, act: Act, after: Membership, *, gone: bool = False
    ) -> Sequence[AgentSession]:
        """What follows from a change of a member, and its entry: the sessions that ended by it."""
        project_id, user_id = after.project_id, after.user_id
        about = About(user_id, user_id, self.identity.name_of(user_id), after.role)
        record(writer, [project_id], act, principal, about)
        if gone or after.role != "owner":
            store.withdraw_invitations_by(writer, project_id, user_id)
        if gone or not may_act(after.role, read_only=False):
            return revoke(writer, user_id, project_id=project_id)
        return []

    @asynccontextmanager
    async def _lowered(self, project_id: str, user_id: str, before: Role, after: Role | None) -> AsyncIterator[None]:
        """Less counts before it is written, so that nothing slips in between; more counts once it is written."""
        if after is None or rank(after) < rank(before):
            self.projects.place(user_id, project_id, after)
        try:
            yield
        except BaseException:
            self.projects.place(user_id, project_id, before)
            raise
        self.projects.place(user_id, project_id, after)

    def _done(self, ended: Sequence[AgentSession]) -> None:
        self.sessions.adopt(ended)
        self.projects.told()
