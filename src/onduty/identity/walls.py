"""Browsers that show a project on a wall: each by a token that can do nothing but look at that one project."""

import secrets
from dataclasses import dataclass

from onduty.clock import Instant
from onduty.database.engine import Database
from onduty.errors import Invalid, Unauthenticated
from onduty.identity import store
from onduty.identity.model import RANDOM_BYTES, Principal, digest, new_secret
from onduty.identity.service import Identity


@dataclass(slots=True)
class Walls:
    database: Database
    identity: Identity

    async def open(self, secret: str, now: Instant, address: str) -> str:
        """The cookie of a new wall view by this token. Invalid at `token` if it is none, or could do more than look."""
        try:
            token = self.identity.authenticate(f"Bearer {secret}".encode("latin-1", "replace"), now, address)
        except Unauthenticated:
            raise Invalid.at("token", "is not a valid token, or it was revoked or has expired") from None
        if not token.read_only:
            raise Invalid.at("token", "may write: a wall takes a read-only token")
        if token.project_ids is None or len(token.project_ids) != 1:
            raise Invalid.at("token", "is not narrowed to one project: a wall takes one that is")
        cookie = new_secret(secrets.token_bytes(RANDOM_BYTES))
        await self.database.write(lambda writer: store.add_wall_view(writer, digest(cookie), token.token_id))
        return cookie

    async def look(self, cookie: str, now: Instant) -> Principal | None:
        """Who a wall's cookie speaks for: its token, as long as that is taken. None if it is no wall's, or no more."""
        token_id = await self.database.read(lambda reader: store.wall_view(reader, digest(cookie)))
        token = None if token_id is None else self.identity.token(token_id)
        return None if token is None or token.expired(now) else token
