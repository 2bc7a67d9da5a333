"""How a request says who asks: the gate before every route, and what a route is given."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response

from onduty.cleaning import slug
from onduty.clock import Clock, Instant
from onduty.errors import RateLimited, Unauthenticated
from onduty.identity.model import IDLE_MS, Place, Principal, browser_name
from onduty.identity.service import Identity
from onduty.identity.walls import Walls
from onduty.limits import Limits


@dataclass(slots=True)
class TokenGate:
    """Admits who holds a valid token and has room left; one `now` for all of a request."""

    identity: Identity
    limits: Limits
    clock: Clock

    def admit(self, request: Request) -> None:
        """Unauthenticated or RateLimited, or the request knows its caller and its instant from here on."""
        now = self.clock.now()
        authorization = request.headers.get("authorization")
        told = None if authorization is None else authorization.encode("latin-1")
        principal = self.identity.authenticate(told, now, address_of(request))
        if not request.scope.get("onduty.counted") and (wait := self.limits.take(principal.token_id, now)):
            raise RateLimited(wait)
        request.scope["onduty.principal"] = principal
        request.scope["onduty.now"] = now

    def readmit(self, request: Request) -> None:
        """Unauthenticated where the token was revoked while the request's body came in."""
        principal: Principal = request.scope["onduty.principal"]
        if principal.token_id in self.identity.withdrawn:
            raise Unauthenticated


def address_of(request: Request) -> str:
    """Where the request comes from (`onduty.addresses`); empty where that has no address."""
    address: str = request.scope.get("onduty.address", "")
    return address


def place_of(request: Request) -> Place:
    """Where somebody signs in from."""
    return Place(browser_name(request.headers.get("user-agent", "")), address_of(request))


def _caller(request: Request) -> Principal:
    principal: Principal = request.scope["onduty.principal"]
    return principal


def _now(request: Request) -> Instant:
    now: Instant = request.scope["onduty.now"]
    return now


def machine_of(request: Request, caller: Principal, named: str | None = None) -> str:
    """The machine of a request: its header, else its body's field, else the token's own. Invalid at the header."""
    header = request.headers.get("onduty-machine")
    return (slug(header, "Onduty-Machine") if header else "") or named or caller.machine


def own_origin(request: Request) -> str:
    """This server's origin as whoever asks knows it: the public URL, else the loopback address that was asked."""
    public_url: str | None = request.app.state.rooms.origins.public_url
    return public_url or f"http://{request.headers['host']}"


def cookie_name(request: Request) -> str:
    """The cookie of a browser session. Over https its prefix has the browser hold it to this very host."""
    return "__Host-onduty" if is_secure(request) else "onduty"


def wall_cookie_name(request: Request) -> str:
    """The cookie of a browser on a wall, which nothing but that view takes."""
    return f"{cookie_name(request)}-wall"


def is_secure(request: Request) -> bool:
    """Whether people reach this server over https."""
    return own_origin(request).startswith("https:")


def keep_cookie(request: Request, response: Response, value: str) -> None:
    """Have the browser keep its session for as long again as one may lie idle."""
    response.set_cookie(
        cookie_name(request), value, max_age=IDLE_MS // 1000, httponly=True, samesite="lax", secure=is_secure(request)
    )


async def _visitor(request: Request) -> Principal | None:
    cookie = request.cookies.get(cookie_name(request))
    if not cookie:
        return None
    identity: Identity = request.app.state.identity
    return await identity.browser(cookie, _now(request), address_of(request))


async def _signed_in(request: Request) -> Principal:
    visitor = await _visitor(request)
    if visitor is None:
        raise Unauthenticated("You are signed out")
    cookie = request.cookies[cookie_name(request)]
    request.scope["onduty.keep"] = lambda answer: keep_cookie(request, answer, cookie)
    return visitor


async def _on_wall(request: Request) -> Principal | None:
    walls: Walls = request.app.state.walls
    cookie = request.cookies.get(wall_cookie_name(request))
    return await walls.look(cookie, _now(request)) if cookie else None


def project_words(request: Request) -> tuple[str | None, str | None]:
    """What a request names as its project, by header and by query; each an id or a name."""
    return request.headers.get("onduty-project"), request.query_params.get("project")


Caller = Annotated[Principal, Depends(_caller)]
Visitor = Annotated[Principal | None, Depends(_visitor)]
"""Who a browser is signed in as, None for nobody: for pages only, REST takes no cookie."""
SignedIn = Annotated[Principal, Depends(_signed_in)]
"""The same where nobody is not enough: they are sent to sign in, and whoever looks keeps their browser's session."""
OnWall = Annotated[Principal | None, Depends(_on_wall)]
"""The read-only token that a browser on a wall shows by, None for no such browser: for the wall's own pages only."""
Now = Annotated[Instant, Depends(_now)]
