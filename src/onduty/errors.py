"""The one error object, and which refusal has which status and code.

A `Problem` may be raised anywhere; whoever answers turns it into `as_object` with `status` and `headers`. Messages
never hold what the client sent: it may be a secret, and it may be markup.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

Issue = tuple[str, str]
"""A dotted path (`events.3.kind`) and what is wrong there."""


class Problem(Exception):  # noqa: N818
    """A refusal. `retry_after` is in seconds; `headers` is what the answer carries beside the object."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, fields: Iterable[Issue] = (), retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fields = tuple(fields)
        self.retry_after = retry_after
        self.headers: dict[str, str] = {}
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after)))


class Invalid(Problem, ValueError):  # noqa: N818
    """400. A ValueError too: raised inside a pydantic validator it comes out of `from_validation` at its path."""

    status = 400
    code = "VALIDATION"

    @classmethod
    def at(cls, path: str, message: str) -> "Invalid":
        """One field is wrong. `message` reads after the path: `must be …`."""
        return cls.of([(path, message)])

    @classmethod
    def of(cls, fields: Iterable[Issue]) -> "Invalid":
        """Several fields are wrong; the first one makes the sentence."""
        issues = tuple(fields)
        path, message = issues[0] if issues else ("", "The request is not valid")
        return cls(f"{path}: {message}" if path else message, fields=issues)


class Unauthenticated(Problem):
    """401: no credential, or one that is unknown, revoked or expired."""

    status = 401
    code = "UNAUTHENTICATED"

    def __init__(self, message: str = "A valid token is needed") -> None:
        super().__init__(message)
        self.headers["WWW-Authenticate"] = "Bearer"


class Forbidden(Problem):
    """403: known, but not allowed."""

    status = 403
    code = "FORBIDDEN"


class NotFound(Problem):
    """404."""

    status = 404
    code = "NOT_FOUND"

    def __init__(self, message: str = "There is nothing here") -> None:
        super().__init__(message)


class MethodNotAllowed(Problem):
    """405. `allow` are the path's methods; HEAD is added where there is GET."""

    status = 405
    code = "METHOD_NOT_ALLOWED"

    def __init__(self, allow: Iterable[str]) -> None:
        methods = {method.upper() for method in allow}
        allowed = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
        super().__init__(f"Only {allowed} may be used here")
        self.headers["Allow"] = allowed


class NotAcceptable(Problem):
    """406: the client does not accept what would be answered."""

    status = 406
    code = "NOT_ACCEPTABLE"

    def __init__(self, message: str = "The answer is an event stream, which the request does not accept") -> None:
        super().__init__(message)


class TimedOut(Problem):
    """408: the request did not come in within its time. The connection is closed."""

    status = 408
    code = "TIMED_OUT"

    def __init__(self, message: str = "The request came in too slowly") -> None:
        super().__init__(message)


class Conflict(Problem):
    """409: what is there already, or must stay, stands against it."""

    status = 409
    code = "CONFLICT"


class Ended(Conflict):
    """409 for an agent session that has ended: nothing changed."""

    code = "ENDED"

    def __init__(self, message: str = "This agent session has ended") -> None:
        super().__init__(message)


class TooLarge(Problem):
    """413. `limit` is in bytes."""

    status = 413
    code = "TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A body here may have {limit} bytes")


class Unsupported(Problem):
    """415: a body that is not JSON."""

    status = 415
    code = "UNSUPPORTED"

    def __init__(self, message: str = "The body must be application/json") -> None:
        super().__init__(message)


class Misdirected(Problem):
    """421: the Host header names neither loopback nor the public URL's host."""

    status = 421
    code = "MISDIRECTED"

    def __init__(self, message: str = "This server does not answer to that host name") -> None:
        super().__init__(message)


class RateLimited(Problem):
    """429. `retry_after` seconds from now there is room again."""

    status = 429
    code = "RATE_LIMITED"

    def __init__(self, retry_after: float) -> None:
        super().__init__("Too many requests", retry_after=retry_after)


class HeadersTooLarge(Problem):
    """431. `limit` is in bytes, for all headers together."""

    status = 431
    code = "HEADERS_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__(f"Headers may have {limit} bytes in all")


class Unavailable(Problem):
    """503: the database cannot be written or reached. Nothing of the request was done."""

    status = 503
    code = "UNAVAILABLE"

    def __init__(self, message: str = "The database cannot be written just now", retry_after: float = 1) -> None:
        super().__init__(message, retry_after=retry_after)


class Internal(Problem):
    """500: our fault. The request id is all that is told; the log has the rest under it."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"Something went wrong in the server (request {request_id})")


def as_object(problem: Problem) -> dict[str, Any]:
    """The error object as it goes out as JSON; what does not apply is absent."""
    answer: dict[str, Any] = {"error": problem.message, "code": problem.code}
    if problem.fields:
        answer["fieldErrors"] = dict(reversed(problem.fields))
        answer["issues"] = [{"path": path, "message": message} for path, message in problem.fields]
    if problem.retry_after is not None:
        answer["retryAfter"] = problem.retry_after
    return answer


# What pydantic says about these kinds of error repeats the input or speaks of Python; `{…}` is filled from its `ctx`.
_SAYS: Mapping[str, str] = {
    "missing": "is required",
    "json_invalid": "must be JSON",
    "string_type": "must be text",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "too_long": "must have at most {max_length} items",
    "too_short": "must have at least {min_length} items",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_from_float": "must be a whole number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "greater_than": "must be greater than {gt}",
    "less_than": "must be less than {lt}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "union_tag_invalid": "must name one of {expected_tags}",
    "union_tag_not_found": "must name its kind",
}
_PLACES = frozenset({"body", "query", "path", "header", "cookie"})


def from_validation(errors: Iterable[Mapping[str, Any]]) -> Invalid:
    """Pydantic's error list as one 400; the place that FastAPI puts first (`body`, `query`, …) is no part of a path."""
    return Invalid.of(issue for error in errors for issue in _issues(error))


def _issues(error: Mapping[str, Any]) -> list[Issue]:
    location = tuple(error.get("loc", ()))
    kind, context = error.get("type", ""), error.get("ctx", {})
    if kind == "json_invalid":
        return [("body", _SAYS[kind])]
    if len(location) > 1 and location[0] in _PLACES:
        location = location[1:]
    path = ".".join(str(part) for part in location)
    cause = context.get("error")
    if isinstance(cause, Invalid) and cause.fields:
        return [(".".join(filter(None, (path, inner))), message) for inner, message in cause.fields]
    try:
        return [(path, _SAYS[kind].format_map(context))]
    except KeyError:
        return [(path, str(cause) if kind == "value_error" and cause is not None else "is not valid")]
