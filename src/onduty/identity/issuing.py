"""Making tokens for a person who holds one already."""

from collections.abc import Sequence
from dataclasses import dataclass

from onduty.audit.service import About, record
from onduty.clock import Instant
from onduty.database.transaction import Writer
from onduty.errors import Forbidden, Invalid
from onduty.identity.service import Identity, NewToken, Principal, keep_token, make_token, new_link
from onduty.projects.service import Projects


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a token is to be. `project_ids` None: all of the caller's projects; `expires_at` None: never."""

    name: str
    project_ids: Sequence[str] | None = None
    caller_role: str | None = None
    machine_id: str | None = None
    read_only: bool = False
    metrics: bool = False
    expires_at: Instant | None = None


@dataclass(slots=True)
class Issuing:
    identity: Identity
    projects: Projects

    async def create(self, principal: Principal, wanted: Wanted, now: Instant) -> NewToken:
        """Store a new token of the caller's. Forbidden for a narrowed or read-only one, or for a project not seen."""
        may_issue(principal, "tokens")
        if wanted.expires_at is not None and wanted.expires_at <= now:
            raise Invalid.at("expires_at", "must lie in the future")
        for project_id in wanted.project_ids or ():
            self.projects.role(principal, project_id)
        token = make_token(
            principal.user_id,
            wanted.name,
            project_ids=wanted.project_ids,
            read_only=wanted.read_only,
            metrics=wanted.metrics,
            machine_id=wanted.machine_id or None,
            caller_role=wanted.caller_role or None,
            expires_at=wanted.expires_at,
        )
        await self.identity.database.write(lambda writer: self._keep(writer, principal, token))
        self.identity.adopt(token)
        return token

    def _keep(self, writer: Writer, principal: Principal, token: NewToken) -> None:
        made = token.principal
        for project_id in made.project_ids or ():
            # Once more, for the caller may have lost the project while this waited.
            self.projects.role(principal, project_id)
        keep_token(writer, token)
        record(
            writer, self.projects.seen_by(made), "token_made", principal, About(made.token_id, made.user_id, made.name)
        )

    async def sign_in_link(self, principal: Principal) -> str:
        """The secret of a new sign-in link for the caller. Forbidden for a narrowed or read-only token."""
        may_issue(principal, "sign-in links")
        return await self.identity.database.write(lambda writer: new_link(writer, principal.user_id))


def may_issue(principal: Principal, what: str) -> None:
    """Forbidden for a token that is narrowed or read-only: `what` is more than it may itself."""
    if principal.project_ids is not None:
        raise Forbidden(f"A token that is narrowed to projects makes no {what}")
    if principal.read_only:
        raise Forbidden("This token is read-only")
