"""Pages of one's own settings: the profile, and the browsers that are signed in."""

from collections.abc import Mapping
from datetime import UTC
from types import MappingProxyType
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from onduty.clock import Instant, rfc3339
from onduty.errors import Conflict, Forbidden, Invalid, Problem, RateLimited
from onduty.identity.accounts import Accounts, Change
from onduty.identity.asking import Now, SignedIn
from onduty.identity.browsers import Browsers
from onduty.identity.pages import count_try
from onduty.identity.service import Principal
from onduty.web.forms import form, typed, wrong
from onduty.web.layout import PageRoute, go_to, page, zone_of
from onduty.wording import ago_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_SAVED: Final = {
    "name": "Your name is saved.",
    "email": "Your e-mail address is saved.",
    "password": "Your password is saved. Your other browsers are signed out.",
    "both": "Saved. Your e-mail address and password sign you in from now on, in any browser.",
}
_WRONG: Final = {"name": "Write a name of at most 120 characters, by which the others know you."}
_ENDED: Final = {"one": "That browser is signed out.", "others": "All other browsers are signed out."}


def _accounts(request: Request) -> Accounts:
    room: Accounts = request.app.state.accounts
    return room


def _browsers(request: Request) -> Browsers:
    room: Browsers = request.app.state.browsers
    return room


AccountsRoom = Annotated[Accounts, Depends(_accounts)]
BrowsersRoom = Annotated[Browsers, Depends(_browsers)]


async def _profile(
    request: Request,
    me: Principal,
    *,
    saved: str | None = None,
    which: str = "",
    fields: Mapping[str, str] = MappingProxyType({}),
    problem: Problem | None = None,
) -> Response:
    """The page; with a `problem` the form `which` holds what was typed, and says what is wrong with it."""
    now: Instant = request.scope["onduty.now"]
    answer = page(
        request,
        "profile.html",
        status=problem.status if problem else 200,
        me=me.name,
        place="",
        profile=await _accounts(request).profile(me, now),
        saved=saved,
        which=which,
        typed=typed(fields),
        wrong=wrong(problem if isinstance(problem, Invalid) else None, _WRONG),
        refused=None if problem is None or problem.fields else problem.message,
    )
    answer.headers.update(problem.headers if problem else {})
    return answer


@router.get("/settings")
async def show_profile(request: Request, me: SignedIn, saved: Annotated[str, Query()] = "") -> Response:
    return await _profile(request, me, saved=_SAVED.get(saved))


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
        return await _profile(request, me, which=which, fields=fields, problem=problem)
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
            "by": "password" if browser.by_password else "a one-time link",
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
