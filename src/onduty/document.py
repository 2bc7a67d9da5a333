"""The OpenAPI document: FastAPI's, with what it cannot know of refusals, headers and bounds."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI

from onduty.shapes import REFUSALS, Error

Json = dict[str, Any]

_METHODS: Final = ("get", "post", "patch", "delete")
# Whatever is asked: what breaks off, is too slow or too long, names two hosts or a foreign one, and our own faults.
_EVERYWHERE: Final = (400, 408, 413, 421, 431, 500, 503)
_TEXT: Final[Json] = {"type": "string"}
_SECONDS: Final[Json] = {"type": "string", "pattern": "^[1-9][0-9]*$"}
_HEADERS: Final[dict[int, tuple[str, str, Json]]] = {
    401: ("WWW-Authenticate", "How to authenticate", {"type": "string", "const": "Bearer"}),
    405: ("Allow", "The methods of this path", _TEXT),
    429: ("Retry-After", "In how many seconds there is room again", _SECONDS),
    503: ("Retry-After", "In how many seconds to try again", _SECONDS),
}
# FastAPI keeps bounds as floats, which have no room for the largest whole number of a database.
_LARGEST: Final = 2**63 - 1


def document(app: FastAPI) -> Json:
    """The document, made once: bearer tokens everywhere, every refusal that may come, and no 422, which never does."""
    if app.openapi_schema is None:
        made = app.openapi()
        components = made.setdefault("components", {})
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        components["responses"] = {_name(status): _refusal(status) for status in sorted(REFUSALS)}
        made["security"] = [{"bearer": []}]
        for operation in _operations(made):
            _complete(operation)
        schemas = components["schemas"]
        schemas.setdefault("Error", Error.model_json_schema(ref_template="#/components/schemas/{model}"))
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        _mend_bounds(made)
    assert app.openapi_schema is not None
    return app.openapi_schema


def _operations(made: Json) -> Iterator[Json]:
    for path in made["paths"].values():
        yield from (path[method] for method in _METHODS if method in path)


def _complete(operation: Json) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    refused = {int(status) for status in responses if status.isdigit() and int(status) in REFUSALS}
    for status in sorted(refused | set(_EVERYWHERE)):
        responses[str(status)] = {"$ref": f"#/components/responses/{_name(status)}"}
    operation["responses"] = dict(sorted(responses.items()))
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _without_null(parameter["schema"])


def _without_null(schema: Json) -> Json:
    """A parameter is there or is not: nothing in an address means null."""
    others = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if len(others) != 1:
        return schema
    return {**{key: value for key, value in schema.items() if key != "anyOf"}, **others[0]}


def _name(status: int) -> str:
    return f"Refused{status}"


def _refusal(status: int) -> Json:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    answer: Json = {"description": REFUSALS[status], "content": content}
    if status in _HEADERS:
        name, about, schema = _HEADERS[status]
        answer["headers"] = {name: {"description": about, "required": True, "schema": schema}}
    return answer


def _mend_bounds(part: Any) -> None:
    """Whole bounds as whole numbers, everywhere below."""
    if isinstance(part, list):
        for item in part:
            _mend_bounds(item)
    elif isinstance(part, dict):
        for key in ("minimum", "maximum"):
            if isinstance(part.get(key), float) and part[key].is_integer():
                part[key] = min(int(part[key]), _LARGEST)
        for item in part.values():
            _mend_bounds(item)
