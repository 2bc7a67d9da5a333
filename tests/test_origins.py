"""Host and Origin: who is us, who is foreign, and whom CORS lets read."""

import pytest

from onduty.origins import Origins, cors_headers, host_name, preflight_headers, takes_cors, takes_no_foreigner
from tests.serving import Server, StartServer

LISTED = "https://board.example"


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        (b"127.0.0.1", True),
        (b"127.0.0.1:4646", True),
        (b"127.9.9.9:1", True),
        (b"localhost:99", True),
        (b"LOCALHOST", True),
        (b"localhost.", True),
        (b"[::1]:4646", True),
        (b"onduty.example.com", True),
        (b"onduty.example.com:8443", True),
        (b"example.com", False),
        (b"evil.onduty.example.com", False),
        (b"127.0.0.1.evil.com", False),
        (b"localhost:99999", False),
        (b"localhost:", False),
        (b"", False),
        (b"user@localhost", False),
        (b"localhost, localhost", False),
        (b"[::1", False),
        (b"10.0.0.1", False),
        (b"\xff", False),
    ],
)
def test_a_host_is_ours_only_if_it_names_loopback_or_the_public_url(host: bytes, ours: bool) -> None:
    assert Origins("https://onduty.example.com").names_us(host) is ours


def test_an_origin_is_own_only_at_the_very_address() -> None:
    origins = Origins("https://onduty.example.com")
    assert origins.is_own("https://onduty.example.com", b"onduty.example.com")
    assert origins.is_own("http://127.0.0.1:4646", b"127.0.0.1:4646")
    for foreign in ("null", "http://127.0.0.1:4647", "http://localhost:4646", "https://onduty.example.com:8443", ""):
        assert not origins.is_own(foreign, b"127.0.0.1:4646"), foreign


def test_host_name_is_lower_case_and_bare() -> None:
    assert host_name("[::1]:80") == "::1"
    assert host_name("EXAMPLE.com.:80") == "example.com"


def test_cookies_streams_and_mcp_take_no_foreigner_and_the_api_does() -> None:
    assert all(map(takes_no_foreigner, ("/", "/sign-in", "/mcp", "/api/projects/x/agent-sessions/stream")))
    assert not any(map(takes_no_foreigner, ("/api/me", "/livez", "/static/onduty.css")))
    assert takes_cors("/api/me")
    assert not takes_cors("/")


def test_cors_never_comes_with_credentials() -> None:
    told = cors_headers(b"https://a.example") + preflight_headers(b"https://a.example")
    assert not [name for name, _ in told if b"credentials" in name]


def test_only_a_listed_origin_may_read_across(start_server: StartServer) -> None:
    """The exact origin gets CORS headers and a preflight without a token; any other gets none."""
    server: Server = start_server(environment={"ONDUTY_CORS_ORIGINS": LISTED})
    preflight = {"Origin": LISTED, "Access-Control-Request-Method": "GET"}
    asked = server.call("OPTIONS", "/api/me", token=None, headers=preflight)
    assert asked.status == 204
    assert asked.headers["access-control-allow-origin"] == LISTED
    assert server.call("GET", "/api/me", headers={"Origin": LISTED}).headers["access-control-allow-origin"] == LISTED
    for foreign in ("https://board.example.evil", "null", "http://board.example"):
        answer = server.call("GET", "/api/me", headers={"Origin": foreign})
        assert answer.status == 200
        assert "access-control-allow-origin" not in answer.headers
        assert server.call("GET", "/", token=None, headers={"Origin": foreign}).status == 403
        assert server.call("POST", "/mcp", json={}, headers={"Origin": foreign}).status == 403
    assert server.call("GET", "/", token=None, headers={"Origin": LISTED}).status == 403
