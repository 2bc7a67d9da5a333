"""A person's browser sessions: which there are, and how one is ended from another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onduty.audit.service import About, record
from onduty.clock import Instant
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.errors import NotFound
from onduty.identity import store
from onduty.identity.model import Browser
from onduty.identity.service import Identity, Principal


@dataclass(slots=True)
class Browsers:
    database: Database
    identity: Identity

    async def all(self, principal: Principal, now: Instant) -> list[Browser]:
        """The caller's browser sessions, the one that asks first, then the one that was seen last."""
        found = await self.database.read(lambda reader: store.browsers_of(reader, principal.user_id))
        lasting = [browser for browser in found.values() if not browser.is_over(now)]
        return sorted(lasting, key=lambda each: (each.id != principal.browser_id, -each.last_seen_at, each.id))

    async def end(self, principal: Principal, browser_id: str) -> None:
        """End one of the caller's, from its next request on. NotFound where there is none."""
        if not await self._end(principal, lambda browser: browser.id == browser_id):
            raise NotFound("There is no such browser session")

    async def end_others(self, principal: Principal) -> None:
        """End all of the caller's but the one that asks, from their next request on."""
        await self._end(principal, lambda browser: browser.id != principal.browser_id)

    async def _end(self, principal: Principal, meant: Callable[[Browser], bool]) -> Sequence[bytes]:
        ended = await self.database.write(lambda writer: end_browsers(writer, self.identity, principal, meant))
        self.identity.signed_out(ended)
        return ended


def end_browsers(
    writer: Writer, identity: Identity, by: Principal, meant: Callable[[Browser], bool]
) -> Sequence[bytes]:
    """End those of the person's browser sessions, inside the caller's transaction; the digests of their cookies."""
    ended = {key: each for key, each in store.browsers_of(writer, by.user_id).items() if meant(each)}
    store.end_browsers(writer, list(ended))
    for browser in ended.values():
        about = About(browser.id, by.user_id, browser.place.browser)
        record(writer, identity.projects_of(by), "browser_ended", by, about)
    return list(ended)
