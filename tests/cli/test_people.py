"""`onduty project | member | token` against a real server, as its owner and as who joins."""

from __future__ import annotations

import json
import re

from tests.cli.test_real_server import onduty
from tests.serving import Server


def _joined(server: Server, url: str, name: str) -> dict[str, str]:
    """The environment of somebody new who opened the link."""
    body = {"secret": url.strip().partition("#")[2], "name": name}
    said = server.call("POST", "/api/invitations/accept", token=None, json=body)
    assert said.status == 200, said.body
    return {"ONDUTY_SERVER": server.url, "ONDUTY_TOKEN": said.json["token"]}


def test_a_team_comes_together_and_apart(server: Server) -> None:
    project = onduty(server, "project", "create", "crew")[1].strip()
    code, link, err = onduty(server, "member", "invite", "--role", "member", "--project", "crew")
    assert code == 0
    assert re.fullmatch(rf"{server.url}/join#[0-9a-f]{{64}}\n", link)
    assert link.strip().partition("#")[2] not in err
    bob = _joined(server, link, "Bob")
    code, out, _ = onduty(server, "member", "list", "--project", "crew", "--json")
    members = json.loads(out)["members"]
    assert (code, [m["role"] for m in members]) == (0, ["owner", "member"])
    assert onduty(server, "project", "rename", "crew", "team", **bob)[0] == 4
    assert onduty(server, "project", "rename", "crew", "team")[0] == 0
    assert onduty(server, "member", "role", "bob", "viewer", "--project", "team")[0] == 0
    code, out, _ = onduty(server, "member", "list", **bob)
    assert code == 0
    assert re.search(r"^Bob +viewer +\S+$", out, re.MULTILINE)
    assert onduty(server, "member", "role", members[0]["name"], "viewer", "--project", project)[0] == 5
    assert onduty(server, "member", "role", "Bob", "boss", "--project", project)[0] == 2
    assert onduty(server, "member", "remove", "Nobody", "--project", project)[0] == 4
    assert onduty(server, "member", "remove", "Bob", **bob)[0] == 0
    assert json.loads(onduty(server, "project", "list", "--json", **bob)[1]) == {"projects": []}
    assert onduty(server, "project", "delete", "team")[0] == 2, "nothing is deleted by surprise"
    assert onduty(server, "project", "delete", "team", "--yes")[0] == 0
    assert onduty(server, "who", "--project", project)[0] == 4


def test_an_invitation_is_listed_and_withdrawn(server: Server) -> None:
    project = onduty(server, "project", "create", "inviting")[1].strip()
    link = onduty(server, "member", "invite", "--project", project)[1].strip()
    [invitation] = json.loads(onduty(server, "member", "list", "--project", project, "--json")[1])["invitations"]
    assert onduty(server, "member", "remove", invitation["id"], "--project", project)[0] == 0
    body = {"secret": link.partition("#")[2], "name": "Late"}
    assert server.call("POST", "/api/invitations/accept", token=None, json=body).status == 400


def test_tokens_are_listed_and_revoked(server: Server) -> None:
    secret = onduty(server, "token", "create", "--name", "ci", "--all-projects", "--read-only")[1].strip()
    code, out, _ = onduty(server, "token", "list")
    assert code == 0
    assert re.search(r"^ci +all, read-only +never ", out, re.MULTILINE)
    assert secret not in out
    by_it = {"ONDUTY_SERVER": server.url, "ONDUTY_TOKEN": secret}
    assert onduty(server, "status", **by_it)[0] == 0
    tokens = {t["name"]: t for t in json.loads(onduty(server, "token", "list", "--json")[1])["tokens"]}
    assert tokens["ci"]["last_used_at"] is not None
    assert not any(name.startswith("command line") for name in tokens), "a token does not list itself"
    assert onduty(server, "token", "revoke", "ci", **by_it)[0] == 4
    assert onduty(server, "token", "revoke", "ci")[0] == 0
    assert onduty(server, "status", **by_it)[0] == 4
    assert onduty(server, "token", "revoke", "ci")[0] == 4
