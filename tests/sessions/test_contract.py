"""The seed operation to the letter, asked of a real server: every answer is validated against the seed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from tests.asking import Answer
from tests.raw import bearer, request, send
from tests.serving import Server
from tests.sessions.contract import OPERATION, validated, validated_error, validated_row

_NAMES = count()


@pytest.fixture
def project(server: Server) -> str:
    """A project of the test's own."""
    answer = server.call("POST", "/api/projects", token=server.owner_token, json={"name": f"contract {next(_NAMES)}"})
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


@pytest.fixture
def listed(server: Server, project: str) -> Callable[..., Answer]:
    """Asks for the project's list as the owner, with this query."""

    def ask(query: str = "", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        path = f"/api/projects/{project}/agent-sessions{query}"
        return server.call("GET", path, token=server.owner_token, headers=named)

    return ask


def _register(server: Server, project: str, **fields: Any) -> dict[str, Any]:
    path = f"/api/projects/{project}/agent-sessions"
    answer = server.call("POST", path, token=server.owner_token, json={"machine_id": "laptop", **fields})
    assert answer.status == 201, answer.body
    row: dict[str, Any] = validated_row(answer.json)
    return row


def _act(server: Server, session_id: str) -> None:
    path = f"/api/agent-sessions/{session_id}/activity"
    assert server.call("POST", path, token=server.owner_token).status == 204


def _ids(answer: Answer) -> list[str]:
    return [row["session_id"] for row in validated(answer)["sessions"]]


def test_the_document_describes_the_seed_operation(server: Server) -> None:
    """Our OpenAPI document keeps the seed's operation: path, id, summary, parameters, statuses and required fields."""
    answer = server.call("GET", "/api/openapi.json", token=None)
    ours = answer.json["paths"]["/api/projects/{id}/agent-sessions"]["get"]
    assert (ours["operationId"], ours["summary"]) == (OPERATION["operationId"], OPERATION["summary"])
    by_name = {parameter["name"]: parameter for parameter in ours["parameters"]}
    assert by_name["id"]["required"]
    assert by_name["id"]["schema"]["format"] == "uuid"
    active = by_name["active"]["schema"]
    assert (active["enum"], active["default"]) == (["true", "false"], "true")
    assert {"200", "401", "403", "400", "429"} <= set(ours["responses"])
    row = answer.json["components"]["schemas"]["AgentSessionAnswer"]
    assert {"session_id", "machine_id", "user_id", "last_activity_at"} <= set(row["required"])


def test_an_empty_project_is_an_empty_list(listed: Callable[..., Answer]) -> None:
    """200 with no row, and no cursor."""
    assert validated(listed()) == {"sessions": []}
    assert validated(listed("?active=false")) == {"sessions": []}


def test_a_row_has_every_field_of_the_contract(server: Server, project: str, listed: Callable[..., Answer]) -> None:
    """Fields that are not known are null, not absent; what was registered is answered."""
    bare = _register(server, project)
    full = _register(server, project, caller_role="qa", caller_origin="codex", branch="main", folder="app")
    rows = {row["session_id"]: row for row in validated(listed())["sessions"]}
    assert rows == {bare["session_id"]: bare, full["session_id"]: full}
    assert [bare["caller_role"], bare["caller_origin"]] == [None, None]
    assert [full["caller_role"], full["caller_origin"], full["branch"], full["folder"]] == [
        "qa",
        "codex",
        "main",
        "app",
    ]
    assert full["project_id"] == project
    assert full["connected_at"] == full["last_activity_at"]
    beyond = {"state", "because", "connected", "client_version", "said", "ticket", "parent_session_id", "ended_at"}
    assert beyond | {"end_reason"} <= set(full)


def test_active_is_exactly_true_or_false(server: Server, project: str, listed: Callable[..., Answer]) -> None:
    """The default is true; an ended session is in no active list and in the other; anything else is 400 at `active`."""
    living, ended = _register(server, project), _register(server, project)
    assert server.call("DELETE", f"/api/agent-sessions/{ended['session_id']}", token=server.owner_token).status == 204
    assert _ids(listed()) == _ids(listed("?active=true")) == [living["session_id"]]
    assert set(_ids(listed("?active=false"))) == {living["session_id"], ended["session_id"]}
    for value in ("", "True", "TRUE", "1", "yes", "0", "true%20", "null", "%00"):
        answer = listed(f"?active={value}")
        assert answer.status == 400, value
        error = validated_error(validated(answer))
        assert error["code"] == "VALIDATION"
        assert list(error["fieldErrors"]) == [issue["path"] for issue in error["issues"]] == ["active"]


def test_a_silent_session_leaves_the_active_list_alone(
    server: Server, project: str, listed: Callable[..., Answer]
) -> None:
    """Last activity six minutes ago: not active, still known."""
    event = {"id": "1", "kind": "prompt", "at": "2026-01-01T00:00:00Z", "session": "silent"}
    body = {"sent_at": "2026-01-01T00:06:00Z", "project_id": project, "events": [event]}
    assert server.call("POST", "/api/agent-events", token=server.owner_token, json=body).status == 200
    assert _ids(listed()) == []
    [row] = validated(listed("?active=false"))["sessions"]
    assert row["state"] == "quiet"


@pytest.mark.parametrize("query", ["?limit=0", "?limit=1001", "?limit=x", "?limit=", "?limit=1.5", "?limit=-1"])
def test_a_limit_is_from_1_to_1000(listed: Callable[..., Answer], query: str) -> None:
    """Anything else is 400 at `limit`."""
    assert list(validated(listed(query))["fieldErrors"]) == ["limit"]
    assert validated(listed("?limit=1")) == validated(listed("?limit=1000")) == {"sessions": []}


@pytest.mark.parametrize("name", ["active", "state", "limit", "cursor"])
def test_a_repeated_parameter_is_refused(listed: Callable[..., Answer], name: str) -> None:
    """400 at the parameter, also where both say the same."""
    value = {"active": "true", "state": "idle", "limit": "5", "cursor": "x"}[name]
    answer = listed(f"?{name}={value}&{name}={value}")
    assert answer.status == 400
    assert list(validated(answer)["fieldErrors"]) == [name]


def test_an_unknown_parameter_is_ignored(server: Server, project: str, listed: Callable[..., Answer]) -> None:
    """Also where it is there twice or has no value, and where a name differs in case alone."""
    _register(server, project)
    plain = listed()
    for query in ("?x=1", "?x=1&x=2", "?x", "?", "?&&", "?Active=nonsense", "?active=true&x=%ff"):
        answer = listed(query)
        assert (answer.status, answer.body) == (200, plain.body), query


def test_an_id_may_be_written_in_any_case_and_version(server: Server, project: str) -> None:
    """The seed's own example is upper case and of version 8: our own id upper case is met, and answered lower."""
    _register(server, project)
    answer = server.call("GET", f"/api/projects/{project.upper()}/agent-sessions", token=server.owner_token)
    assert [row["project_id"] for row in validated(answer)["sessions"]] == [project]
    for unknown in ("0191B2C3-D4E5-8F60-8A1B-2C3D4E5F6071", "ffffffff-ffff-ffff-ffff-ffffffffffff", str(uuid4())):
        assert server.call("GET", f"/api/projects/{unknown}/agent-sessions").status == 403


@pytest.mark.parametrize(
    "written",
    [
        "x",
        "0",
        "%20",
        "0191b2c3d4e58f608a1b2c3d4e5f6071",
        "{0191b2c3-d4e5-8f60-8a1b-2c3d4e5f6071}",
        "0191b2c3-d4e5-8f60-8a1b-2c3d4e5f607",
        "0191b2c3-d4e5-8f60-8a1b-2c3d4e5f607g",
        "%F0%9F%98%80",
        "%00",
        "urn:uuid:0191b2c3-d4e5-8f60-8a1b-2c3d4e5f6071",
        "0191b2c3-d4e5-8f60-8a1b-2c3d4e5f6071%0A",
    ],
)
def test_any_other_id_is_400_at_id(server: Server, written: str) -> None:
    """What `uuid.UUID` takes beyond 8-4-4-4-12 is refused too."""
    answer = server.call("GET", f"/api/projects/{written}/agent-sessions")
    assert answer.status == 400
    error = validated_error(validated(answer))
    assert (error["code"], list(error["fieldErrors"])) == ("VALIDATION", ["id"])


def test_head_answers_as_get_without_a_body(server: Server, project: str) -> None:
    """Status and headers are those of GET, refusals included."""
    _register(server, project)
    path = f"/api/projects/{project}/agent-sessions"
    for query, token in (("", server.owner_token), ("?x=1", server.owner_token), ("?active=no", server.owner_token)):
        head = server.call("HEAD", path + query, token=token)
        get = server.call("GET", path + query, token=token)
        assert (head.status, head.body) == (get.status, b"")
        for name in ("content-length", "content-type", "etag", "cache-control", "vary"):
            assert head.headers[name] == get.headers[name], name
    assert server.call("HEAD", path, token=None).status == 401


def test_another_method_is_405_with_all_that_may_be_used(server: Server, project: str) -> None:
    """Allow holds HEAD and every method of the path, also those of another route of ours; before who asks."""
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        answer = send(server.port, request(method, f"/api/projects/{project}/agent-sessions"))
        assert answer.status == 405, method
        assert answer.headers["allow"] == "GET, HEAD, POST"
        assert validated_error(validated(answer))["code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize("path", ["/api/projects/{}/agent-sessions/", "/api//projects/{}/agent-sessions"])
def test_no_slash_is_redirected(server: Server, project: str, path: str) -> None:
    """A path that no route has is 404, whoever asks, and never a redirect."""
    for token in (None, server.owner_token):
        answer = server.call("GET", path.format(project), token=token)
        assert answer.status == 404
        assert validated_error(validated(answer))["code"] == "NOT_FOUND"


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "Basic eDp5", "ody_" + "0" * 36, "Bearer  "])
def test_who_is_nobody_is_401(server: Server, project: str, authorization: str) -> None:
    """With WWW-Authenticate, before anything is said about the query, the project or the id."""
    for path in (f"{project}/agent-sessions", f"{project}/agent-sessions?active=no", "x/agent-sessions"):
        named = {"Authorization": authorization} if authorization else {}
        answer = server.call("GET", f"/api/projects/{path}", token=None, headers=named)
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert validated_error(validated(answer))["code"] == "UNAUTHENTICATED"


def test_a_typo_in_a_token_is_401(server: Server, project: str) -> None:
    """The last six characters check the others."""
    token = server.owner_token
    for typo in (token[:-1] + ("A" if token[-1] != "A" else "B"), token.upper(), token + "x", "ody_" + token[5:] + "0"):
        assert server.call("GET", f"/api/projects/{project}/agent-sessions", token=typo).status == 401


def test_a_foreign_project_is_refused_like_a_missing_one(server: Server, project: str) -> None:
    """Same status, same body, same headers: nobody learns which projects there are."""
    foreign = server.call("GET", f"/api/projects/{project}/agent-sessions")
    missing = server.call("GET", f"/api/projects/{uuid4()}/agent-sessions")
    assert foreign.status == missing.status == 403
    assert validated_error(validated(foreign))["code"] == "FORBIDDEN"
    assert foreign.body == missing.body
    assert set(foreign.headers) == set(missing.headers)


def test_an_unchanged_list_is_304(server: Server, project: str, listed: Callable[..., Answer]) -> None:
    """A tag stands for the rows: it holds while they do, in any list of tags, and changes with any of them."""
    row = _register(server, project)
    for query in ("", "?x=1", "?active=false", "?limit=5", "?state=working"):
        tag = listed(query).headers["etag"]
        assert tag.startswith('"')
        for sent in (tag, f"W/{tag}", f'"other", {tag}', "*", f'"other",W/{tag}'):
            answer = listed(query, If_None_Match=sent)
            assert (answer.status, answer.body) == (304, b""), (query, sent)
            assert answer.headers["etag"] == tag
            assert (answer.headers["cache-control"], answer.headers["vary"]) == ("private, no-cache", "Authorization")
        for sent in ('"other"', tag.strip('"'), "", tag.upper()):
            assert listed(query, If_None_Match=sent).status == 200, (query, sent)
        changed = {"said": f"changed for {query}"}
        path = f"/api/agent-sessions/{row['session_id']}"
        assert server.call("PATCH", path, token=server.owner_token, json=changed).status == 200
        assert listed(query, If_None_Match=tag).status == 200, query


def test_two_tag_headers_are_one_list(server: Server, project: str) -> None:
    """If-None-Match may stand there twice (RFC 9110, 5.3): any of the tags counts."""
    _register(server, project)
    path = f"/api/projects/{project}/agent-sessions"
    tag = server.call("GET", path, token=server.owner_token).headers["etag"]
    for tags in ((tag, '"other"'), ('"other"', tag)):
        sent = [bearer(server.owner_token), *(("If-None-Match", each) for each in tags)]
        assert send(server.port, request("GET", path, sent)).status == 304, tags


def test_equal_rows_have_an_equal_tag_on_every_path(
    server: Server, project: str, listed: Callable[..., Answer]
) -> None:
    """The hot path and the ordinary one tell the same tag and bytes."""
    _register(server, project)
    assert listed().headers["etag"] == listed("?x=1").headers["etag"]
    assert listed().headers["etag"] == listed("?limit=1").headers["etag"]


def test_a_list_is_for_its_asker_and_asked_anew(listed: Callable[..., Answer]) -> None:
    """Caching headers of every 200."""
    for query in ("", "?x=1", "?active=false"):
        headers = listed(query).headers
        assert (headers["cache-control"], headers["vary"]) == ("private, no-cache", "Authorization")


def test_newest_activity_first(server: Server, project: str, listed: Callable[..., Answer]) -> None:
    """Then by id; who acts comes first, in both lists."""
    rows = [_register(server, project) for _ in range(5)]
    for row in (rows[3], rows[1]):
        _act(server, row["session_id"])
    for query in ("", "?active=false", "?limit=1000"):
        found = validated(listed(query))["sessions"]
        assert {row["session_id"] for row in found} == {row["session_id"] for row in rows}
        assert found == sorted(sorted(found, key=_id_of), key=_activity_of, reverse=True)


def _id_of(row: dict[str, Any]) -> str:
    return str(row["session_id"])


def _activity_of(row: dict[str, Any]) -> str:
    return str(row["last_activity_at"])


def _pages(server: Server, first: Answer) -> list[list[str]]:
    """All pages from the first on, by the Link header."""
    pages, answer = [_ids(first)], first
    while "next_cursor" in answer.json:
        link = answer.headers["link"]
        assert link.startswith("<")
        assert link.endswith('>; rel="next"')
        path = link[1:].partition(">")[0]
        assert parse_qs(urlsplit(path).query)["cursor"] == [answer.json["next_cursor"]]
        answer = server.call("GET", path, token=server.owner_token)
        pages.append(_ids(answer))
    assert "link" not in answer.headers
    return pages


@pytest.mark.parametrize("active", ["true", "false"])
def test_every_page_by_its_link(server: Server, project: str, listed: Callable[..., Answer], active: str) -> None:
    """The pages together are the list, each full but the last; `next_cursor` and Link only where there is more."""
    for _ in range(7):
        _register(server, project)
    whole = _ids(listed(f"?active={active}"))
    for limit in (1, 3, 7, 8):
        pages = _pages(server, listed(f"?active={active}&limit={limit}"))
        assert [i for page in pages for i in page] == whole
        assert all(len(page) == limit for page in pages[:-1])
    assert "next_cursor" not in listed(f"?active={active}&limit=7").json


@pytest.mark.parametrize("active", ["true", "false"])
def test_rows_that_act_and_end_between_two_pages(
    server: Server, project: str, listed: Callable[..., Answer], active: str
) -> None:
    """None comes twice, and every row that did not change comes once."""
    for _ in range(12):
        _register(server, project)
    order = _ids(listed())
    first = listed(f"?active={active}&limit=4")
    seen, cursor = _ids(first), first.json["next_cursor"]
    changed = {order[1], order[6], order[2], order[7]}
    _act(server, order[1])
    _act(server, order[6])
    for gone in (order[2], order[7]):
        assert server.call("DELETE", f"/api/agent-sessions/{gone}", token=server.owner_token).status == 204
    _register(server, project)
    while cursor:
        answer = listed(f"?active={active}&limit=3&cursor={cursor}")
        seen, cursor = seen + _ids(answer), answer.json.get("next_cursor")
    assert len(seen) == len(set(seen))
    assert [i for i in seen if i not in changed] == [i for i in order if i not in changed]


def test_a_cursor_belongs_to_its_list(server: Server, project: str, listed: Callable[..., Answer]) -> None:
    """One of another project, `active` or `state`, or none at all, is 400 at `cursor`; `limit` may change."""
    for _ in range(3):
        _register(server, project)
    cursor = listed("?limit=1").json["next_cursor"]
    assert len(_ids(listed(f"?limit=2&cursor={cursor}"))) == 2
    assert len(_ids(listed(f"?cursor={cursor}"))) == 2
    other = f"/api/projects/{server.project_id}/agent-sessions?cursor={cursor}"
    refused = [listed(f"?active=false&cursor={cursor}"), listed(f"?state=working&cursor={cursor}")]
    refused += [server.call("GET", other, token=server.owner_token)]
    refused += [server.call("GET", f"/api/me/agent-sessions?cursor={cursor}", token=server.owner_token)]
    refused += [listed(f"?cursor={bad}") for bad in ("", "x", cursor[:-4], "AAAA", "%00", "a" * 401)]
    for answer in refused:
        assert answer.status == 400
        assert list(validated(answer)["fieldErrors"]) == ["cursor"]


@pytest.mark.parametrize("forged", [10**30, -(10**30), 2**63, -(2**63), True, None, 1.5, "1"])
def test_a_forged_cursor_is_no_fault_of_ours(
    server: Server, project: str, listed: Callable[..., Answer], forged: Any
) -> None:
    """What fits the form and not the numbers is 400 at `cursor` or a page, never 500."""
    for _ in range(2):
        _register(server, project)
    for query in ("?active=false&limit=1", "?limit=1"):
        scope = json.loads(base64.urlsafe_b64decode(listed(query).json["next_cursor"]))[0]
        for session in ("x", "", "z" * 100):
            made = base64.urlsafe_b64encode(json.dumps([scope, forged, session]).encode()).decode()
            answer = listed(f"{query}&cursor={made}")
            assert answer.status in (200, 400), answer.body
            validated(answer)
