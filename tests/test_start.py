"""How a server starts, refuses to start, and leaves: real processes, each on data of its own."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import sqlite3
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from onduty.cleaning import slug
from tests.asking import ask
from tests.raw import bearer, request
from tests.serving import Server, StartServer
from tests.wheel import onduty

_DATABASE = "onduty.sqlite3"
_TOKEN = re.compile(r"ody_[0-9A-Za-z]{36}")


def _environment(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ONDUTY_")}
    own = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "ONDUTY_DATA": str(folder / "data")}
    return {**kept, **own, "ONDUTY_PORT": "0", **more}


def _serve(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """`onduty serve` to its end, which is expected at once."""
    command = onduty("serve", *arguments)
    return subprocess.run(command, env=_environment(folder, more), capture_output=True, text=True, timeout=30)


def _says_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Assert that a start was refused: exit 2, nothing on stdout, one line that holds these words on stderr."""
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("onduty: ")
    for word in words:
        assert word in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def _made_nothing(folder: Path) -> None:
    assert not (folder / "data" / _DATABASE).exists()
    assert not (folder / "config").exists()


@pytest.fixture
def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port: int = listening.getsockname()[1]
        return port


def test_all_is_printed_before_the_port_answers(tmp_path: Path, free_port: int) -> None:
    """The first request that is answered finds link, token and command written, each once, alone and never wrapped."""
    told = tmp_path / "stdout.txt"
    more = {"ONDUTY_PORT": str(free_port), "COLUMNS": "20"}
    with told.open("w") as stdout:
        process = subprocess.Popen(onduty("serve"), env=_environment(tmp_path, more), stdout=stdout)
    try:
        _until_answered(free_port)
        lines = told.read_text().split("\n")
    finally:
        process.terminate()
        assert process.wait(10) == 0
    origin = f"http://127.0.0.1:{free_port}"
    [link] = [line for line in lines if "/sign-in" in line]
    secret = link.removeprefix(f"{origin}/sign-in#")
    assert re.fullmatch(r"[0-9A-Za-z_-]{32,}", secret)
    assert not secret.startswith("ody_")
    [token] = [line for line in lines if line.startswith("ody_")]
    assert _TOKEN.fullmatch(token)
    [command] = [line for line in lines if line.startswith("claude ")]
    assert command == (
        f'claude mcp add --scope user --transport http onduty {origin}/mcp --header "Authorization: Bearer {token}"'
    )


def _until_answered(port: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            assert ask(port, "GET", "/livez").status == 200
            return
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.005)


def test_what_the_first_start_makes(server: Server) -> None:
    """A token that is narrowed to the first project with this machine as its default, and one that is not narrowed."""
    machine = slug(socket.gethostname()[:64], "machine_id")
    own = server.call("GET", "/api/me").json
    assert (own["token"]["project_ids"], own["token"]["machine_id"]) == ([server.project_id], machine)
    assert (own["token"]["read_only"], own["token"]["expires_at"]) == (False, None)
    owner = server.call("GET", "/api/me", token=server.owner_token).json
    assert (owner["token"]["project_ids"], owner["user_id"]) == (None, own["user_id"])
    assert owner["token"]["id"] != own["token"]["id"]
    [project] = server.call("GET", "/api/projects", token=server.owner_token).json["projects"]
    assert (project["id"], project["role"]) == (server.project_id, "owner")


def test_the_credential_is_kept_for_its_owner_alone(server: Server) -> None:
    """credentials.json is 0600 with an entry of this address; data folder 0700 and its files 0600."""
    path = server.configuration / "onduty" / "credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert server.url in json.dumps(json.loads(path.read_text()))
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    for file in server.data.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_secrets_are_told_once_and_kept_nowhere(start_server: StartServer) -> None:
    """A second start prints none; log and database hold none; the first start's tokens go on working."""
    server = start_server()
    secrets = [server.token, server.owner_token, server.sign_in_link.partition("#")[2]]
    before = list(server.lines)
    server.restart()
    assert not any(_TOKEN.search(line) or "sign-in" in line for line in server.lines[len(before) :])
    assert server.call("GET", "/api/me").status == server.call("GET", "/api/me", token=server.owner_token).status == 200
    assert server.stop() == 0
    kept = server.log.read_bytes() + b"".join(file.read_bytes() for file in server.data.iterdir())
    for secret in secrets:
        assert secret.encode() not in kept


def test_a_port_in_use(tmp_path: Path) -> None:
    """One line that names the port; neither folder nor database nor credential is made."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        _says_one_line(_serve(tmp_path, "--port", port), port, "in use")
    _made_nothing(tmp_path)
    assert not (tmp_path / "data").exists()


def test_a_second_server_on_the_same_data(server: Server) -> None:
    """It is refused with the first one's pid, and the first goes on."""
    done = _serve(server.folder / "other", ONDUTY_DATA=str(server.data))
    _says_one_line(done, str(server.pid))
    same_port = _serve(server.folder / "other", "--port", str(server.port), ONDUTY_DATA=str(server.data))
    _says_one_line(same_port, str(server.pid))
    assert not (server.folder / "other" / "config").exists()
    assert server.call("GET", "/readyz").status == 200


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A data folder below a file: one line that names it."""
    (tmp_path / "file").write_text("")
    done = _serve(tmp_path, "--data", str(tmp_path / "file" / "data"))
    _says_one_line(done, str(tmp_path / "file"))
    _made_nothing(tmp_path)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_an_address_that_others_reach_needs_a_public_url(tmp_path: Path, host: str) -> None:
    """It is refused without one, and says why; nothing is made."""
    _says_one_line(_serve(tmp_path, "--host", host), host, "public_url".upper(), "--public-url")
    _made_nothing(tmp_path)
    assert not (tmp_path / "data").exists()


def test_an_address_of_another_machine(tmp_path: Path) -> None:
    """With a public URL it is tried, and not listening there is one line."""
    done = _serve(tmp_path, "--host", "192.0.2.1", "--public-url", "https://onduty.example.com")
    _says_one_line(done, "192.0.2.1")
    _made_nothing(tmp_path)


def test_an_unknown_setting_is_guessed(tmp_path: Path) -> None:
    """A mistyped variable stops the start instead of being overlooked."""
    _says_one_line(_serve(tmp_path, ONDUTY_PUBLIC_ULR="https://x"), "ONDUTY_PUBLIC_ULR", "ONDUTY_PUBLIC_URL")
    _made_nothing(tmp_path)


def test_a_newer_schema_is_left_alone(start_server: StartServer) -> None:
    """A sentence, exit 2, and the database is as it was."""
    server = start_server()
    assert server.stop() == 0
    with closing(sqlite3.connect(server.data / _DATABASE)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    before = (server.data / _DATABASE).read_bytes()
    _says_one_line(_serve(server.folder, ONDUTY_DATA=str(server.data)), "9999", "newer")
    assert (server.data / _DATABASE).read_bytes() == before


def test_a_first_start_that_was_killed_is_made_good(start_server: StartServer, tmp_path: Path) -> None:
    """It leaves the note that it was there, and a file that has its first page and no table yet."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    with closing(sqlite3.connect(data / "onduty.sqlite3")) as connection:
        connection.execute("PRAGMA journal_mode = wal")
    assert (data / "onduty.sqlite3").stat().st_size
    (data / "onduty.lock").write_text("12345\n")
    server = start_server(environment={"ONDUTY_DATA": str(data)})
    assert "the database is checked" in server.log.read_text()
    assert server.call("GET", "/api/me").status == 200


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """One line, and the file is as it was."""
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / _DATABASE
    file.write_bytes(b"something else " * 1000)
    _says_one_line(_serve(tmp_path), str(file))
    assert file.read_bytes() == b"something else " * 1000


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_restart_answers_the_same_sessions(start_server: StartServer, how: signal.Signals) -> None:
    """SIGTERM and Ctrl-C exit 0 with everything written, bare activity included; same ids, same rows."""
    server = start_server()
    path = f"/api/projects/{server.project_id}/agent-sessions"
    ids = [server.call("POST", path, json={"machine_id": "laptop"}).json["session_id"] for _ in range(5)]
    assert server.call("DELETE", f"/api/agent-sessions/{ids[0]}").status == 204
    for session_id in ids[1:]:
        assert server.call("POST", f"/api/agent-sessions/{session_id}/activity").status == 204
    before = server.call("GET", path + "?active=false")
    os.kill(server.pid, how)
    assert server.stop() == 0
    server.restart()
    after = server.call("GET", path + "?active=false")
    assert after.json == before.json
    assert after.headers["etag"] == before.headers["etag"]


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("kind", ["presence", "live"])
def test_it_leaves_within_5_seconds_with_900_streams_open(start_server: StartServer, kind: str) -> None:
    """Each stream is ended, not cut; what was answered a moment ago is written; exit 0."""
    server = start_server()
    path = f"/api/projects/{server.project_id}/agent-sessions"
    made = server.call("POST", path, json={"machine_id": "laptop"}).json
    stream_path = "/mcp" if kind == "presence" else f"{path}/stream"
    sent = request("GET", stream_path, [bearer(server.token), ("Accept", "text/event-stream")])
    with ExitStack() as stack:
        streams = []
        for _ in range(900):
            stream = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 30))
            stream.sendall(sent)
            streams.append(stream)
        for stream in streams:
            assert stream.recv(12) == b"HTTP/1.1 200"
        assert server.call("POST", f"/api/agent-sessions/{made['session_id']}/activity").status == 204
        acted = server.call("GET", f"/api/agent-sessions/{made['session_id']}").json["last_activity_at"]
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 5
        for stream in streams:
            assert _to_the_end(stream).endswith(b"0\r\n\r\n")
    server.restart()
    after = server.call("GET", f"/api/agent-sessions/{made['session_id']}").json
    assert after["last_activity_at"] == acted > made["last_activity_at"]


def _to_the_end(stream: socket.socket) -> bytes:
    read = b""
    while piece := stream.recv(65_536):
        read += piece
    return read
