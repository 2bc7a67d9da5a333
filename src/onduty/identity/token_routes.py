"""REST for one's tokens: the list, and revoking."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from onduty.api import Route
from onduty.clock import rfc3339
from onduty.identity.asking import Caller
from onduty.identity.revoking import Listed, Tokens
from onduty.identity.routes import TokenAnswer, token_row
from onduty.paging import Paged, listed, page
from onduty.shapes import Answer, Uuid, refusals

router = APIRouter(route_class=Route, tags=["identity"])


def _tokens(request: Request) -> Tokens:
    room: Tokens = request.app.state.tokens
    return room


Room = Annotated[Tokens, Depends(_tokens)]


class ListedTokenAnswer(TokenAnswer):
    created_at: str
    last_used_at: str | None


class TokensAnswer(Answer):
    tokens: list[ListedTokenAnswer]
    next_cursor: str | None = None


def _row(token: Listed) -> dict[str, Any]:
    used = token.last_used_at
    return {
        **token_row(token.principal),
        "created_at": rfc3339(token.created_at),
        "last_used_at": None if used is None else rfc3339(used),
    }


@router.get(
    "/tokens",
    operation_id="listTokens",
    summary="Your tokens but for the one that asks, without secrets",
    response_model=TokensAnswer,
    responses=refusals(400, 401, 403, 429),
)
async def list_tokens(caller: Caller, room: Room, asked: Paged) -> Any:
    rows, next_cursor = page(await room.others(caller), lambda token: token.principal.token_id, asked)
    return listed("tokens", [_row(token) for token in rows], next_cursor)


@router.delete(
    "/me/token",
    status_code=204,
    operation_id="signOut",
    summary="Revoke the token that asks; what spoke through it ends",
    responses=refusals(401, 429, 503),
)
async def sign_out(caller: Caller, room: Room) -> Response:
    await room.sign_out(caller)
    return Response(status_code=204)


@router.delete(
    "/tokens/{token_id}",
    status_code=204,
    operation_id="revokeToken",
    summary="Revoke a token of yours; what spoke through it ends",
    responses=refusals(400, 401, 403, 404, 429, 503),
)
async def revoke_token(caller: Caller, room: Room, token_id: Uuid) -> Response:
    await room.revoke(caller, token_id)
    return Response(status_code=204)
