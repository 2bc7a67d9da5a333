"""The error object is the contract's, for every kind of refusal, and never repeats what was sent."""

import inspect
import json
from typing import Annotated, Literal
from uuid import UUID

import pytest
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from onduty import cleaning, errors
from onduty.errors import Invalid, MethodNotAllowed, NotAcceptable, Problem, RateLimited, as_object, from_validation

SENT = "ody_5ecret"

EVERY = [
    (Invalid.at("role", "must be text"), 400, "VALIDATION"),
    (errors.Unauthenticated(), 401, "UNAUTHENTICATED"),
    (errors.Forbidden("No"), 403, "FORBIDDEN"),
    (errors.NotFound(), 404, "NOT_FOUND"),
    (MethodNotAllowed(["GET"]), 405, "METHOD_NOT_ALLOWED"),
    (NotAcceptable(), 406, "NOT_ACCEPTABLE"),
    (errors.TimedOut(), 408, "TIMED_OUT"),
    (errors.Conflict("No"), 409, "CONFLICT"),
    (errors.Ended(), 409, "ENDED"),
    (errors.TooLarge(1024), 413, "TOO_LARGE"),
    (errors.Unsupported(), 415, "UNSUPPORTED"),
    (errors.Misdirected(), 421, "MISDIRECTED"),
    (RateLimited(1.5), 429, "RATE_LIMITED"),
    (errors.HeadersTooLarge(1024), 431, "HEADERS_TOO_LARGE"),
    (errors.Unavailable(), 503, "UNAVAILABLE"),
    (errors.Internal("r-1"), 500, "INTERNAL"),
]


@pytest.mark.parametrize(("problem", "status", "code"), EVERY)
def test_status_code_and_object_of_every_refusal(problem: Problem, status: int, code: str) -> None:
    answer = json.loads(json.dumps(as_object(problem)))
    assert (problem.status, answer["code"]) == (status, code)
    assert answer["error"]
    assert answer.keys() <= {"error", "code", "fieldErrors", "issues", "retryAfter"}
    assert None not in answer.values()


def test_no_kind_of_refusal_is_left_out_above() -> None:
    kinds = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Problem)}
    assert kinds - {Problem} == {type(problem) for problem, _, _ in EVERY}


def test_absent_fields_are_absent() -> None:
    assert as_object(errors.Forbidden("No")) == {"error": "No", "code": "FORBIDDEN"}


def test_first_message_per_path_and_all_issues() -> None:
    problem = Invalid.of([("a", "first"), ("b", "other"), ("a", "second")])
    assert as_object(problem) == {
        "error": "a: first",
        "code": "VALIDATION",
        "fieldErrors": {"a": "first", "b": "other"},
        "issues": [
            {"path": "a", "message": "first"},
            {"path": "b", "message": "other"},
            {"path": "a", "message": "second"},
        ],
    }


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (60.0, "60")])
def test_retry_after_is_whole_seconds_and_never_too_early(seconds: float, header: str) -> None:
    problem = RateLimited(seconds)
    assert problem.headers == {"Retry-After": header}
    assert as_object(problem)["retryAfter"] == seconds


def test_a_401_says_how_to_authenticate() -> None:
    assert errors.Unauthenticated().headers == {"WWW-Authenticate": "Bearer"}


def test_allow_is_the_full_list() -> None:
    """HEAD is answered wherever GET is, so it stands in `Allow`."""
    assert MethodNotAllowed(["post", "GET"]).headers == {"Allow": "GET, HEAD, POST"}
    assert MethodNotAllowed(["DELETE"]).headers == {"Allow": "DELETE"}


def test_a_500_tells_the_request_id_and_no_more() -> None:
    assert as_object(errors.Internal("r-1")).keys() == {"error", "code"}
    assert "r-1" in errors.Internal("r-1").message


class Start(BaseModel):
    kind: Literal["start"]
    folder: Annotated[str, Field(max_length=4)] = ""


class End(BaseModel):
    kind: Literal["end"]


def cleaned(value: str) -> str:
    return cleaning.text(value, "", cleaning.ROLE)


class Body(BaseModel):
    events: list[Start] = []
    either: Annotated[Start | End, Field(discriminator="kind")] = End(kind="end")
    count: Annotated[int, Field(ge=1)] = 1
    project: UUID | None = None
    role: Annotated[str, AfterValidator(cleaned)] = ""
    name: str


def refuse(body: dict[str, object]) -> Invalid:
    """What a route makes of a body: FastAPI puts where it was found before each path."""
    with pytest.raises(ValidationError) as caught:
        Body.model_validate(body)
    return from_validation([{**error, "loc": ("body", *error["loc"])} for error in caught.value.errors()])


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ({}, "name", "is required"),
        ({"name": 5}, "name", "must be text"),
        ({"name": "n", "events": [{"kind": "start"}, {"kind": SENT}]}, "events.1.kind", "must be 'start'"),
        ({"name": "n", "events": [{"kind": "start", "folder": SENT}]}, "events.0.folder", "at most 4 characters"),
        ({"name": "n", "either": {"kind": SENT}}, "either", "must name one of 'start', 'end'"),
        ({"name": "n", "count": 0}, "count", "must be at least 1"),
        ({"name": "n", "count": SENT}, "count", "must be a whole number"),
        ({"name": "n", "project": SENT}, "project", "must be a UUID"),
        ({"name": "n", "role": SENT + "x" * 200}, "role", "at most 120 characters"),
    ],
)
def test_validation_errors_have_dotted_paths_and_no_input(body: dict[str, object], path: str, message: str) -> None:
    problem = refuse(body)
    assert problem.status == 400
    assert [at for at, _ in problem.fields] == [path]
    assert message in problem.fields[0][1]
    assert SENT not in json.dumps(as_object(problem))
    assert problem.message.startswith(f"{path}: ")


def test_a_kind_of_validation_error_that_nobody_thought_of_tells_no_input() -> None:
    found = [{"type": "new_in_pydantic_9", "loc": ("query", "limit"), "msg": f"{SENT} is odd", "input": SENT}]
    assert from_validation(found).fields == (("limit", "is not valid"),)


def test_a_message_that_lacks_what_it_speaks_of_is_no_500() -> None:
    assert from_validation([{"type": "enum", "loc": ("query", "x"), "ctx": {}}]).fields == (("x", "is not valid"),)


def test_broken_json_and_a_missing_body_are_the_body() -> None:
    broken = [{"type": "json_invalid", "loc": ("body", 17), "msg": "…", "ctx": {"error": SENT}}]
    assert from_validation(broken).fields == (("body", "must be JSON"),)
    assert from_validation([{"type": "missing", "loc": ("body",)}]).fields == (("body", "is required"),)
