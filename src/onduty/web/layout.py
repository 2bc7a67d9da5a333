"""What every page has in common: the frame it stands in, its headers, and how a refusal looks to a person."""

import logging
from collections.abc import Callable, Coroutine
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute

from onduty.api import refuse_repeated, take_body
from onduty.errors import Problem, Unauthenticated, from_validation
from onduty.log import request_id

if TYPE_CHECKING:
    from jinja2 import Environment

_log = logging.getLogger(__name__)

# No inline script or style anywhere, so that no nonce is needed and none can leak.
_POLICY: Final = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "worker-src": "'self'",
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
_ZONE_COOKIE: Final = "onduty-zone"
THEME_COOKIE: Final = "onduty-theme"
THEMES: Final = ("light", "dark")
_TITLES: Final = {
    400: "This cannot be read",
    401: "Sign in first",
    403: "Not for you, or not there",
    404: "Nothing here",
    405: "Nothing here",
    413: "Too much at once",
    415: "This cannot be read",
    429: "Too many tries",
    500: "This page failed",
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


def page(request: Request, template: str, *, status: int = 200, **words: object) -> HTMLResponse:
    """A page, or a part of one, made of a template of `web/templates`; every word is escaped.

    A page in the frame (`frame.html`) names `me`, and may name its `project` and its `tab`.
    """
    query = f"?{request.url.query}" if request.url.query else ""
    common = {"theme": theme_of(request), "here": request.url.path + query, "project": None, "tab": None}
    return HTMLResponse(_environment().get_template(template).render({**common, **words}), status, HEADERS)


def go_to(path: str) -> RedirectResponse:
    """Send the browser on, with a GET."""
    return RedirectResponse(path, 303, HEADERS)


def own_path(path: str) -> str:
    """The path where it is one of this server's, else `/`: what a link or form names must lead nowhere else."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_own else "/"


def theme_of(request: Request) -> str:
    """`light` or `dark` as the reader chose, `system` otherwise."""
    chosen = request.cookies.get(THEME_COOKIE)
    return chosen if chosen in THEMES else "system"


def zone_of(request: Request) -> ZoneInfo | None:
    """The reader's time zone, which a page's script tells; None where there is no such zone."""
    try:
        return ZoneInfo(request.cookies.get(_ZONE_COOKIE, "")[:64])
    except (KeyError, ValueError, OSError):
        return None


def refusal(request: Request, problem: Problem) -> HTMLResponse:
    """A refusal as a person reads it: what is so, and where to go on."""
    title = _TITLES.get(problem.status, "This did not work")
    answer = page(request, "refused.html", status=problem.status, title=title, message=problem.message)
    answer.headers.update(problem.headers)
    return answer


def wants_page(request: Request) -> bool:
    """Whether it is a person who asks, with a browser, and not a program at one of its addresses."""
    of_programs = ("/api/", "/mcp", "/client/", "/static/")
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(of_programs)


class PageRoute(APIRoute):
    """A route that answers a browser: one `now` for all of a request, and refusals are pages.

    Who must be signed in and is not is sent to sign in, and from there back. `onduty.keep`, where a dependency set it,
    is given the answer last.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        single = [field.alias for field in self.dependant.query_params]

        async def handle(request: Request) -> Response:
            request.scope["onduty.now"] = request.app.state.rooms.clock.now()
            try:
                await take_body(request, takes_body=False)
                refuse_repeated(request, single)
                answer = await handler(request)
            except RequestValidationError as error:
                return refusal(request, from_validation(error.errors()))
            except Unauthenticated as problem:
                return _to_sign_in(request, problem)
            except Problem as problem:
                return refusal(request, problem)
            except Exception:
                _log.exception("a page failed")
                return refusal(request, Problem(f"This page failed. It is logged as {request_id.get()}."))
            if keep := request.scope.get("onduty.keep"):
                keep(answer)
            return answer

        return handle


def _to_sign_in(request: Request, problem: Problem) -> Response:
    if request.headers.get("sec-fetch-mode", "navigate") != "navigate":
        # A script asked, and would take the page it is led to for an answer.
        return refusal(request, problem)
    query = f"?{request.url.query}" if request.url.query else ""
    back = request.url.path + query if request.method in ("GET", "HEAD") else "/"
    return go_to("/sign-in" if back == "/" else f"/sign-in?next={quote(back, safe='')}")
