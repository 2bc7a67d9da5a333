"""The OpenAPI document: its committed copy, and what every operation of it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.openapi.renew import COPY, written
from tests.serving import Server

Json = dict[str, Any]


@pytest.fixture(scope="module")
def document(server: Server) -> Json:
    found: Json = server.call("GET", "/api/openapi.json", token=None).json
    return found


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        yield from ((method, path, operation) for method, operation in methods.items())


def test_the_copy_is_the_document(document: Json) -> None:
    """Programs are made from it: a changed operation id, field or status is a change for whoever has one."""
    assert COPY.read_text() == written(document), "the document changed: if that was meant, run `make openapi`"


def test_every_operation_has_a_name_and_all_refusals(document: Json) -> None:
    """Names are told apart; what may refuse any request is said of each, and who needs a token may get 401 and 429."""
    names = [operation["operationId"] for _, _, operation in _operations(document)]
    assert len(set(names)) == len(names)
    for method, path, operation in _operations(document):
        statuses = set(operation["responses"])
        assert {"400", "413", "421", "431", "500", "503"} <= statuses, (method, path)
        assert "422" not in statuses
        if operation.get("security") != []:
            assert {"401", "429"} <= statuses, (method, path)
        if "requestBody" in operation:
            assert "415" in statuses, (method, path)
            assert list(operation["requestBody"]["content"]) == ["application/json"]


def test_headers_of_answers_are_said(document: Json) -> None:
    refused = document["components"]["responses"]
    said = {name: list(answer.get("headers", {})) for name, answer in refused.items()}
    assert {name: headers for name, headers in said.items() if headers} == {
        "Refused401": ["WWW-Authenticate"],
        "Refused405": ["Allow"],
        "Refused429": ["Retry-After"],
        "Refused503": ["Retry-After"],
    }
    listed = document["paths"]["/api/projects/{id}/agent-sessions"]["get"]["responses"]
    assert list(listed["200"]["headers"]) == ["ETag", "Link"]
    assert list(listed["304"]["headers"]) == ["ETag"]


def test_no_bound_is_out_of_reach(document: Json) -> None:
    """The largest stamp is told to the last digit, which a float could not."""
    stamp = document["components"]["schemas"]["EventItem"]["properties"]["stamp"]["anyOf"][0]
    assert (stamp["minimum"], stamp["maximum"]) == (0, 2**63 - 1)
