"""How a request says who asks: the gate before every route, and what a route is given."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from onduty.cleaning import slug
from onduty.clock import Clock, Instant
from onduty.errors import RateLimited, Unauthenticated
from onduty.identity.model import Principal
from onduty.identity.service import Identity
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


def project_words(request: Request) -> tuple[str | None, str | None]:
    """What a request names as its project, by header and by query; each an id or a name."""
    return request.headers.get("onduty-project"), request.query_params.get("project")


Caller = Annotated[Principal, Depends(_caller)]
Now = Annotated[Instant, Depends(_now)]
