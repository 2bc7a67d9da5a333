"""REST for pairing codes: made by a token, redeemed by whoever has the code."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from onduty.api import Route
from onduty.cleaning import MACHINE
from onduty.clock import rfc3339
from onduty.errors import RateLimited
from onduty.identity.asking import Caller, address_of
from onduty.identity.pairing import Pairing
from onduty.identity.routes import NewTokenAnswer, token_row
from onduty.limits import Limits
from onduty.shapes import Answer, Body, Slug, Words, refusals

router = APIRouter(route_class=Route, tags=["identity"])

_CODE = 32


def _pairing(request: Request) -> Pairing:
    room: Pairing = request.app.state.pairing
    return room


Room = Annotated[Pairing, Depends(_pairing)]


class PairingAnswer(Answer):
    code: str = Field(description="Signs one machine in, once: `onduty connect --server URL --code CODE`")
    expires_at: str


class Redeemed(Body):
    code: Annotated[str, Words(_CODE, required=True)]
    machine_id: Annotated[str, Slug(MACHINE, required=True)]


@router.post(
    "/pairings",
    status_code=201,
    operation_id="createPairing",
    summary="Make a code that signs a machine in as you, once, within 10 minutes",
    response_model=PairingAnswer,
    responses=refusals(401, 403, 429, 503),
)
async def create_pairing(caller: Caller, room: Room) -> Any:
    code, until = await room.code(caller)
    return {"code": code, "expires_at": rfc3339(until)}


@router.post(
    "/pairings/redeem",
    status_code=201,
    operation_id="redeemPairing",
    summary="Turn a code into a token for a machine; its secret is told once",
    response_model=NewTokenAnswer,
    responses=refusals(400, 413, 415, 429, 503),
    openapi_extra={"security": []},
)
async def redeem_pairing(request: Request, room: Room, body: Redeemed) -> Any:
    limits: Limits = request.app.state.pairings
    if wait := limits.take(address_of(request), request.app.state.rooms.clock.now()):
        raise RateLimited(wait)
    token = await room.redeem(body.code, body.machine_id, address_of(request))
    return {**token_row(token.principal), "token": token.secret}
