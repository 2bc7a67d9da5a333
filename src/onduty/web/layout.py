"""What every page has in common: the frame it stands in, its headers, and how a refusal looks to a person."""

from collections.abc import Callable, Coroutine
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute

from onduty.api import refuse_repeated, take_body
from onduty.errors import Problem, from_validation

if TYPE_CHECKING:
    from jinja2 import Environment

# No inline script or style anywhere, so that no nonce is needed and none can leak.
_POLICY: Final = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS: Final = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "Cache-Control": "private, no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_TITLES: Final = {
    400: "This cannot be read",
    401: "Sign in first",
    403: "Not for you, or not there",
    413: "Too much at once",
    415: "This cannot be read",
    429: "Too many tries",
    503: "Not just now",
}


@cache
def _environment() -> "Environment":
    # Imported with the first page, for it costs a start as much as loading thousands of sessions.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("onduty.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(template: str, *, status: int = 200, **words: object) -> HTMLResponse:
    """A page, or a part of one, made of a template of `web/templates`; every word is escaped."""
    return HTMLResponse(_environment().get_template(template).render(words), status, HEADERS)


def refusal(problem: Problem) -> HTMLResponse:
    """A refusal as a person reads it: what is so, and where to go on."""
    title = _TITLES.get(problem.status, "This did not work")
    answer = page("refused.html", status=problem.status, title=title, message=problem.message)
    answer.headers.update(problem.headers)
    return answer


class PageRoute(APIRoute):
    """A route that answers a browser: one `now` for all of a request, and refusals are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        single = [field.alias for field in self.dependant.query_params]

        async def handle(request: Request) -> Response:
            request.scope["onduty.now"] = request.app.state.rooms.clock.now()
            try:
                await take_body(request, takes_body=False)
                refuse_repeated(request, single)
                return await handler(request)
            except RequestValidationError as error:
                return refusal(from_validation(error.errors()))
            except Problem as problem:
                return refusal(problem)

        return handle
