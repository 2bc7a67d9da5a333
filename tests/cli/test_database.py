"""`onduty database`, beside a server that serves, one that was killed, and none."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.database.filled import harm, rows_in
from tests.database.postgres import PASSWORD, Cluster
from tests.database.test_postgres_server import register
from tests.serving import NotReadyError, Server, StartServer

FILE = "onduty.sqlite3"


def onduty(server: Server, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "onduty.cli.main", "database", *arguments],
        env=server._its_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def test_while_serving_it_is_checked_and_backed_up_and_not_replaced(server: Server) -> None:
    register(server, "before")
    code, out, err = onduty(server, "backup")
    assert (code, "It is whole" in err) == (0, True), err
    assert len(rows_in(Path(out.strip()))["agent_sessions"]) == 1
    code, out, err = onduty(server, "check", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["rows"]["agent_sessions"] == 1
    assert told["newest_backup"]["path"].startswith(str(server.data / "backups"))
    for command in (["restore"], ["move", f"sqlite://{server.data}/other"]):
        code, out, err = onduty(server, *command)
        assert (code, out) == (2, "")
        assert f"already in use by the Onduty server with process id {server.pid}" in err
    assert register(server, "after").status == 201


def test_a_server_goes_on_from_a_backup(start_server: StartServer) -> None:
    server = start_server()
    kept = register(server, "kept").json["session_id"]
    assert onduty(server, "backup")[0] == 0
    register(server, "lost")
    server.stop()
    code, out, err = onduty(server, "restore")
    assert (code, out) == (0, ""), err
    assert re.search(rf"What was there is kept as {server.data}/{FILE}\.before-\S+\.$", err.strip())
    server.restart()
    rows = server.call("GET", f"/api/projects/{server.project_id}/agent-sessions?active=false").json["sessions"]
    assert [row["session_id"] for row in rows] == [kept]
    assert register(server, "kept").status == 200


def test_after_a_kill_a_damaged_file_is_not_written_and_the_newest_good_backup_is_named(
    start_server: StartServer,
) -> None:
    server = start_server()
    for number in range(150):
        register(server, str(number))
    backup = onduty(server, "backup")[1].strip()
    server.kill9()
    harm(server.data / FILE)
    before = (server.data / FILE).read_bytes()
    for _ in range(2):
        server.log.write_text("")
        with pytest.raises(NotReadyError, match="exit code 2"):
            server.restart()
        lines = [line for line in server.log.read_text().splitlines() if line.startswith("onduty:")]
        assert len(lines) == 1
        assert f"{FILE} is damaged" in lines[0]
        assert f"the newest good backup is {backup}" in lines[0]
        assert (server.data / FILE).read_bytes() == before
    assert onduty(server, "check")[0] == 2
    assert onduty(server, "move", f"sqlite://{server.data}/other")[0] == 2
    assert (server.data / FILE).read_bytes() == before
    assert onduty(server, "restore")[0] == 0
    server.restart()
    rows = server.call("GET", f"/api/projects/{server.project_id}/agent-sessions?active=false&limit=200").json
    assert len(rows["sessions"]) == 150


def test_a_clean_stop_is_not_followed_by_a_check_and_a_kill_is(start_server: StartServer) -> None:
    server = start_server()
    server.restart()
    assert "the database is checked" not in server.log.read_text()
    server.kill9()
    server.restart()
    assert server.log.read_text().count("the database is checked") == 1
    server.restart()
    assert server.log.read_text().count("the database is checked") == 1


def test_from_a_file_to_postgresql_the_server_goes_on(start_server: StartServer, cluster: Cluster) -> None:
    server = start_server()
    kept = register(server, "kept").json["session_id"]
    server.stop()
    url = cluster.new()
    code, out, err = onduty(server, "move", url)
    assert (code, out) == (0, ""), err
    assert "agent_sessions: 1 rows" in err
    server.environment = {"ONDUTY_DATABASE": url}
    server.restart()
    again = register(server, "kept")
    assert (again.status, again.json["session_id"]) == (200, kept)


def test_a_server_on_postgresql_goes_on_from_a_backup_and_from_one_on_another_database(
    start_server: StartServer, cluster: Cluster
) -> None:
    url = cluster.new()
    server = start_server(environment={"ONDUTY_DATABASE": url})
    kept = register(server, "kept").json["session_id"]
    code, out, err = onduty(server, "backup")
    assert (code, "It is whole" in err) == (0, True), err
    backup = out.strip()
    assert backup.startswith(str(server.data / "backups"))
    code, out, err = onduty(server, "check", "--json")
    told = json.loads(out)
    assert (code, told["rows"]["agent_sessions"], told["newest_backup"]["path"]) == (0, 1, backup), err
    code, out, err = onduty(server, "restore")
    assert (code, out) == (2, "")
    assert f"already in use by the Onduty server with process id {server.pid}" in err
    register(server, "lost")
    for place in (url, cluster.new(), f"sqlite://{server.data}/{FILE}"):
        server.stop()
        server.environment = {"ONDUTY_DATABASE": place}
        code, out, err = onduty(server, "restore", backup)
        assert (code, out, "is restored" in err) == (0, "", True), err
        assert (f"What was there is kept as {server.data}/{FILE}.before-" in err) == (place == url)
        assert PASSWORD not in err
        server.restart()
        rows = server.call("GET", f"/api/projects/{server.project_id}/agent-sessions?active=false").json["sessions"]
        assert [row["session_id"] for row in rows] == [kept]


def test_a_damaged_postgresql_database_is_told(start_server: StartServer, cluster: Cluster) -> None:
    url = cluster.new()
    server = start_server(environment={"ONDUTY_DATABASE": url})
    cluster.sql("SET session_replication_role = replica; DELETE FROM users", url.rpartition("/")[2])
    code, out, err = onduty(server, "check")
    assert (code, out) == (2, "")
    assert "refers to one of users that is not there" in err
    assert PASSWORD not in err
