"""A person's account: the name that others see, and the e-mail address and password that sign them in."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from onduty.audit.service import About, record
from onduty.cleaning import NAME, text
from onduty.clock import Instant
from onduty.database.engine import Database
from onduty.database.transaction import Reader, Writer
from onduty.errors import Conflict, Forbidden, Invalid, Unauthenticated
from onduty.identity import store
from onduty.identity.browsers import end_browsers
from onduty.identity.model import Account, Browser, Place, email_of, folded
from onduty.identity.passwords import Hashing, chosen
from onduty.identity.service import Identity, Principal


@dataclass(frozen=True, slots=True)
class Profile:
    """What a person sees of their account. `proven`: a link signed them in lately, so no password is asked for."""

    name: str
    email: str | None
    proven: bool


@dataclass(frozen=True, slots=True)
class Change:
    """How somebody wants to sign in from now on; None leaves it as it is. `present` is the password until then."""

    email: str | None = None
    password: str | None = None
    present: str = ""


@dataclass(slots=True)
class Accounts:
    database: Database
    identity: Identity
    hashing: Hashing = field(default_factory=Hashing)

    async def sign_in(self, email: str, password: str, place: Place) -> str:
        """A new browser session's cookie value. Invalid, the same and after the same work, whatever does not fit."""
        account = await self.database.read(lambda reader: store.account_by_email(reader, folded(email)))
        kept = None if account is None else account.password_hash
        if not await self.hashing.is_of(kept, password) or account is None or kept is None:
            raise _no_such_pair()
        fresh = await self.hashing.hashed(password) if self.hashing.is_old(kept) else kept

        def work(writer: Writer) -> str:
            # Once more, for the password may have been changed while this was compared.
            if account.email is None or not store.set_account(writer, account, account.email, fresh):
                raise _no_such_pair()
            return self.identity.let_in(writer, account.user_id, place, by_password=True)

        return await self.database.write(work)

    async def profile(self, principal: Principal, now: Instant) -> Profile:
        """What the caller sees of their account. Unauthenticated where their browser session has just ended."""

        def work(reader: Reader) -> tuple[Account, Browser]:
            return store.account(reader, principal.user_id), _browser(reader, principal)

        account, browser = await self.database.read(work)
        return Profile(self.identity.name_of(principal.user_id), account.email, browser.proves(now))

    async def rename(self, principal: Principal, name: str) -> None:
        """Have the others know the caller by another name. Invalid at `name`."""
        cleaned = text(name, "name", NAME, required=True)

        def work(writer: Writer) -> None:
            store.set_name(writer, principal.user_id, cleaned)
            about = About(principal.user_id, principal.user_id, cleaned)
            record(writer, self.identity.projects_of(principal), "member_renamed", principal, about)

        await self.database.write(work)
        self.identity.call(principal.user_id, cleaned)

    async def change(self, principal: Principal, wanted: Change, now: Instant) -> None:
        """Sign in by another address or password; after the latter by no other browser session any more.

        The present password is asked for unless a link signed the caller in lately; where there is none, only that
        will do: Forbidden. Invalid at `present`, `email` and `password`, Conflict where it was changed meanwhile.
        """
        before, browser = await self.database.read(
            lambda reader: (store.account(reader, principal.user_id), _browser(reader, principal))
        )
        email, password = _checked(before, wanted)
        if not browser.proves(now):
            await self._ask_for_present(before, wanted.present)
        kept = before.password_hash if password is None else await self.hashing.hashed(password)
        assert kept is not None  # _checked asked for one.

        def work(writer: Writer) -> Sequence[bytes]:
            _browser(writer, principal)
            owner = store.account_by_email(writer, email)
            if owner is not None and owner.user_id != principal.user_id:
                raise Invalid.at("email", "must be another one: this cannot be used here")
            if not store.set_account(writer, before, email, kept):
                raise Conflict("Your account has just been changed elsewhere")
            return self._noted(writer, principal, email != before.email, password is not None)

        self.identity.signed_out(await self.database.write(work))

    async def _ask_for_present(self, account: Account, present: str) -> None:
        if account.password_hash is None:
            raise Forbidden("Sign in by a new link first: without a password, only that shows that it is you")
        if not await self.hashing.is_of(account.password_hash, present):
            raise Invalid.at("present", "must be your present password")

    def _noted(self, writer: Writer, by: Principal, is_other_email: bool, is_other_password: bool) -> Sequence[bytes]:
        """Note what was changed, and end what a new password ends."""
        projects, about = list(self.identity.projects_of(by)), About(by.user_id, by.user_id)
        if is_other_email:
            record(writer, projects, "email_changed", by, about)
        if not is_other_password:
            return []
        record(writer, projects, "password_changed", by, about)
        return end_browsers(writer, self.identity, by, lambda browser: browser.id != by.browser_id)


def _no_such_pair() -> Invalid:
    return Invalid.at("password", "does not belong to this e-mail address")


def _browser(reader: Reader, principal: Principal) -> Browser:
    found = store.browsers_of(reader, principal.user_id).values()
    for browser in found:
        if browser.id == principal.browser_id:
            return browser
    raise Unauthenticated("You are signed out")


def _checked(before: Account, wanted: Change) -> tuple[str, str | None]:
    """The address and, where that changes, the password in force from now on. Invalid at each that will not do."""
    wrong: list[tuple[str, str]] = []
    email, password = before.email or "", None
    try:
        if wanted.email is not None or before.email is None:
            email = email_of(wanted.email or "")
    except Invalid as problem:
        wrong += problem.fields
    try:
        if wanted.password is not None or before.password_hash is None:
            password = chosen(wanted.password or "")
    except Invalid as problem:
        wrong += problem.fields
    if wrong:
        raise Invalid.of(wrong)
    return email, password
