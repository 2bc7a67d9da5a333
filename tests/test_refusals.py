"""What is refused, in which order, and that each refusal is the one error object with the headers that all carry."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest

from tests.asking import Answer
from tests.raw import bearer, chunked, request, send
from tests.serving import Server, StartServer
from tests.sessions.contract import validated_error

_MIB = 1024 * 1024
_JSON = ("Content-Type", "application/json")


def _refused(answer: Answer, status: int, code: str, *fields: str) -> dict[str, Any]:
    """Assert a refusal: the one error object, at these fields, with what every answer carries. Answers the object."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    _carries_what_all_carry(answer)
    error: dict[str, Any] = validated_error(answer.json)
    assert (error["code"], list(error.get("fieldErrors", {}))) == (code, list(fields))
    assert [issue["path"] for issue in error.get("issues", [])] == list(fields)
    return error


def _carries_what_all_carry(answer: Answer) -> None:
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "server" not in answer.headers


def _sessions(server: Server) -> str:
    return f"/api/projects/{server.project_id}/agent-sessions"


def _post(server: Server, body: bytes, *headers: tuple[str, str], path: str | None = None) -> Answer:
    """A register with this very body, its length told, and JSON unless another type stands among the headers."""
    told = [bearer(server.token), ("Content-Length", str(len(body))), *(headers or [_JSON])]
    return send(server.port, request("POST", path or _sessions(server), told, body), method="POST")


def test_the_first_wrong_thing_is_what_is_refused(server: Server) -> None:
    """421, 404 of a path, 405, 401, 413, 415, 400, 403: with everything wrong, mended one by one in that order."""
    foreign, big = f"/api/projects/{uuid4()}/agent-sessions", str(_MIB + 1)
    length, text = ("Content-Length", big), ("Content-Type", "text/plain")

    def ask(method: str, path: str, *headers: tuple[str, str], host: str = "127.0.0.1", body: bytes = b"") -> Answer:
        return send(server.port, request(method, path, headers, body, host=host), method=method)

    small, ours = ("Content-Length", "1"), bearer(server.token)
    right = b'{"machine_id":"laptop"}'
    _refused(ask("PUT", "/nowhere", length, text, host="evil.example"), 421, "MISDIRECTED")
    _refused(ask("PUT", "/nowhere", length, text), 404, "NOT_FOUND")
    _refused(ask("PUT", foreign, length, text), 405, "METHOD_NOT_ALLOWED")
    _refused(ask("POST", foreign, length, text), 401, "UNAUTHENTICATED")
    _refused(ask("POST", foreign, length, text, ours), 413, "TOO_LARGE")
    _refused(ask("POST", foreign, small, text, ours, body=b"x"), 415, "UNSUPPORTED")
    _refused(ask("POST", foreign, small, _JSON, ours, body=b"x"), 400, "VALIDATION", "body")
    _refused(ask("POST", foreign, ("Content-Length", "2"), _JSON, ours, body=b"{}"), 400, "VALIDATION", "machine_id")
    named = ("Content-Length", str(len(right)))
    _refused(ask("POST", foreign, named, _JSON, ours, body=right), 403, "FORBIDDEN")
    assert ask("POST", _sessions(server), named, _JSON, ours, body=right).status == 201


def test_too_many_requests_come_after_who_asks_and_before_the_body(start_server: StartServer) -> None:
    """429 stands between 401 and 413; it says when there is room again, in the header and in the object."""
    server = start_server(environment={"ONDUTY_RATE_LIMIT": "60"})
    path = _sessions(server)
    while (answer := server.call("GET", path)).status == 200:
        pass
    error = _refused(answer, 429, "RATE_LIMITED")
    assert 0 < error["retryAfter"] <= 1
    assert answer.headers["retry-after"] == "1"
    _refused(_post(server, b"x" * (_MIB + 1)), 429, "RATE_LIMITED")
    _refused(_post(server, b"x", ("Content-Type", "text/plain")), 429, "RATE_LIMITED")
    _refused(server.call("GET", "/api/me"), 429, "RATE_LIMITED")
    _refused(server.call("GET", path, token=None), 401, "UNAUTHENTICATED")
    _refused(server.call("PUT", path), 405, "METHOD_NOT_ALLOWED")
    _refused(server.call("GET", "/api/nowhere"), 404, "NOT_FOUND")
    assert server.call("GET", "/api/me", token=server.owner_token).status == 200, "another token has its own room"
    assert server.call("GET", "/readyz", token=None).status == 200


def test_activity_of_a_just_marked_session_is_not_counted(start_server: StartServer) -> None:
    """Marked within the last second, it is recorded and answered, and takes no room; also on the ordinary path."""
    server = start_server(environment={"ONDUTY_RATE_LIMIT": "60"})
    made = server.call("POST", _sessions(server), json={"machine_id": "laptop"})
    path = f"/api/agent-sessions/{made.json['session_id']}/activity"
    statuses = [server.call("POST", path, body=b"{}" if number % 2 else None).status for number in range(100)]
    assert statuses == [204] * 100
    left = [server.call("GET", _sessions(server)).status for _ in range(40)]
    assert left.count(200) >= 20, "the hundred were not counted"
    assert left[-1] == 429
    assert server.call("POST", path).status == 204
    row = server.call("GET", f"/api/agent-sessions/{made.json['session_id']}", token=server.owner_token).json
    assert row["last_activity_at"] > made.json["last_activity_at"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:1", "localhost", "LOCALHOST:65535", "localhost.", "[::1]", "[::1]:4646", "127.9.9.9"],
)
def test_a_host_of_loopback_is_ours(server: Server, host: str) -> None:
    """Whatever the port: a tunnel ends at another one."""
    answer = send(server.port, request("GET", _sessions(server), [bearer(server.token)], host=host))
    assert answer.status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("example.com", "127.0.0.1.example.com", "localhost.example.com", "127.0.0.1@example.com", "0.0.0.0", "", " "),
        *("localhost:x", "localhost:99999", "localhost:", "[::2]", "[::1", "::1", "a b", "localhost/", "local\xfchost"),
        *("2130706433", "0x7f.1", "127.1", "localhost,localhost", "192.168.0.1", "[::ffff:10.0.0.1]", "*"),
    ],
)
def test_any_other_host_is_421(server: Server, host: str) -> None:
    """Before anything else is looked at, on every path."""
    for path in (_sessions(server), "/mcp", "/", "/nowhere", "/livez", "/api/openapi.json"):
        answer = send(server.port, request("GET", path, [bearer(server.token)], host=host))
        _refused(answer, 421, "MISDIRECTED")


def test_the_public_host_is_ours_too(start_server: StartServer) -> None:
    """With --public-url its host is taken, any port, any case; others are not."""
    server = start_server()
    server.environment = {"ONDUTY_PUBLIC_URL": "https://onduty.example.com"}
    server.restart()
    for host, status in (("onduty.example.com", 200), ("ONDUTY.example.com:8443", 200), ("example.com", 421)):
        assert send(server.port, request("GET", "/livez", host=host)).status == status, host


@pytest.mark.parametrize("path", ["/livez", "/nowhere", "/mcp", "{}"])
def test_one_host_and_one_authorization(server: Server, path: str) -> None:
    """No Host, two of either, also equal ones, are 400."""
    path, ours = path.format(_sessions(server)), bearer(server.token)
    twice = [[("Host", "localhost"), ours], [("host", "127.0.0.1"), ours], [ours, ours], [ours, ("authorization", "x")]]
    for headers in twice:
        _refused(send(server.port, request("GET", path, headers)), 400, "VALIDATION")
    _refused(send(server.port, request("GET", path, [ours], host=None)), 400, "VALIDATION")


def test_a_token_counts_in_its_header_alone(server: Server) -> None:
    """Not in a query, a cookie, another header or another scheme; whoever sends it there is nobody."""
    told = f"token={server.token}&access_token={server.token}&authorization=Bearer%20{server.token}"
    for path in (f"/api/me?{told}", f"/mcp?{told}"):
        _refused(server.call("GET", path, token=None), 401, "UNAUTHENTICATED")
    for headers in (
        {"Cookie": f"onduty={server.token}; Authorization=Bearer {server.token}"},
        {"X-Api-Key": server.token, "Onduty-Token": server.token, "Proxy-Authorization": f"Bearer {server.token}"},
        {"Authorization": f"Basic {server.token}"},
        {"Authorization": server.token},
    ):
        _refused(server.call("GET", "/api/me", token=None, headers=headers), 401, "UNAUTHENTICATED")


def test_headers_are_limited_in_all(server: Server) -> None:
    """32 KiB with the address, however many they are; one more byte too many is 431, and the connection is closed."""
    path = _sessions(server)
    fits = [bearer(server.token), *((f"X-{n}", "x" * 1000) for n in range(31))]
    assert send(server.port, request("GET", path, fits)).status == 200
    for headers in ([("X", "x" * 33_000)], [(f"X-{n}", "x") for n in range(5000)], [("x" * 33_000, "x")]):
        answer = send(server.port, request("GET", path, [bearer(server.token), *headers]))
        _refused(answer, 431, "HEADERS_TOO_LARGE")
        assert answer.headers["connection"] == "close"
    _refused(send(server.port, request("GET", "/" + "x" * 33_000)), 431, "HEADERS_TOO_LARGE")
    endless = request("GET", path)[:-2] + b"X: "
    _refused(send(server.port, endless, b"x" * 40_000), 431, "HEADERS_TOO_LARGE")


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\x01\x00\x01", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nA\r\n\r\n"])
def test_what_is_no_http_is_400(server: Server, sent: bytes) -> None:
    """TLS on a plain port, and lines that are no request."""
    answer = send(server.port, sent + b" " * 64)
    _refused(answer, 400, "VALIDATION")


def test_a_body_has_a_limit(server: Server) -> None:
    """1 MiB; more is 413, told by its length at once, or found when the chunks come; exactly 1 MiB is read."""
    path, ours = _sessions(server), bearer(server.token)
    declared = [ours, _JSON, ("Content-Length", str(_MIB + 1))]
    _refused(send(server.port, request("POST", path, declared), method="POST"), 413, "TOO_LARGE")
    streamed = [ours, _JSON, ("Transfer-Encoding", "chunked")]
    body = chunked(b" " * 65_536, 17)
    _refused(send(server.port, request("POST", path, streamed, body), method="POST"), 413, "TOO_LARGE")
    for other in ("/api/agent-events", "/api/projects", f"/api/agent-sessions/{uuid4()}/activity"):
        _refused(send(server.port, request("POST", other, declared), method="POST"), 413, "TOO_LARGE")
    right = json.dumps({"machine_id": "laptop"}).encode()
    assert _post(server, right + b" " * (_MIB - len(right))).status == 201
    assert send(server.port, request("POST", path, streamed, chunked(right, 1)), method="POST").status == 201


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/json5", "json", ""])
def test_a_body_is_application_json(server: Server, kind: str) -> None:
    """Anything else, and none, is 415; a charset behind it is fine, and the name may be in any case."""
    right = b'{"machine_id":"laptop"}'
    _refused(_post(server, right, ("Content-Type", kind)), 415, "UNSUPPORTED")
    _refused(_post(server, right, ("X", "y")), 415, "UNSUPPORTED")
    for fine in ("application/json; charset=utf-8", "Application/JSON", "application/json;x=y"):
        assert _post(server, right, ("Content-Type", fine)).status == 201


_NOT_JSON = [
    b"x",
    b"{",
    b'{"machine_id":"laptop"',
    b'{"machine_id":"laptop"}}',
    b"{'machine_id':'laptop'}",
    b'{"machine_id":"laptop",}',
    b'{"machine_id":NaN}',
    b'{"machine_id":"laptop","x":Infinity}',
    b'{"machine_id":"laptop","x":[-Infinity]}',
    b'{"machine_id":"laptop","machine_id":"laptop"}',
    b'{"machine_id":"laptop","x":{"a":1,"a":2}}',
    b'{"machine_id":"laptop","machine_\\u0069d":"laptop"}',
    b'{"machine_id":"\xff"}',
    b'\xef\xbb\xbf{"machine_id":"laptop"}',
    b'{"machine_id":"a\nb"}',
    b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    b'{"x":' + b"1" * 5_000 + b"}",
    '{"machine_id":"laptop"}'.encode("utf-16"),
]


@pytest.mark.parametrize("body", _NOT_JSON, ids=lambda body: repr(body[:40]))
def test_a_body_is_json_by_the_letter(server: Server, body: bytes) -> None:
    """Broken, doubled names, NaN, deep nesting, another encoding, numbers without end: 400 at `body`."""
    _refused(_post(server, body), 400, "VALIDATION", "body")


def test_a_lone_surrogate_is_400_at_its_field(server: Server) -> None:
    """It is JSON and no text; a pair is a character. A NUL likewise."""
    for name in ("machine_id", "caller_role", "branch", "client_ref"):
        for wrong in (rb"\ud800", rb"a\udc00", rb"\udc00\ud800", rb"\u0000"):
            body = b'{"machine_id":"laptop","' + name.encode() + b'":"' + wrong + b'"}'
            body = body.replace(b'"machine_id":"laptop",', b"", 1) if name == "machine_id" else body
            _refused(_post(server, body), 400, "VALIDATION", name)
    named = _post(server, rb'{"machine_id":"laptop","\ud800":1,"caller_role":"\ud83d\ude00"}')
    assert (named.status, named.json["caller_role"]) == (201, "\U0001f600")


def test_large_numbers_are_no_fault_of_ours(server: Server) -> None:
    """A number beyond any field, where one is expected and where none is."""
    for number in (b"1e999", b"9" * 400, b"-1", b"1e-999", b"0.1"):
        event = b'{"id":"1","kind":"start","at":"2026-01-01T00:00:00Z","session":"n","stamp":' + number + b"}"
        body = b'{"sent_at":"2026-01-01T00:00:00Z","events":[' + event + b"]}"
        answer = _post(server, body, path="/api/agent-events")
        _refused(answer, 400, "VALIDATION", "events.0.stamp")
        assert _post(server, b'{"machine_id":"laptop","x":' + number + b"}").status == 201


def test_every_answer_carries_what_all_carry(server: Server) -> None:
    """Answers of every kind: hot, ordinary, no body, refused, a page, a file, MCP's own."""
    made = server.call("POST", _sessions(server), json={"machine_id": "laptop"})
    own = f"/api/agent-sessions/{made.json['session_id']}"
    tag = server.call("GET", _sessions(server)).headers["etag"]
    answers = [
        made,
        server.call("GET", _sessions(server)),
        server.call("GET", _sessions(server), headers={"If-None-Match": tag}),
        server.call("GET", _sessions(server) + "?x=1"),
        server.call("POST", own + "/activity"),
        server.call("DELETE", own),
        server.call("POST", own + "/activity"),
        server.call("GET", "/api/openapi.json", token=None),
        server.call("GET", "/api/docs", token=None),
        server.call("GET", "/static/docs/start.js", token=None),
        server.call("GET", "/static/nowhere.js", token=None),
        server.call("POST", "/static/docs/start.js", token=None),
        server.call("GET", "/livez", token=None),
        server.call("GET", "/", token=None),
        server.call("GET", "/mcp"),
        server.call("POST", "/mcp", body=b"x"),
        server.call("PUT", "/mcp"),
        server.call("DELETE", "/mcp"),
        server.call("GET", "/mcp", token=None),
    ]
    for answer in answers:
        _carries_what_all_carry(answer)
        assert answer.status < 500
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == len(ids)


def test_bytes_that_are_no_text_in_an_address(server: Server) -> None:
    """Plain they are no HTTP, behind a `%` they are characters like any other. No answer is 500."""
    path, ours = _sessions(server), [bearer(server.token)]
    for raw in ("?x=\xff", "?\xff", "\xff"):
        _refused(send(server.port, request("GET", path + raw, ours)), 400, "VALIDATION")
    for query, status in (("?x=%ff%00", 200), ("?%ff", 200), ("?active=%ff", 400), ("?limit=1&%ff", 200)):
        assert send(server.port, request("GET", path + query, ours)).status == status, query
    _refused(send(server.port, request("GET", path + "%ff", ours)), 404, "NOT_FOUND")


def test_what_is_open_needs_no_token(server: Server) -> None:
    """Health, the document and the pages to browse it; a wrong token does not close them."""
    for path in ("/livez", "/readyz", "/healthz", "/api/openapi.json", "/api/docs"):
        for token in (None, "nonsense"):
            assert server.call("GET", path, token=token).status == 200, path


def test_the_vendored_document_pages_need_nobody_else(server: Server) -> None:
    """Every asset of the pages to browse the document comes from here."""
    page = server.call("GET", "/api/docs", token=None).body.decode()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    for asset in ("start.js", "swagger-ui-bundle.js", "swagger-ui.css"):
        assert asset in page
        assert server.call("GET", f"/static/docs/{asset}", token=None).status == 200


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/api/me", "GET, HEAD"),
        ("/api/projects", "GET, HEAD, POST"),
        ("/api/agent-events", "POST"),
        ("/api/agent-sessions/{}", "DELETE, GET, HEAD, PATCH"),
        ("/api/agent-sessions/x", "DELETE, GET, HEAD, PATCH"),
        ("/api/agent-sessions/{}/activity", "POST"),
        ("/livez", "GET, HEAD"),
        ("/api/openapi.json", "GET, HEAD"),
        ("/api/docs", "GET, HEAD"),
        ("/static/docs/start.js", "GET, HEAD"),
        ("/mcp", "DELETE, GET, HEAD, POST"),
    ],
)
def test_allow_names_every_method(server: Server, path: str, allow: str) -> None:
    """405 with all that the path takes, HEAD where there is GET; HEAD itself is 405 where there is no GET."""
    answer = send(server.port, request("PUT", path.format(uuid4())))
    _refused(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == allow
    if "HEAD" not in allow:
        head = send(server.port, request("HEAD", path.format(uuid4())), method="HEAD")
        assert (head.status, head.headers["allow"]) == (405, allow)


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/me/", "/api/Me", "/mcp/", "//api/me", "/.env"])
def test_a_path_that_no_route_has_is_404(server: Server, path: str) -> None:
    """With any method, with and without a token, and never a redirect."""
    for method in ("GET", "POST", "DELETE"):
        _refused(server.call(method, path), 404, "NOT_FOUND")
        _refused(server.call(method, path, token=None), 404, "NOT_FOUND")


def _broken(server: Server, statement: str) -> None:
    with closing(sqlite3.connect(server.data / "onduty.sqlite3", timeout=10)) as database, database:
        database.execute(statement)


def test_our_own_fault_tells_its_request_id_and_no_more(start_server: StartServer) -> None:
    """500 is the error object too; the id in it is the answer's, the log has the rest, and the server goes on."""
    server = start_server()
    _broken(server, "ALTER TABLE session_aliases RENAME TO elsewhere")
    body = {"machine_id": "laptop", "client_ref": "secret-ref"}
    answer = server.call("POST", _sessions(server), json=body)
    error = _refused(answer, 500, "INTERNAL")
    assert answer.headers["x-request-id"] in error["error"]
    assert "session_aliases" not in answer.body.decode()
    assert answer.headers["x-request-id"] in server.log.read_text()
    _broken(server, "ALTER TABLE elsewhere RENAME TO session_aliases")
    assert server.call("POST", _sessions(server), json=body).status == 201


def test_a_database_that_cannot_be_written_is_503(start_server: StartServer) -> None:
    """Every write waits its turn and is 503 with Retry-After, nothing half done; reads go on; it recovers by itself."""
    server = start_server()
    made = server.call("POST", _sessions(server), json={"machine_id": "laptop"})
    own = f"/api/agent-sessions/{made.json['session_id']}"
    with closing(sqlite3.connect(server.data / "onduty.sqlite3", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        answer = server.call("PATCH", own, json={"said": "late"}, timeout=20)
        assert _refused(answer, 503, "UNAVAILABLE")["retryAfter"] == 1
        assert answer.headers["retry-after"] == "1"
        assert server.call("GET", _sessions(server)).json["sessions"][0]["said"] is None
        _refused(server.call("POST", own + "/activity"), 503, "UNAVAILABLE")
        database.execute("ROLLBACK")
    assert server.call("PATCH", own, json={"said": "again"}, timeout=20).json["said"] == "again"
    assert len(server.call("GET", _sessions(server)).json["sessions"]) == 1
