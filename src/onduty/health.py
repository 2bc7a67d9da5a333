"""Whether the server lives, is ready, and is well: for machines and for people, without a token."""

from typing import Any, Final

from fastapi import APIRouter, Request, Response

import onduty
from onduty.rooms import Rooms
from onduty.sessions.rows import encode

router = APIRouter(include_in_schema=False)

LAG_MS: Final = 5_000


def trouble(rooms: Rooms) -> list[str]:
    """What keeps the server from being ready, in words; nothing where all is well."""
    found = []
    if rooms.background.failed is not None:
        found.append(f"the loop '{rooms.background.failed}' died")
    if rooms.keeping.lag_ms(rooms.clock.now()) >= LAG_MS:
        found.append("activity has not been written for 5 s")
    if not rooms.database.writable:
        found.append("the database cannot be written")
    return found


def _answer(status: int, body: dict[str, Any]) -> Response:
    return Response(encode(body), status, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/livez")
async def live() -> Response:
    return _answer(200, {"status": "ok"})


@router.get("/readyz")
@router.get("/healthz")
async def ready(request: Request) -> Response:
    found = trouble(request.app.state.rooms)
    body = {"status": "unavailable" if found else "ok", "version": onduty.__version__, "trouble": found}
    return _answer(503 if found else 200, body)
