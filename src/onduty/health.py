"""Whether the server lives, is ready, and is well: for machines and for people, without a token."""

from typing import Any, Final

from fastapi import APIRouter, Request, Response

import onduty
from onduty.errors import Forbidden
from onduty.identity.asking import TokenGate
from onduty.origins import host_name
from onduty.rooms import Rooms
from onduty.sessions.rows import encode
from onduty.settings import is_loopback

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


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """What a monitoring system scrapes: from this computer, or by a token that was made with `metrics`."""
    if not _asks_from_here(request):
        gate: TokenGate = request.app.state.gate
        gate.admit(request)
        if not request.scope["onduty.principal"].metrics:
            raise Forbidden("This token was not made for metrics")
    # Imported by whoever scrapes; nobody else pays for it.
    from onduty.metrics import CONTENT_TYPE, Metrics

    return Response(Metrics(request.app.state.rooms).text(), media_type=CONTENT_TYPE)


def _asks_from_here(request: Request) -> bool:
    """Whether peer and Host are loopback, and nothing says that it was forwarded."""
    peer = request.client.host if request.client else ""
    host = host_name(request.headers.get("host", "")) or ""
    forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip", "via"))
    return is_loopback(peer) and is_loopback(host) and not forwarded


@router.get("/livez")
async def live() -> Response:
    return _answer(200, {"status": "ok"})


@router.get("/readyz")
@router.get("/healthz")
async def ready(request: Request) -> Response:
    found = trouble(request.app.state.rooms)
    body = {"status": "unavailable" if found else "ok", "version": onduty.__version__, "trouble": found}
    return _answer(503 if found else 200, body)
