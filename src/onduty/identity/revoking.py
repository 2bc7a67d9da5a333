"""A person's own tokens: which there are, when each was last used, and how one is taken back."""

from collections.abc import Sequence
from dataclasses import dataclass

from onduty.audit.service import About, record
from onduty.clock import Instant
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.errors import Forbidden, NotFound
from onduty.identity import store
from onduty.identity.model import Principal
from onduty.identity.service import Identity
from onduty.projects.service import Projects
from onduty.sessions.service import AgentSession, Sessions, revoke


@dataclass(frozen=True, slots=True)
class Listed:
    """A token as its owner sees it in a list, without its secret."""

    principal: Principal
    created_at: Instant
    last_used_at: Instant | None


@dataclass(slots=True)
class Tokens:
    database: Database
    identity: Identity
    projects: Projects
    sessions: Sessions

    async def others(self, principal: Principal) -> list[Listed]:
        """The caller's tokens but for the one that asks, in no order. Forbidden for a narrowed one."""
        if principal.project_ids is not None:
            raise Forbidden("A token that is narrowed to projects sees no tokens")
        # Before the database is asked: what is not here any more is there by then.
        fresh = self.identity.last_uses()
        uses = await self.database.read(lambda reader: store.uses(reader, principal.user_id))
        found = []
        for token in self.identity.tokens_of(principal.user_id):
            if token.token_id != principal.token_id and token.token_id in uses:
                created_at, last_used_at = uses[token.token_id]
                found.append(Listed(token, created_at, fresh.get(token.token_id, last_used_at)))
        return found

    async def revoke(self, principal: Principal, token_id: str) -> None:
        """Take a token of the caller's back: it counts no more once this returns, and its sessions end.

        NotFound for one that is not the caller's, Forbidden for the token that asks and for one that is narrowed or
        read-only.
        """
        _may_revoke(principal, token_id)
        async with self.projects.changing:
            token = next((t for t in self.identity.tokens_of(principal.user_id) if t.token_id == token_id), None)
            if token is None or principal.token_id in self.identity.withdrawn:
                raise NotFound("There is no such token")
            ended = await self._revoke(principal, token)
        self.sessions.adopt(ended)
        self.projects.told()

    async def sign_out(self, principal: Principal) -> None:
        """Take back the very token that asks, whatever it may else: its sessions end with it."""
        async with self.projects.changing:
            if principal.token_id in self.identity.withdrawn:
                raise NotFound("There is no such token")
            ended = await self._revoke(principal, principal)
        self.sessions.adopt(ended)
        self.projects.told()

    async def _revoke(self, principal: Principal, token: Principal) -> Sequence[AgentSession]:
        sees = self.projects.seen_by(token)

        def work(writer: Writer) -> Sequence[AgentSession]:
            store.revoke(writer, token.token_id)
            about = About(token.token_id, token.user_id, token.name)
            record(writer, sees, "token_revoked", principal, about)
            return revoke(writer, token.user_id, token_id=token.token_id)

        # It is taken no more before that is written, so that nothing slips in between.
        restore = self.identity.withdraw(token.token_id)
        try:
            return await self.database.write(work)
        except BaseException:
            restore()
            raise


def _may_revoke(principal: Principal, token_id: str) -> None:
    if principal.project_ids is not None:
        raise Forbidden("A token that is narrowed to projects revokes no tokens")
    if principal.read_only:
        raise Forbidden("This token is read-only")
    if principal.token_id == token_id:
        raise Forbidden("A token does not revoke itself")
