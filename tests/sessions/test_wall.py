"""A project on a wall, over plain HTTP: which tokens it takes, what its cookie does, and that it ends at once."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.asking import Answer
from tests.serving import Server, StartServer
from tests.watching import watch

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def server(start_server: StartServer) -> Server:
    return start_server()


def new_token(server: Server, **fields: Any) -> tuple[str, str]:
    """(id, secret) of a token; read-only and narrowed to the first project unless said otherwise."""
    body = {"name": "wall", "read_only": True, "project_ids": [server.project_id], **fields}
    made = server.call("POST", "/api/tokens", token=server.owner_token, json=body)
    assert made.status == 201, made.body
    return made.json["id"], made.json["token"]


def opened(server: Server, token: str, **headers: str) -> Answer:
    body = urlencode({"token": token}).encode()
    return server.call("POST", "/wall", token=None, body=body, headers={**FORM, **headers})


def cookie_of(answer: Answer) -> str:
    assert (answer.status, answer.headers["location"]) == (303, "/wall"), answer.body
    told = str(answer.headers["set-cookie"])
    assert "HttpOnly" in told
    assert "SameSite=lax" in told
    return told.partition(";")[0]


def get(server: Server, path: str, cookie: str = "", **headers: str) -> Answer:
    return server.call("GET", path, token=None, headers={**({"Cookie": cookie} if cookie else {}), **headers})


def words(answer: Answer) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.body.decode())).split())


def test_it_shows_what_the_api_gives_that_token_and_nothing_to_press(server: Server) -> None:
    path = f"/api/projects/{server.project_id}/agent-sessions"
    fields = {"machine_id": "atlas", "caller_role": "qa"}
    session = server.call("POST", path, token=server.owner_token, json=fields).json["session_id"]
    cookie = cookie_of(opened(server, new_token(server)[1]))
    for wall in (get(server, "/wall", cookie), get(server, "/wall/part", cookie)):
        assert wall.status == 200
        assert f"id='session-{session}'".encode() in wall.body
        assert "1 on duty" in words(wall)
        for control in (b"<a href", b"<form", b"<input", b"<summary", b"/sessions/"):
            assert control not in wall.body.partition(b'id="on-duty"')[2]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"read_only": False}, "This token may write: a wall takes a read-only token."),
        ({"project_ids": None}, "This token is not narrowed to one project: a wall takes one that is."),
    ],
)
def test_a_token_that_could_do_more_is_refused_with_what_to_make(
    server: Server, fields: dict[str, Any], told: str
) -> None:
    answer = opened(server, new_token(server, **fields)[1])
    assert answer.status == 400
    assert told in words(answer)
    assert "set-cookie" not in answer.headers


def test_what_is_no_token_is_refused_ten_times_a_minute(server: Server) -> None:
    for text in ("", "ody_x", "https://host/wall#ody_x\x00"):
        answer = opened(server, text)
        assert answer.status == 400
        assert "This token is not a valid token" in words(answer)
    assert [opened(server, "x").status for _ in range(8)][-1] == 429


def test_the_whole_address_may_be_pasted(server: Server) -> None:
    cookie_of(opened(server, f"{server.url}/wall#{new_token(server)[1]}"))


def test_the_cookie_is_good_for_the_wall_alone(server: Server) -> None:
    cookie = cookie_of(opened(server, new_token(server)[1]))
    value = cookie.partition("=")[2]
    for held in (cookie, f"onduty={value}"):
        assert get(server, f"/projects/{server.project_id}", held).headers["location"].startswith("/sign-in")
        assert get(server, f"/live?project={server.project_id}", held, **{"Sec-Fetch-Mode": "cors"}).status == 401
        assert get(server, "/api/me", held).status == 401
    assert server.call("GET", "/api/me", token=value).status == 401
    link = server.call("POST", "/api/sign-in-links", token=server.owner_token).json["url"].partition("#")[2]
    body = urlencode({"secret": link}).encode()
    signed_in = server.call("POST", "/sign-in", token=None, body=body, headers=FORM).headers["set-cookie"]
    value = str(signed_in).partition(";")[0].partition("=")[2]
    assert "Show it" in words(get(server, "/wall", f"onduty-wall={value}"))


def test_a_page_of_another_origin_cannot_open_one(server: Server) -> None:
    assert opened(server, new_token(server)[1], Origin="https://elsewhere.example").status == 403


def test_a_token_that_is_revoked_ends_it_at_once(server: Server) -> None:
    token_id, secret = new_token(server)
    cookie = cookie_of(opened(server, secret))
    with watch(server, "/wall/live", headers={"Cookie": cookie}) as stream:
        assert stream.next("snapshot").data["project_id"] == server.project_id
        assert server.call("DELETE", f"/api/tokens/{token_id}", token=server.owner_token).status == 204
        stream.to_the_end()
    for path in ("/wall/part", "/wall/live"):
        assert get(server, path, cookie, **{"Sec-Fetch-Mode": "cors"}).status == 401
    answer = get(server, "/wall", cookie)
    assert "This view has ended: its token was revoked" in words(answer)
    assert 'onduty-wall=""' in str(answer.headers["set-cookie"])


def test_who_made_the_token_and_is_a_member_no_more_ends_it_too(server: Server) -> None:
    cookie = cookie_of(opened(server, new_token(server)[1]))
    path = f"/api/projects/{server.project_id}"
    assert server.call("DELETE", path, token=server.owner_token).status == 204
    assert "This view has ended" in words(get(server, "/wall", cookie))


def test_nobody_s_wait_is_the_wall_s_own(server: Server) -> None:
    path = f"/api/projects/{server.project_id}/agent-sessions"
    session = server.call("POST", path, token=server.owner_token, json={"machine_id": "a"}).json["session_id"]
    at = "2026-11-24T08:00:00Z"
    event = {"id": "e", "kind": "waiting", "at": at, "session": session, "tool": "Bash", "tool_id": "t"}
    body = {"sent_at": at, "project_id": server.project_id, "machine_id": "a", "events": [event]}
    assert server.call("POST", "/api/agent-events", token=server.owner_token, json=body).status == 200
    cookie = cookie_of(opened(server, new_token(server)[1]))
    shown = get(server, "/wall", cookie)
    name = server.call("GET", "/api/me", token=server.owner_token).json["name"]
    assert f"Waiting for {name}" in words(shown)
    assert b"data-mine" not in shown.body
