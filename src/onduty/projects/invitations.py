"""How people come into a project: an owner makes a link, and whoever opens it first joins."""

from dataclasses import dataclass
from typing import Final

import uuid_utils

from onduty.audit.service import About, record
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.errors import Conflict, Invalid, NotFound
from onduty.identity.service import (
    Identity,
    NewToken,
    Principal,
    keep_token,
    make_token,
    new_secret_for_link,
    new_user,
    secret_digest,
)
from onduty.projects import store
from onduty.projects.model import Invitation, Membership, Role
from onduty.projects.service import Projects, manages

LASTS_MS: Final = 7 * 24 * 3600 * 1000
FIRST_TOKEN: Final = "made on joining"


@dataclass(frozen=True, slots=True)
class Joined:
    """Who joined what. `token` is a new account's first one, told once; None where the account was there."""

    user_id: str
    project_id: str
    token: NewToken | None


@dataclass(slots=True)
class Invitations:
    database: Database
    projects: Projects
    identity: Identity

    async def invite(self, principal: Principal, project_id: str, role: Role) -> tuple[Invitation, str]:
        """A new invitation and its secret, which is told once, counts once and for 7 days. Forbidden for non-owners."""
        self.projects.managed(principal, project_id)
        secret = new_secret_for_link()

        def work(writer: Writer) -> Invitation:
            self.projects.managed(principal, project_id)
            now, made = writer.now, str(uuid_utils.uuid7())
            invitation = Invitation(made, project_id, role, principal.user_id, now, now + LASTS_MS)
            store.add_invitation(writer, secret_digest(secret), invitation)
            record(writer, [project_id], "member_invited", principal, About(made, None, None, role))
            return invitation

        return await self.database.write(work), secret

    async def open(self, principal: Principal, project_id: str) -> list[Invitation]:
        """The invitations that nobody has accepted yet, in no order. Forbidden for all but owners."""
        self.projects.owned(principal, project_id)
        return await self.database.read(lambda reader: store.open_invitations(reader, project_id))

    async def withdraw(self, principal: Principal, project_id: str, invitation_id: str) -> None:
        """Let an invitation count no more. Forbidden for all but owners, NotFound where none is open."""
        self.projects.managed(principal, project_id)

        def work(writer: Writer) -> None:
            invitation = store.withdraw_invitation(writer, project_id, invitation_id)
            if invitation is None:
                raise NotFound("There is no such invitation")
            about = About(invitation_id, None, None, invitation.role)
            record(writer, [project_id], "invitation_withdrawn", principal, about)

        await self.database.write(work)

    async def accept(self, secret: str, name: str, address: str, joining: Principal | None) -> Joined:
        """Spend an invitation: `joining` joins, or where that is None a new account of that name.

        Invalid at `secret` if it is none or was spent, and at `name` where a new account has none; Conflict for who is
        a member already, Forbidden for a token that may not: then nothing is spent.
        """
        if joining is not None:
            manages(joining)

        def work(writer: Writer) -> tuple[Invitation, Principal, NewToken | None]:
            invitation = store.spend_invitation(writer, secret_digest(secret))
            if invitation is None:
                raise Invalid.at("secret", "is not a valid invitation, or it was used or is older than 7 days")
            user, token = (joining, None) if joining is not None else self._new_account(writer, name, address)
            if self.projects.roles.get(user.user_id, {}).get(invitation.project_id) is not None:
                raise Conflict("You are a member of this project already")
            _join(writer, invitation, user, name)
            if token is not None:
                about = About(user.token_id, user.user_id, user.name)
                record(writer, [invitation.project_id], "token_made", user, about)
            return invitation, user, token

        async with self.projects.changing:
            invitation, user, token = await self.database.write(work)
            if token is not None:
                self.identity.adopt(token, name)
            self.projects.place(user.user_id, invitation.project_id, invitation.role)
        return Joined(user.user_id, invitation.project_id, token)

    def _new_account(self, writer: Writer, name: str, address: str) -> tuple[Principal, NewToken]:
        if not name:
            raise Invalid.at("name", "is required for a new account")
        token = make_token(new_user(writer, name), FIRST_TOKEN)
        keep_token(writer, token)
        return token.principal.at(address), token


def _join(writer: Writer, invitation: Invitation, user: Principal, name: str) -> None:
    store.add_member(writer, Membership(invitation.project_id, user.user_id, invitation.role))
    about = About(invitation.id, user.user_id, name or None, invitation.role)
    record(writer, [invitation.project_id], "member_joined", user, about)
