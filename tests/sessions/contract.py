"""The seed contract as a check: an answer of the described operation is validated against it, formats included."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

from onduty.clock import parse_rfc3339, rfc3339
from tests.asking import Answer

DOCUMENT: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("agent-sessions.openapi.yaml").read_text())
OPERATION: dict[str, Any] = DOCUMENT["paths"]["/projects/{id}/agent-sessions"]["get"]

FORMATS = FormatChecker(formats=())


def _is_our_time(value: object) -> bool:
    # RFC 3339 is the contract; UTC with milliseconds and Z is what this server promises beyond it.
    return not isinstance(value, str) or rfc3339(parse_rfc3339(value)) == value


def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or str(UUID(value)) == value


FORMATS.checks("date-time", raises=ValueError)(_is_our_time)
FORMATS.checks("uuid", raises=ValueError)(_is_uuid)


def validated(answer: Answer) -> Any:
    """The JSON of an answer, once it was found valid for its status; statuses the seed leaves open are errors."""
    assert answer.headers["content-type"] == "application/json"
    described = OPERATION["responses"].get(str(answer.status))
    schema = described["content"]["application/json"]["schema"] if described else _of("Error")
    _check(schema, answer.json)
    return answer.json


def validated_row(row: Any) -> Any:
    """A row from anywhere else, once it was found to be an AgentSession."""
    _check(_of("AgentSession"), row)
    return row


def validated_error(error: Any) -> Any:
    """An error object, with no field beyond the seed's."""
    _check(_of("Error"), error)
    assert set(error) <= set(DOCUMENT["components"]["schemas"]["Error"]["properties"])
    return error


def _of(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _check(schema: dict[str, Any], value: Any) -> None:
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}, format_checker=FORMATS).validate(value)
