"""The page behind an invitation: it lets one person in, signs their browser in, and shows their token once."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from tests.asking import Answer
from tests.serving import Server

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def _link(server: Server) -> str:
    project = server.call("POST", "/api/projects", token=server.owner_token, json={"name": "joined"}).json["id"]
    path = f"/api/projects/{project}/invitations"
    return str(server.call("POST", path, token=server.owner_token, json={"role": "member"}).json["url"])


def _post(server: Server, headers: dict[str, str] | None = None, **fields: str) -> Answer:
    sent = {**_FORM, **(headers or {})}
    return server.call("POST", "/join", token=None, body=urlencode(fields).encode(), headers=sent)


def _cookie(answer: Answer) -> dict[str, str]:
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


def test_somebody_new_joins_and_is_signed_in(server: Server) -> None:
    assert server.call("GET", "/join", token=None).status == 200
    link = _link(server)
    joined = _post(server, secret=link, name="<b>Bob</b>")
    assert joined.status == 200
    [token] = re.findall(r"ody_[0-9A-Za-z]{36}", joined.body.decode())
    assert server.call("GET", "/api/me", token=token).json["name"] == "<b>Bob</b>"
    page = server.call("GET", "/projects", token=None, headers=_cookie(joined)).body.decode()
    assert "joined" in page
    assert "<b>Bob" not in page
    again = _post(server, secret=link, name="Eve")
    assert again.status == 400
    assert "does not let you in" in again.body.decode()
    # Who is signed in joins with that account, and needs no other token.
    second = _post(server, _cookie(joined), secret=_link(server))
    assert second.status == 200
    assert "ody_" not in second.body.decode()
    assert len(server.call("GET", "/api/projects", token=token).json["projects"]) == 2


def test_what_is_wrong_is_said_and_spends_nothing(server: Server) -> None:
    link = _link(server)
    assert "Give a name" in _post(server, secret=link).body.decode()
    foreign = _post(server, {"Origin": "http://evil.example"}, secret=link, name="Bob")
    assert foreign.status == 403
    assert server.call("POST", "/join", token=None, body=b"{}").status == 415
    assert _post(server, secret=link, name="Bob").status == 200
