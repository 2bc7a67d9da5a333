"""Signing in and the page, over plain HTTP."""

from __future__ import annotations

import asyncio
import html
import re
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from fastapi import APIRouter

from onduty.application import rest
from onduty.web.layout import PageRoute, own_path
from tests.asking import Answer
from tests.inside import Request, Still, Told, furnish, opened
from tests.serving import Server, StartServer

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
POLICY = {
    "default-src 'none'",
    "style-src 'self'",
    "script-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "worker-src 'self'",
    "form-action 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}


def post(server: Server, path: str, cookie: str = "", **fields: str) -> Answer:
    headers = {**FORM, **({"Cookie": cookie} if cookie else {})}
    return server.call("POST", path, token=None, body=urlencode(fields).encode(), headers=headers)


def get(server: Server, path: str, cookie: str = "", **headers: str) -> Answer:
    return server.call("GET", path, token=None, headers={**({"Cookie": cookie} if cookie else {}), **headers})


def is_sent_to_sign_in(answer: Answer, back: str = "") -> None:
    assert (answer.status, answer.headers["location"]) == (303, f"/sign-in{back}"), answer.body


def new_link(server: Server) -> str:
    made = server.call("POST", "/api/sign-in-links", token=server.owner_token)
    assert made.status == 201, made.body
    url: str = made.json["url"]
    assert url.startswith(f"{server.url}/sign-in#")
    return url


def signed_in(server: Server) -> str:
    """The cookie of a browser that just spent a link. A test file may do so ten times a minute."""
    answer = post(server, "/sign-in", secret=new_link(server).partition("#")[2])
    assert (answer.status, answer.headers["location"]) == (303, "/"), answer.body
    return str(answer.headers["set-cookie"]).partition(";")[0]


def text(answer: Answer) -> str:
    """What a person reads on the page."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.body.decode())).split())


def register(server: Server, project: str, **fields: Any) -> dict[str, Any]:
    path = f"/api/projects/{project}/agent-sessions"
    answer = server.call("POST", path, token=server.owner_token, json={"machine_id": "laptop", **fields})
    assert answer.status == 201, answer.body
    row: dict[str, Any] = answer.json
    return row


def project(server: Server, name: str) -> str:
    made = server.call("POST", "/api/projects", token=server.owner_token, json={"name": name})
    assert made.status == 201, made.body
    return str(made.json["id"])


def is_page(answer: Answer, status: int) -> None:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert set(answer.headers["content-security-policy"].split("; ")) == POLICY
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_printed_link_signs_in_once(start_server: StartServer) -> None:
    server = start_server()
    secret = server.sign_in_link.partition("#")[2]
    first, second = (post(server, "/sign-in", secret=secret) for _ in range(2))
    assert (first.status, first.headers["location"]) == (303, "/")
    cookie, *attributes = str(first.headers["set-cookie"]).split("; ")
    assert re.fullmatch(r"onduty=[0-9a-f]{64}", cookie)
    assert {a.lower() for a in attributes} == {"httponly", "path=/", "samesite=lax", "max-age=1209600"}
    is_page(second, 400)
    assert "set-cookie" not in second.headers
    is_page(get(server, "/projects", cookie), 200)
    log = server.log.read_text()
    assert secret not in log
    assert cookie.partition("=")[2] not in log


def test_of_two_who_spend_a_link_at_once_one_is_in(server: Server) -> None:
    secret = new_link(server).partition("#")[2]
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(post(server, "/sign-in", secret=secret).status))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [303, 400]


def test_the_whole_link_may_be_pasted(server: Server) -> None:
    answer = post(server, "/sign-in", secret=f"  {new_link(server)}\n")
    assert answer.status == 303, answer.body


def test_nobody_is_told_how_to_sign_in(server: Server) -> None:
    for cookie in ("", "onduty=", "onduty=wrong", "other=1"):
        answer = get(server, "/", cookie)
        is_sent_to_sign_in(answer)
        assert server.project_id.encode() not in answer.body
    answer = get(server, "/sign-in")
    is_page(answer, 200)
    assert "onduty sign-in" in text(answer)
    is_page(get(server, f"/on-duty/{server.project_id}", **{"Sec-Fetch-Mode": "cors"}), 401)


def test_who_signs_in_comes_back_to_where_they_were_sent_from(start_server: StartServer) -> None:
    server = start_server()
    path = f"/projects/{server.project_id}"
    sent = get(server, f"{path}?group=role")
    is_sent_to_sign_in(sent, f"?next={quote(f'{path}?group=role', safe='')}")
    page = get(server, sent.headers["location"])
    assert f'name="next" value="{path}?group=role"'.encode() in page.body
    link = new_link(server).partition("#")[2]
    assert post(server, "/sign-in", secret=link, next=f"{path}?group=role").headers["location"] == f"{path}?group=role"


def test_nobody_is_sent_to_another_server(start_server: StartServer) -> None:
    server = start_server()
    for elsewhere in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "evil",
        "/\n/x",
        "/\t/evil.example",
    ):
        assert own_path(elsewhere) == "/"
        assert post(server, "/theme", theme="dark", next=elsewhere).headers["location"] == "/"
    link = new_link(server).partition("#")[2]
    assert post(server, "/sign-in", secret=link, next="//evil.example").headers["location"] == "/"


def test_a_theme_is_kept_in_the_browser_and_can_be_left_to_the_system(server: Server) -> None:
    chosen = post(server, "/theme", theme="dark", next="/sign-in")
    assert (chosen.status, chosen.headers["location"]) == (303, "/sign-in")
    cookie = chosen.headers["set-cookie"].partition(";")[0]
    assert b'data-theme="dark"' in get(server, "/sign-in", cookie).body
    assert b"data-theme" not in get(server, "/sign-in", "onduty-theme=x").body
    assert "max-age=0" in post(server, "/theme", theme="system").headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "body", [b"", b"secret=", b"secret=%00", b"secret=%ff", b"other=1", b"secret=" + b"a" * 20_000]
)
def test_what_is_no_link_is_refused(start_server: StartServer, body: bytes) -> None:
    server = start_server()
    answer = server.call("POST", "/sign-in", token=None, body=body, headers=FORM)
    is_page(answer, 413 if len(body) > 10_000 else 400)


def test_tries_are_counted_by_address(start_server: StartServer) -> None:
    server = start_server()
    secret = server.sign_in_link.partition("#")[2]
    assert [post(server, "/sign-in", secret="0" * 64).status for _ in range(10)] == [400] * 10
    refused = post(server, "/sign-in", secret=secret)
    is_page(refused, 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 6
    assert "set-cookie" not in refused.headers


def test_signing_out_ends_the_session_itself(server: Server) -> None:
    cookie = signed_in(server)
    out = post(server, "/sign-out", cookie)
    is_sent_to_sign_in(out)
    assert "max-age=0" in out.headers["set-cookie"].lower()
    is_sent_to_sign_in(get(server, "/", cookie))


def test_signing_in_again_ends_the_session_before(server: Server) -> None:
    before = signed_in(server)
    again = post(server, "/sign-in", before, secret=new_link(server))
    assert again.status == 303
    is_sent_to_sign_in(get(server, "/", before))


def test_over_https_the_cookie_is_held_to_the_host(start_server: StartServer) -> None:
    server = start_server()
    server.arguments = ["--public-url", "https://onduty.example"]
    server.restart()
    link = server.call("POST", "/api/sign-in-links", token=server.owner_token).json["url"]
    assert link.startswith("https://onduty.example/sign-in#")
    answer = post(server, "/sign-in", secret=link)
    cookie, *attributes = str(answer.headers["set-cookie"]).split("; ")
    assert cookie.startswith("__Host-onduty=")
    assert {"secure", "path=/"} <= {a.lower() for a in attributes}
    assert not any(a.lower().startswith("domain") for a in attributes)


def test_a_narrowed_or_read_only_token_makes_no_link(server: Server) -> None:
    assert server.call("POST", "/api/sign-in-links").status == 403
    read_only = server.call("POST", "/api/tokens", token=server.owner_token, json={"name": "r", "read_only": True})
    assert server.call("POST", "/api/sign-in-links", token=read_only.json["token"]).status == 403
    assert server.call("POST", "/api/sign-in-links", token=None).status == 401


def test_a_foreign_page_asks_nothing_with_a_cookie(server: Server) -> None:
    cookie = signed_in(server)
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{server.port + 1}"):
        for method, path in (("GET", "/"), ("POST", "/sign-in"), ("POST", "/sign-out")):
            headers = {**FORM, "Cookie": cookie, "Origin": origin}
            assert server.call(method, path, token=None, body=b"", headers=headers).status == 403
    is_page(get(server, "/projects", cookie), 200)
    assert get(server, "/api/me", cookie).status == 401


def test_the_page_says_what_the_api_says(server: Server) -> None:
    cookie, chosen = signed_in(server), project(server, "shown")
    row = register(server, chosen, caller_origin="codex", caller_role="qa", branch="fix/x", client_version="0.91")
    server.call(
        "PATCH",
        f"/api/agent-sessions/{row['session_id']}",
        token=server.owner_token,
        json={"said": "<img src=x onerror=alert(1)> {{ 7*7 }}", "ticket": "CHK-1"},
    )
    ended = register(server, chosen, machine_id="gone")
    server.call("DELETE", f"/api/agent-sessions/{ended['session_id']}", token=server.owner_token)
    for path in (f"/projects/{chosen}", f"/on-duty/{chosen}"):
        answer = get(server, path, cookie)
        is_page(answer, 200)
        words = text(answer)
        assert re.search(r"1 on duty at \d\d:\d\d:\d\d 0 waiting for a person 1 working", words)
        for word in ("laptop", "Codex 0.91", "· qa", "fix/x", "CHK-1", "Called"):
            assert word in words, word
        assert "<img src=x onerror=alert(1)> {{ 7*7 }}" in words
        assert b"<img" not in answer.body
        assert "gone" not in words
        assert f'id="session-{row["session_id"]}"'.encode() in answer.body
        assert row["connected_at"].encode() in answer.body


def test_times_of_day_stand_in_the_reader_s_zone(server: Server) -> None:
    cookie, chosen = signed_in(server), project(server, "zones")
    row = register(server, chosen)
    hour = int(row["connected_at"][11:13])
    for zone, told in (("Asia/Tokyo", (hour + 9) % 24), ("", hour), ("../../etc/passwd", hour), ("Europe", hour)):
        answer = get(server, f"/on-duty/{chosen}", f"{cookie}; onduty-zone={zone}")
        assert re.search(rf"On since .* {told:02}:{row['connected_at'][14:16]} ", text(answer)), zone
        assert ("are UTC" in text(answer)) == (zone != "Asia/Tokyo")


def test_projects_are_chosen_by_id(server: Server) -> None:
    cookie, other = signed_in(server), project(server, "zz-other")
    assert get(server, "/", cookie).headers["location"] == "/projects"
    answer = get(server, "/projects", cookie)
    assert f'href="/projects/{other}"'.encode() in answer.body
    assert "Nobody on duty" in text(get(server, f"/projects/{other}", cookie))
    for wrong, status in (("018f0000-0000-7000-8000-000000000001", 403), ("x", 400)):
        is_page(get(server, f"/projects/{wrong}", cookie), status)
        is_page(get(server, f"/on-duty/{wrong}", cookie), status)


def test_every_answer_has_a_policy(server: Server) -> None:
    """What is no page may do nothing in a browser; files are under the pages' policy, for workers are held to it."""
    nothing = {"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"}
    session = register(server, server.project_id)["session_id"]
    hot = f"/api/projects/{server.project_id}/agent-sessions"
    for method, path, expected in (
        ("GET", hot, nothing),
        ("GET", f"{hot}?active=false", nothing),
        ("POST", f"/api/agent-sessions/{session}/activity", nothing),
        ("GET", "/api/me", nothing),
        ("GET", "/api/openapi.json", nothing),
        ("GET", "/api/no-such-path", nothing),
        ("POST", "/mcp", nothing),
        ("GET", "/healthz", nothing),
        ("GET", "/client/onduty.pyz", nothing),
        ("GET", "/static/part.js", POLICY),
        ("GET", "/static/no-such-file", nothing),
        ("GET", "/api/docs", (POLICY - {"img-src 'self'"}) | {"img-src 'self' data:"}),
    ):
        policies = server.call(method, path).headers.get_all("content-security-policy")
        assert policies is not None, path
        assert [set(policy.split("; ")) for policy in policies] == [expected], path


def test_a_path_that_is_none_is_a_page_for_people(server: Server) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path in ("/no-such-page", "/projects/x/y/z"):
        answer = get(server, path, **browser)
        is_page(answer, 404)
        assert "There is no page at this address." in text(answer)
        assert get(server, path).json["code"] == "NOT_FOUND"
    is_page(server.call("DELETE", "/projects", token=None, headers=browser), 405)
    for path in ("/api/no-such-path", "/static/no-such-file"):
        assert get(server, path, **browser).json["code"] == "NOT_FOUND"


def test_a_page_that_fails_says_under_which_id_it_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    router = APIRouter(route_class=PageRoute)

    @router.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError("what is behind it")

    async def run() -> Told:
        clock = Still()
        people = await furnish(tmp_path / "data.sqlite3", clock)
        async with opened(tmp_path / "data.sqlite3", clock, *people) as inside:
            app = rest(inside.rooms)
            app.include_router(router)
            inside.front.app = app
            return await inside.ask(Request("GET", "/broken"))

    answer = asyncio.run(run())
    said = answer.body.decode()
    found = re.search(r"This page failed\. It is logged as ([0-9a-f]+-\d+)\.", said)
    assert (answer.status, found is not None) == (500, True)
    assert "what is behind it" not in said
    assert found is not None
    assert (b"x-request-id", found[1].encode()) in answer.headers
    assert "a page failed" in caplog.text
