"""Alice's team on a real server, Charlie's own project beside it, and everybody's tokens, good and bad."""

from __future__ import annotations

import json as json_text
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import pytest

from onduty.clock import rfc3339, wall_ms
from tests.asking import Answer
from tests.people import ALICE, BOB, CHARLIE, VERA
from tests.serving import Server

NOBODY, WRONG, EXPIRED, REVOKED, READER = "nobody", "wrong", "expired", "revoked", "reader"
BAD: Final = (WRONG, EXPIRED, REVOKED)
UNKNOWN: Final = "0198f0a4-0000-7000-8000-000000000000"
BEHIND_A_PROXY: Final = {"ONDUTY_TRUSTED_PROXIES": "127.0.0.1"}
_MCP: Final = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
_hosts = count(1)


def elsewhere_from() -> dict[str, str]:
    """A header that says, behind the proxy that the server trusts, that this comes from an address of its own."""
    number = next(_hosts)
    return {"X-Forwarded-For": f"198.51.{number // 250}.{number % 250 + 1}"}


@dataclass
class World:
    """`team` is of Alice (owner), Bob (member) and Vera (viewer), `elsewhere` of Charlie alone."""

    server: Server
    tokens: dict[str, str | None] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    team: str = ""
    elsewhere: str = ""

    def call(self, who: str, method: str, path: str, json: Any = None, **headers: str) -> Answer:
        """A REST call below `/api`."""
        return self.server.call(method, f"/api{path}", token=self.tokens[who], json=json, headers=headers)

    def did(self, who: str, method: str, path: str, json: Any = None) -> Any:
        """What a call that has to work answers."""
        answer = self.call(who, method, path, json)
        assert 200 <= answer.status < 300, (who, method, path, answer.status, answer.body)
        return answer.json

    def tool(self, who: str, name: str, arguments: Mapping[str, Any], **headers: str) -> Answer:
        """An MCP tool call, without a wire id."""
        params = {"name": name, "arguments": arguments}
        return self.rpc(who, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, **headers)

    def rpc(self, who: str, message: Mapping[str, Any], **headers: str) -> Answer:
        sent = {**_MCP, "Onduty-Machine": "walk", **headers}
        return self.server.call("POST", "/mcp", token=self.tokens[who], json=message, headers=sent)

    def secret(self, who: str, project_id: str, role: str) -> str:
        """The secret of a new invitation."""
        url: str = self.did(who, "POST", f"/projects/{project_id}/invitations", {"role": role})["url"]
        assert url.startswith(f"{self.server.url}/join#")
        return url.partition("#")[2]

    def accept(self, secret: str, name: str | None = None, token: str | None = None) -> Answer:
        body = {"secret": secret} | ({} if name is None else {"name": name})
        headers = elsewhere_from()
        return self.server.call("POST", "/api/invitations/accept", token=token, json=body, headers=headers)

    def join(self, name: str, project_id: str, role: str, by: str = ALICE.name) -> str:
        """Somebody new joins, and has a token under their name from now on; the answer is their user id."""
        joined = self.accept(self.secret(by, project_id, role), name)
        assert joined.status == 200, joined.body
        self.tokens[name], self.users[name] = joined.json["token"], joined.json["user_id"]
        return self.users[name]

    def project(self, who: str, name: str) -> str:
        project_id: str = self.did(who, "POST", "/projects", {"name": name})["id"]
        return project_id

    def session(self, who: str, project_id: str) -> str:
        path = f"/projects/{project_id}/agent-sessions"
        session_id: str = self.did(who, "POST", path, {"machine_id": "laptop"})["session_id"]
        return session_id

    def token(self, who: str, name: str = "another", **wanted: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.did(who, "POST", "/tokens", {"name": name, **wanted})
        return made


def settle(server: Server) -> World:
    """Let the people move in."""
    world = World(server, {NOBODY: None, WRONG: "ody_" + "0" * 36, ALICE.name: server.owner_token})
    world.users[ALICE.name] = world.did(ALICE.name, "GET", "/me")["user_id"]
    world.team = world.project(ALICE.name, "team")
    for person in (BOB, VERA):
        world.join(person.name, world.team, str(person.membership))
    world.join(CHARLIE.name, world.project(ALICE.name, "hall"), "viewer")
    world.elsewhere = world.project(CHARLIE.name, "elsewhere")
    world.tokens[READER] = world.token(ALICE.name, read_only=True)["token"]
    world.users[READER] = world.users[ALICE.name]
    revoked = world.token(ALICE.name)
    world.tokens[REVOKED] = revoked["token"]
    world.did(ALICE.name, "DELETE", f"/tokens/{revoked['id']}")
    ends_at = wall_ms() + 1_000
    world.tokens[EXPIRED] = world.token(ALICE.name, expires_at=rfc3339(ends_at))["token"]
    time.sleep(max(0.0, (ends_at - wall_ms()) / 1000) + 0.1)
    return world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    running = Server.start(tmp_path_factory.mktemp("world"), environment=BEHIND_A_PROXY)
    yield settle(running)
    running.kill9()


def answer_of(tool: Answer) -> tuple[str, Any]:
    """A tool's outcome: the refusal's code, or `ok` and what it said."""
    result = tool.json["result"]
    text = result["content"][0]["text"]
    return (text.partition(":")[0], None) if result.get("isError") else ("ok", json_text.loads(text))
