"""What every REST route has in common: who asks is decided first, then the body's size, type and form, then the rest.

The order of refusal is design.md section 5's: 404 and 405 by the router, then 401, 429, 413, 415, 400, 403 or 404.
"""

import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from onduty.answers import Headers, Receive, Scope, Send, problem_answer
from onduty.errors import Invalid, Problem, TooLarge, Unsupported, from_validation

BODY_BYTES: Final = 1024 * 1024
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Gate(Protocol):
    """Who decides whether a request may go on; it raises Unauthenticated or RateLimited."""

    def admit(self, request: Request) -> None: ...
    def readmit(self, request: Request) -> None: ...


class Route(APIRoute):
    """A route that asks the gate first, unless it is marked open by `openapi_extra={"security": []}`."""

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()
        is_open = (self.openapi_extra or {}).get("security") == []
        single = _names(self.dependant)
        takes_body = self.body_field is not None

        async def handle(request: Request) -> Response:
            gate: Gate = request.app.state.gate
            try:
                if not is_open:
                    gate.admit(request)
                await take_body(request, takes_body)
                if takes_body and not is_open:
                    # A body may have taken its time.
                    gate.readmit(request)
                refuse_repeated(request, single)
                return await handler(request)
            except RequestValidationError as error:
                return problem_response(from_validation(error.errors()))
            except Problem as problem:
                return problem_response(problem)

        return handle


_NEEDED_TO_THE_END: Final = frozenset(("type", "method", "path", "onduty.request_id", "onduty.is_head", "onduty.cut"))


class Held(Response):
    """An answer that goes on for long. It does so once its route is through, so that nothing but itself is kept for it.

    `tell` sends the body to who asked. False where that one did not take it: the connection is cut then.
    """

    def __init__(self, headers: Headers, tell: Callable[[Receive, Send], Awaitable[bool]]) -> None:
        super().__init__()
        self.raw_headers = list(headers)
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["onduty.held"].append(self)

    async def go_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer to its end."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        # What else the routes left there, a third of all that a stream would cost, is needed no more.
        for name in set(scope) - _NEEDED_TO_THE_END:
            del scope[name]
        if scope.get("onduty.is_head"):
            await send({"type": "http.response.body", "body": b""})
        elif not await self._tell(receive, send):
            scope["onduty.cut"]()
            while (await receive())["type"] != "http.disconnect":
                pass


def _names(dependant: Dependant) -> list[str]:
    """The query parameters of a route, those of a model of theirs included."""
    names = [field.alias for field in dependant.query_params]
    models: list[Any] = [field.field_info.annotation for field in dependant.query_params]
    return names + [name for model in models for name in getattr(model, "model_fields", ())]


def problem_response(problem: Problem) -> Response:
    """A refusal as a Starlette response."""
    status, headers, body = problem_answer(problem)
    response = Response(body, status)
    response.raw_headers = [*headers, (b"content-length", b"%d" % len(body))]
    return response


def refuse_repeated(request: Request, names: Sequence[str]) -> None:
    """Invalid at each of these query parameters that stands there more than once."""
    repeated = [name for name in names if len(request.query_params.getlist(name)) > 1]
    if repeated:
        raise Invalid.of((name, "must stand there once") for name in repeated)


async def take_body(request: Request, takes_body: bool) -> None:
    """Read a body within its limit and parse it where the route takes one. TooLarge, Unsupported, or Invalid."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > BODY_BYTES:
        raise TooLarge(BODY_BYTES)
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES:
                raise TooLarge(BODY_BYTES)
    except ClientDisconnect:
        raise Invalid.at("body", "broke off") from None
    # Where Starlette looks first: what was read under our limit and parsed by our rules is what the route gets.
    request._body = body  # noqa: SLF001
    if takes_body and body:
        if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise Unsupported("The body must not be compressed")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Unsupported
        request._json = parse_json(body)  # noqa: SLF001


def parse_json(body: bytes) -> Any:
    """JSON by the letter of RFC 8259, without repeated names. Invalid at `body`; lone surrogates come through."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse, parse_float=_number, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Invalid.at("body", "names a field twice" if str(error) == _TWICE else "must be JSON") from None


_TWICE: Final = "twice"
# What a float can still tell from its neighbours.
_BEYOND: Final = 2**53


def _number(text: str) -> float | int:
    """A whole number is whole however it is written: `1.0` and `1e3` are integers to JSON Schema."""
    number = float(text)
    is_whole = number.is_integer() and abs(number) < _BEYOND and Decimal(text) == number
    return int(number) if is_whole else number


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(_TWICE)
    return found
