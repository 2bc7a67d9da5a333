"""Signing a machine in without pasting a secret: a one-time code that becomes a token there."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from onduty.audit.service import About, record
from onduty.clock import Instant
from onduty.database.transaction import Writer
from onduty.errors import Invalid
from onduty.identity import store
from onduty.identity.issuing import may_issue
from onduty.identity.service import Identity, NewToken, Principal, keep_token, make_token
from onduty.projects.service import Projects

LASTS_MS: Final = 10 * 60 * 1000
REDEEMED_A_MINUTE: Final = 10
# Crockford's base 32: no letter that is read as a digit. 40 bits, for ten minutes and ten tries a minute.
_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS: Final = str.maketrans("OIL", "011", " -")
_LENGTH: Final = 8


@dataclass(slots=True)
class Pairing:
    identity: Identity
    projects: Projects

    async def code(self, principal: Principal) -> tuple[str, Instant]:
        """A new code and until when it counts. Forbidden for a narrowed or read-only token."""
        may_issue(principal, "pairing codes")
        letters = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))

        def work(writer: Writer) -> Instant:
            store.add_link(writer, _digest(letters), principal.user_id, writer.now + LASTS_MS)
            return writer.now + LASTS_MS

        until = await self.identity.database.write(work)
        return f"{letters[:4]}-{letters[4:]}", until

    async def redeem(self, code: str, machine_id: str, address: str) -> NewToken:
        """Spend a code for a token whose default is that machine. Invalid at `code` if it is none."""
        letters = code.upper().translate(_READ_AS)

        def work(writer: Writer) -> NewToken:
            user_id = store.spend_link(writer, _digest(letters))
            if user_id is None:
                raise Invalid.at("code", "is not a valid pairing code, or it was used or is older than 10 minutes")
            token = make_token(user_id, f"paired: {machine_id}", machine_id=machine_id)
            keep_token(writer, token)
            made = token.principal
            about = About(made.token_id, made.user_id, made.name)
            record(writer, self.projects.seen_by(made), "token_made", made.at(address), about)
            return token

        token = await self.identity.database.write(work)
        self.identity.adopt(token)
        return token


def _digest(letters: str) -> bytes:
    # It stands among the sign-in links and is never taken for one: no text that a request brings has a NUL.
    return hashlib.sha256(b"\0pairing\0" + letters.encode("utf-8", "surrogatepass")).digest()
