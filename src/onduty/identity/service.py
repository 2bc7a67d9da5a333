"""Who is asking. Tokens stand in memory, by digest, so that asking touches no database."""

import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import uuid_utils

from onduty.audit.service import About, Act, record
from onduty.background import Wake
from onduty.clock import Instant
from onduty.database.engine import Database
from onduty.database.transaction import Reader, Writer
from onduty.errors import Invalid, Problem, Unauthenticated, Unavailable
from onduty.identity import store
from onduty.identity.model import (
    ALL_MS,
    IDLE_MS,
    RANDOM_BYTES,
    Browser,
    Place,
    Principal,
    digest,
    digest_of,
    new_secret,
    new_token,
)

__all__ = [
    "Identity",
    "NewToken",
    "Principal",
    "any_user",
    "keep_token",
    "make_token",
    "new_link",
    "new_secret_for_link",
    "new_user",
    "secret_digest",
    "sign_in_link",
]

LINK_MS = 15 * 60 * 1000
_SEEN_EVERY_MS = 60_000
_USES_SECONDS = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NewToken:
    """What a token is made of; `secret` is told once."""

    principal: Principal
    secret: str


@dataclass(slots=True)
class Identity:
    database: Database
    _tokens: dict[bytes, Principal] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _used: dict[str, Instant] = field(default_factory=dict)
    _writing: dict[str, Instant] = field(default_factory=dict)
    # Tokens that nobody has used yet, and first uses that are not written yet.
    unused: set[str] = field(default_factory=set)
    _first: dict[str, tuple[Principal, list[str]]] = field(default_factory=dict)
    # Ids of tokens that were revoked since the start: what such a token began goes no further.
    withdrawn: set[str] = field(default_factory=set)
    projects_of: Callable[[Principal], Iterable[str]] = lambda _: ()
    # Told which browser session is over, by its digest.
    on_sign_out: list[Callable[[bytes], None]] = field(default_factory=list)
    _wake: Wake | None = None

    async def load(self) -> None:
        """Read every valid token and user name; once, before the server answers."""

        def work(reader: Reader) -> tuple[list[store.StoredToken], dict[str, str]]:
            return store.valid_tokens(reader), store.user_names(reader)

        tokens, self._names = await self.database.read(work)
        self._tokens = {token.digest: token.principal for token in tokens}
        self.unused = {token.principal.token_id for token in tokens if not token.is_used}

    def authenticate(self, authorization: bytes | None, now: Instant, address: str | None = None) -> Principal:
        """Who an Authorization header's value speaks for, from where. Unauthenticated, whatever the reason, if nobody.

        Without an address nothing is noted of a first use: whoever asks without calls `use_first`.
        """
        key = None if authorization is None else digest_of(authorization)
        principal = None if key is None else self._tokens.get(key)
        if principal is None or principal.expired(now):
            raise Unauthenticated
        self._used[principal.token_id] = now
        if address is None:
            return principal
        principal = principal.at(address)
        if principal.token_id in self.unused:
            self.use_first(principal)
        return principal

    def use_first(self, principal: Principal) -> None:
        """Note that a token is used for the first time, with where that came from; written soon."""
        self.unused.discard(principal.token_id)
        self._first[principal.token_id] = (principal, list(self.projects_of(principal)))
        if self._wake is not None:
            self._wake.notify()

    def name_of(self, user_id: str) -> str:
        """A user's name, for showing."""
        return self._names.get(user_id, user_id)

    def call(self, user_id: str, name: str) -> None:
        """Know somebody by another name, which was just committed."""
        self._names[user_id] = name

    def adopt(self, token: NewToken, user_name: str | None = None) -> None:
        """Take a token that was just committed into memory, with its user's name where that is new."""
        self._tokens[digest(token.secret)] = token.principal
        self.unused.add(token.principal.token_id)
        if user_name is not None:
            self._names[token.principal.user_id] = user_name

    def tokens_of(self, user_id: str) -> list[Principal]:
        """The user's tokens that are not revoked, in no order."""
        return [principal for principal in self._tokens.values() if principal.user_id == user_id]

    def token(self, token_id: str) -> Principal | None:
        """The token with this id, None where it is revoked."""
        return next((principal for principal in self._tokens.values() if principal.token_id == token_id), None)

    def withdraw(self, token_id: str) -> Callable[[], None]:
        """Take a token no more, from this moment on. What is answered takes that back, where it comes to nothing."""
        key = next(key for key, principal in self._tokens.items() if principal.token_id == token_id)
        principal = self._tokens.pop(key)
        self.withdrawn.add(token_id)

        def restore() -> None:
            self._tokens[key] = principal
            self.withdrawn.discard(token_id)

        return restore

    def forget_project(self, project_id: str) -> None:
        """A project is gone: a token that was narrowed to it sees one less."""
        for key, principal in self._tokens.items():
            if principal.project_ids is not None and project_id in principal.project_ids:
                self._tokens[key] = replace(principal, project_ids=principal.project_ids - {project_id})

    def last_uses(self) -> dict[str, Instant]:
        """Last uses that may not be written yet, by token id."""
        return self._writing | self._used

    async def run(self, wake: Wake) -> None:
        """The loop that writes, behind, when each token was last used; a first use soon, with where it came from."""
        self._wake = wake
        while await wake.wait(_USES_SECONDS):
            await self._write_uses()
        await self._write_uses()

    async def _write_uses(self) -> None:
        used, self._used = self._used, {}
        self._writing = used
        first, self._first = self._first, {}
        if not used:
            return

        def work(writer: Writer) -> None:
            store.set_last_use(writer, used)
            for principal, project_ids in first.values():
                about = About(principal.token_id, principal.user_id, principal.name)
                record(writer, project_ids, "token_used_first", principal, about)

        try:
            await self.database.write(work)
        except Problem as problem:
            self._used, self._first = used | self._used, first | self._first
            _log.warning("last uses of tokens cannot be written: %s", problem.message)
        finally:
            self._writing = {}

    async def sign_in_by_link(self, secret: str, place: Place) -> str:
        """Spend a sign-in link for a new browser session's cookie value. Invalid at `secret` if it is none."""

        def work(writer: Writer) -> str | None:
            user_id = store.spend_link(writer, digest(secret))
            return None if user_id is None else self.let_in(writer, user_id, place, by_password=False)

        cookie = await self.database.write(work)
        if cookie is None:
            raise Invalid.at("secret", "is not a valid sign-in link, or it was used or is older than 15 minutes")
        return cookie

    def let_in(self, writer: Writer, user_id: str, place: Place, *, by_password: bool) -> str:
        """Begin a browser session, inside the caller's transaction; the answer is its cookie value."""
        cookie = new_secret(secrets.token_bytes(RANDOM_BYTES))
        browser = Browser(str(uuid_utils.uuid7()), user_id, place, by_password, writer.now, writer.now)
        store.forget_browsers(writer, user_id, writer.now - IDLE_MS, writer.now - ALL_MS)
        store.add_browser(writer, digest(cookie), browser)
        by = self._principal(browser).at(place.address)
        act: Act = "signed_in_by_password" if by_password else "signed_in_by_link"
        record(writer, self.projects_of(by), act, by, About(browser.id, user_id, place.browser))
        return cookie

    async def browser(self, cookie: str, now: Instant, address: str | None = None) -> Principal | None:
        """Who a browser's cookie speaks for: its user, with all that they may. None if it is no session, or too old.

        `address` is where it asks from, for its user to see.
        """
        key = digest(cookie)
        found = await self.database.read(lambda reader: store.browser(reader, key))
        if found is None or found.is_over(now):
            return None
        if now - found.last_seen_at > _SEEN_EVERY_MS:
            try:
                await self.database.write(lambda writer: store.see_browser(writer, key, address))
            except Unavailable:
                pass  # Looking on needs nothing written.
        principal = self._principal(found)
        return principal if address is None else principal.at(address)

    def _principal(self, browser: Browser) -> Principal:
        name = self.name_of(browser.user_id)
        return Principal(token_id="", public_id="", user_id=browser.user_id, name=name, browser_id=browser.id)

    async def sign_out(self, cookie: str) -> None:
        """End a browser session; an unknown one is no error."""
        key = digest(cookie)
        await self.database.write(lambda writer: store.end_browsers(writer, [key]))
        self.signed_out([key])

    def signed_out(self, keys: Iterable[bytes]) -> None:
        """Browser sessions are over, by the digests of their cookies: what they have open ends."""
        for key in keys:
            for listener in self.on_sign_out:
                listener(key)


def make_token(  # noqa: PLR0913 - each is a property of a token
    user_id: str,
    name: str,
    *,
    project_ids: Iterable[str] | None = None,
    read_only: bool = False,
    metrics: bool = False,
    machine_id: str | None = None,
    caller_role: str | None = None,
    expires_at: Instant | None = None,
) -> NewToken:
    """A token that nobody has stored yet."""
    principal = Principal(
        token_id=str(uuid_utils.uuid7()),
        public_id=secrets.token_hex(4),
        user_id=user_id,
        name=name,
        project_ids=None if project_ids is None else frozenset(project_ids),
        read_only=read_only,
        metrics=metrics,
        machine_id=machine_id,
        caller_role=caller_role,
        expires_at=expires_at,
    )
    return NewToken(principal, new_token(secrets.token_bytes(RANDOM_BYTES)))


def keep_token(writer: Writer, token: NewToken) -> None:
    """Store a token, inside the caller's transaction."""
    store.add_token(writer, digest(token.secret), token.principal)


def new_user(writer: Writer, name: str) -> str:
    """Store a user, inside the caller's transaction; the answer is the id."""
    user_id = str(uuid_utils.uuid7())
    store.add_user(writer, user_id, name)
    return user_id


async def sign_in_link(identity: Identity, user_id: str) -> str:
    """A sign-in link's secret for a user who has just proven who they are."""
    return await identity.database.write(lambda writer: new_link(writer, user_id))


def new_secret_for_link() -> str:
    """A secret that nobody has stored yet."""
    return new_secret(secrets.token_bytes(RANDOM_BYTES))


def secret_digest(secret: str) -> bytes:
    """What is stored of a secret."""
    return digest(secret)


def new_link(writer: Writer, user_id: str) -> str:
    """A sign-in link's secret, good for 15 minutes and one use, stored inside the caller's transaction."""
    secret = new_secret(secrets.token_bytes(RANDOM_BYTES))
    store.add_link(writer, digest(secret), user_id, writer.now + LINK_MS)
    return secret


def any_user(reader: Reader) -> bool:
    """Whether this database has an account; without one it is a first start."""
    return store.count_users(reader) > 0
