"""A small session of everything, and then a search for its secrets where none may be: logs, errors, the document, the
database's files while it runs, and the list of processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.asking import Answer, ask
from tests.cli.test_real_server import _environment, onduty
from tests.mcp.speaking import LATE, MODERN, Desk
from tests.raw import bearer, request, send
from tests.serving import Server

_TOKEN = re.compile(rb"ody_[0-9A-Za-z]{36}")
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Session:
    """What was done: the secrets that came up, every answer that is to hold none of them, and how commands looked."""

    server: Server
    secrets: dict[str, str] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    processes: set[bytes] = field(default_factory=set)

    def ask(self, method: str, path: str, **more: object) -> Answer:
        """An answer that tells no secret."""
        answer = self.server.call(method, path, **more)  # type: ignore[arg-type]
        self.answers.append(answer)
        return answer

    def look(self) -> None:
        """Take down the command line and the environment's names of every process."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                self.processes.add((process / "cmdline").read_bytes())
            except OSError:
                pass  # It is gone.


def _tokens(did: Session) -> None:
    owner = did.server.owner_token
    for name in ("spare", "revoked"):
        made = did.server.call("POST", "/api/tokens", token=owner, json={"name": name})
        did.secrets[name] = made.json["token"]
        did.ask("GET", "/api/me", token=did.secrets[name])
        if name == "revoked":
            did.ask("DELETE", f"/api/tokens/{made.json['id']}", token=owner)
            did.ask("GET", "/api/me", token=did.secrets[name])
    for path in ("/api/tokens", "/api/me", "/api/projects"):
        did.ask("GET", path, token=owner)


def _people(did: Session) -> None:
    path, owner = f"/api/projects/{did.server.project_id}/invitations", did.server.owner_token
    secrets = [did.server.call("POST", path, token=owner, json={}).json["url"].partition("#")[2] for _ in range(2)]
    did.secrets |= {"invitation": secrets[0], "open invitation": secrets[1]}
    body = {"secret": secrets[0], "name": "Bob"}
    did.secrets["Bob"] = did.server.call("POST", "/api/invitations/accept", token=None, json=body).json["token"]
    did.ask("POST", "/api/invitations/accept", token=None, json=body)
    did.ask("GET", path, token=owner)
    did.ask("GET", f"/api/projects/{did.server.project_id}/audit", token=owner)


def _browser(did: Session) -> None:
    link = did.server.call("POST", "/api/sign-in-links", token=did.server.owner_token).json["url"]
    for name, secret in (("link", link.partition("#")[2]), ("first link", did.server.sign_in_link.partition("#")[2])):
        did.secrets[name] = secret
        answer = did.ask("POST", "/sign-in", token=None, body=f"secret={secret}".encode(), headers=_FORM)
        did.secrets[f"cookie of the {name}"] = answer.headers["set-cookie"].partition(";")[0].partition("=")[2]
        did.ask("POST", "/sign-in", token=None, body=f"secret={secret}".encode(), headers=_FORM)
    cookie = f"onduty={did.secrets['cookie of the link']}"
    for path in ("/", "/join", "/sign-in", "/nowhere"):
        did.ask("GET", path, token=None, headers={"Cookie": cookie})


def _agents(did: Session) -> None:
    server = did.server
    desk = Desk(server, server.project_id, server.token)
    for era in (LATE, MODERN):
        client = desk.client(era).started()
        client.call("set_status", {"said": "hello"})
        client.call("who_is_on_duty")
        if client.wire is not None:
            did.secrets["wire id"] = client.wire
    desk.tell("thread", "prompt")


def _mistakes(did: Session) -> None:
    """Secrets where they do not belong: in addresses, names, bodies, headers, broken requests."""
    secret, project = did.server.token, did.server.project_id
    for path in (f"/api/me?token={secret}", f"/api/{secret}", f"/{secret}", f"/api/agent-sessions/{secret}"):
        did.ask("GET", path, token=None)
        did.ask("GET", path)
    did.ask("GET", "/api/me", token=secret[:-1] + ("a" if secret[-1] != "a" else "b"))
    did.ask("POST", f"/api/projects/{project}/agent-sessions", json={"machine_id": [secret], secret: secret})
    did.ask("POST", f"/api/projects/{project}/agent-sessions", body=secret.encode())
    did.ask("GET", "/api/me", headers={"Onduty-Session": secret, "Onduty-Project": secret})
    did.ask("POST", "/mcp", json={"jsonrpc": "2.0", "id": 1, "method": secret, "params": {secret: secret}})
    did.ask("GET", f"/api/projects/{project}/agent-sessions?state={secret}&cursor={secret}")
    for broken in (f"GET /{secret}\r\n\r\n".encode(), request("GET", "/", [bearer(secret), bearer(secret)])):
        did.answers.append(send(did.server.port, broken))


def _commands(did: Session) -> None:
    """Commands, looked at while they run."""
    command = [sys.executable, "-m", "onduty.cli.main", "who", "--watch", "--json"]
    env = _environment(did.server)
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as watching:
        for _ in range(20):
            did.look()
            time.sleep(0.1)
        watching.terminate()
    for words in (("status",), ("config",), ("doctor",), ("token", "list"), ("project", "list"), ("member", "list")):
        _, out, err = onduty(did.server, *words, ONDUTY_TOKEN=did.secrets["spare"])
        found = (out + err).encode()
        did.answers.append(Answer(200, ask(did.server.port, "GET", "/livez").headers, found))


@pytest.fixture(scope="module")
def did(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    server = Server.start(tmp_path_factory.mktemp("secrets"), environment={"ONDUTY_LOG_LEVEL": "debug"})
    session = Session(server, {"first token": server.token, "owner's": server.owner_token})
    for part in (_tokens, _people, _browser, _agents, _mistakes, _commands):
        part(session)
    yield session
    server.kill9()


def test_it_was_a_session_of_everything(did: Session) -> None:
    assert len(did.secrets) == 12
    assert all(len(secret) > 20 for secret in did.secrets.values())
    assert {answer.status for answer in did.answers} >= {200, 400, 401, 404}
    assert any(b"onduty.cli.main\0who" in process for process in did.processes)


def _found(did: Session, where: bytes, *but: str) -> list[str]:
    return [name for name, secret in did.secrets.items() if name not in but and secret.encode() in where]


def test_no_log_holds_one(did: Session) -> None:
    """At the most talkative level, and neither what was printed after the first lines."""
    log = did.server.log.read_bytes()
    assert _found(did, log) == []
    assert not _TOKEN.search(log)


def test_no_answer_holds_one(did: Session) -> None:
    for answer in did.answers:
        assert _found(did, answer.body) == [], answer.body
        headers = "".join(f"{n}: {v}\n" for n, v in answer.headers.items() if n.lower() != "set-cookie")
        assert _found(did, headers.encode()) == []


def test_the_document_holds_none(did: Session) -> None:
    """Nor anything that looks like one, examples included."""
    for path in ("/api/openapi.json", "/api/docs"):
        body = did.server.call("GET", path, token=None).body
        assert _found(did, body) == []
        assert not _TOKEN.search(body)


def test_no_file_of_the_data_folder_holds_one(did: Session) -> None:
    """The write-ahead log included, while it runs. A wire id is no secret: without its token it opens nothing."""
    files = {file.name: file.read_bytes() for file in did.server.data.iterdir() if file.is_file()}
    assert {"onduty.sqlite3", "onduty.sqlite3-wal"} <= set(files)
    for name, kept in files.items():
        assert _found(did, kept, "wire id") == [], name
        assert not _TOKEN.search(kept)


def test_no_process_shows_one(did: Session) -> None:
    assert _found(did, b"\0".join(did.processes)) == []


def test_no_file_beside_the_credential_holds_one(did: Session) -> None:
    """Below the home and the folder that it works in, the credentials file alone has one, for its owner's eyes."""
    for file in did.server.folder.rglob("*"):
        if file.is_file() and file.name != "credentials.json" and not file.is_relative_to(did.server.data):
            assert _found(did, file.read_bytes()) == [], file
    kept = did.server.configuration / "onduty" / "credentials.json"
    assert os.stat(kept).st_mode & 0o777 == 0o600
