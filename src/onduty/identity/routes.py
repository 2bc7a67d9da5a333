"""REST for who one is, and for tokens."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from onduty.api import Route
from onduty.cleaning import MACHINE, NAME, ROLE
from onduty.clock import rfc3339
from onduty.identity.asking import Caller, Now, own_origin
from onduty.identity.issuing import Issuing, Wanted
from onduty.identity.model import Principal
from onduty.identity.service import Identity
from onduty.shapes import Answer, Body, Slug, Time, Uuid, Words, example, refusals

router = APIRouter(route_class=Route, tags=["identity"])


def _identity(request: Request) -> Identity:
    room: Identity = request.app.state.identity
    return room


Room = Annotated[Identity, Depends(_identity)]


def _issuing(request: Request) -> Issuing:
    room: Issuing = request.app.state.issuing
    return room


IssuingRoom = Annotated[Issuing, Depends(_issuing)]


class TokenAnswer(Answer):
    id: Uuid
    name: str
    project_ids: list[Uuid] | None
    caller_role: str | None
    machine_id: str | None
    read_only: bool
    metrics: bool
    expires_at: str | None


class NewTokenAnswer(TokenAnswer):
    token: str


class MeAnswer(Answer):
    user_id: Uuid
    name: str
    token: TokenAnswer


class SignInLinkAnswer(Answer):
    url: str = Field(description="Signs a browser in, once, within 15 minutes")


class TokenWanted(Body):
    model_config = example(name="laptop", caller_role="backend", machine_id="laptop")

    name: Annotated[str, Words(NAME, required=True)]
    project_ids: list[Uuid] | None = Field(None, min_length=1, max_length=100)
    caller_role: Annotated[str, Words(ROLE)] | None = None
    machine_id: Annotated[str, Slug(MACHINE)] | None = None
    read_only: bool = False
    metrics: bool = False
    expires_at: Time | None = None


def token_row(principal: Principal) -> dict[str, Any]:
    """What is told of a token everywhere."""
    ids, expires_at = principal.project_ids, principal.expires_at
    return {
        "id": principal.token_id,
        "name": principal.name,
        "project_ids": None if ids is None else sorted(ids),
        "caller_role": principal.caller_role,
        "machine_id": principal.machine_id,
        "read_only": principal.read_only,
        "metrics": principal.metrics,
        "expires_at": None if expires_at is None else rfc3339(expires_at),
    }


@router.get(
    "/me",
    operation_id="getMe",
    summary="Whose token this is, and what it may",
    response_model=MeAnswer,
    responses=refusals(401, 429),
)
async def get_me(caller: Caller, room: Room) -> Any:
    return {"user_id": caller.user_id, "name": room.name_of(caller.user_id), "token": token_row(caller)}


@router.post(
    "/tokens",
    status_code=201,
    operation_id="createToken",
    summary="Make a token; its secret is told once",
    response_model=NewTokenAnswer,
    responses=refusals(400, 401, 403, 413, 415, 429, 503),
)
async def create_token(caller: Caller, now: Now, room: IssuingRoom, body: TokenWanted) -> Any:
    token = await room.create(caller, Wanted(**body.model_dump()), now)
    return {**token_row(token.principal), "token": token.secret}


@router.post(
    "/sign-in-links",
    status_code=201,
    operation_id="createSignInLink",
    summary="Make a link that signs a browser in as you, once, within 15 minutes",
    response_model=SignInLinkAnswer,
    responses=refusals(401, 403, 429, 503),
)
async def create_sign_in_link(request: Request, caller: Caller, room: IssuingRoom) -> Any:
    return {"url": f"{own_origin(request)}/sign-in#{await room.sign_in_link(caller)}"}
