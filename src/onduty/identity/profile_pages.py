"""Pages of one's own settings: the profile, and the browsers that are signed in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from onduty.clock import rfc3339
from onduty.errors import Conflict, Forbidden, Invalid, Problem, RateLimited
from onduty.identity.accounts import Accounts, Change
from onduty.identity.asking import Now, SignedIn
from onduty.identity.browsers import Browsers
from onduty.identity.pages import count_try
from onduty.identity.service import Principal
from onduty.web.forms import form
from onduty.web.layout import PageRoute, go_to, page, zone_of
from onduty.wording import ago_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_SAVED: Final = {
    "name": "Your name is saved.",
    "email": "Your e-mail address is saved.",
    "password": "Your password is saved. Your other browsers are signed out.",
    "both": "Saved. Your e-mail address and password sign you in from now on, in any browser.",
}
_ENDED: Final = {"one": "That browser is signed out.", "others": "All other browsers are signed out."}


def _accounts(request: Request) -> Accounts:
    room: Accounts = request.app.state.accounts
    return room


def _browsers(request: Request) -> Browsers:
    room: Browsers = request.app.state.browsers
    return room


AccountsRoom = Annotated[Accounts, Depends(_accounts)]
BrowsersRoom = Annotated[Browsers, Depends(_browsers)]


@dataclass(frozen=True, slots=True)
class Tried:
    """A form that was refused: which, what was typed into it, and what is wrong."""

    which: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    problem: Problem | None = None

    def wrong(self, which: str, path: str) -> str | None:
        """What stands under a field of a form; for the path `""` under the form as a whole."""
        if self.problem is None or self.which != which:
            return None
        by_path = dict(self.problem.fields) or {"": self.problem.message}
        words = by_path.get(path, "")
        return f"{words[0].upper()}{words[1:]}." if words else None


async def _profile(request: Request, me: Principal, tried: Tried, saved: str | None = None) -> Response:
    accounts, now = _accounts(request), request.scope["onduty.now"]
    profile = await accounts.profile(me, now)
    status = tried.problem.status if tried.problem else 200
    words: dict[str, Any] = {"profile": profile, "tried": tried, "saved": saved}
    answer = page(request, "profile.html", status=status, me=me.name, place="", **words)
    answer.headers.update(tried.problem.headers if tried.problem else {})
    return answer


@router.get("/settings")
async def show_profile(request: Request, me: SignedIn, saved: Annotated[str, Query()] = "") -> Response:
    return await _profile(request, me, Tried(), _SAVED.get(saved))


@router.post("/settings")
async def change_profile(request: Request, now: Now, me: SignedIn, room: AccountsRoom) -> Response:
    """One of the page's forms, which names itself by its button's `change`."""
    fields = await form(request)
    which = fields.get("change", "")
    try:
        if which == "name":
            await room.rename(me, fields.get("name", ""))
        else:
            count_try(request, now)
            await room.change(me, _wanted(which, fields), now)
    except (Conflict, Forbidden, Invalid, RateLimited) as problem:
        return await _profile(request, me, Tried(which, fields, problem))
    return go_to(f"/settings?saved={which}")


def _wanted(which: str, fields: Mapping[str, str]) -> Change:
    if which not in ("email", "password", "both"):
        raise Invalid.at("change", "must name one of this page's forms")
    email = None if which == "password" else fields.get("email", "")
    password = None if which == "email" else fields.get("password", "")
    return Change(email, password, fields.get("present", ""))


@router.get("/settings/browsers")
async def show_browsers(
    request: Request, now: Now, me: SignedIn, room: BrowsersRoom, ended: Annotated[str, Query()] = ""
) -> Response:
    zone = zone_of(request) or UTC
    rows = [
        {
            "id": browser.id,
            "is_this": browser.id == me.browser_id,
            "name": browser.place.browser,
            "address": browser.place.address,
            "by": "password" if browser.by_password else "one-time link",
            "since": rfc3339(browser.created_at),
            "since_words": ago_of(rfc3339(browser.created_at), now, zone),
            "seen": rfc3339(browser.last_seen_at),
            "seen_words": ago_of(rfc3339(browser.last_seen_at), now, zone),
        }
        for browser in await room.all(me, now)
    ]
    return page(request, "browsers.html", me=me.name, place="browsers", browsers=rows, ended=_ENDED.get(ended))


@router.post("/settings/browsers")
async def end_browsers(request: Request, me: SignedIn, room: BrowsersRoom) -> Response:
    """End the browser session that `end` names, or all `others`."""
    chosen = (await form(request)).get("end", "")
    if chosen == "others":
        await room.end_others(me)
        return go_to("/settings/browsers?ended=others")
    await room.end(me, chosen)
    return go_to("/settings/browsers?ended=one")
