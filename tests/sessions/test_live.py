"""The live streams of a real server: what is told and when, resuming, who may, and what becomes of slow readers."""

from __future__ import annotations

import asyncio
import json
import re
import select
import socket
from collections.abc import Iterable
from contextlib import AbstractContextManager, closing
from functools import partial
from http.client import HTTPConnection
from itertools import count, cycle
from pathlib import Path
from typing import Any

import pytest

from onduty.answers import Message
from onduty.clock import parse_rfc3339, rfc3339, wall_ms
from onduty.sessions.model import ON_DUTY as ON_DUTY_STATES
from onduty.sessions.streams import Stream
from tests.inside import Still, furnish, opened
from tests.raw import bearer, request
from tests.serving import Server, StartServer
from tests.watching import ON_DUTY, Watch, stream_of, watch

_NAMES = count()


def new_project(server: Server) -> str:
    made = server.call("POST", "/api/projects", token=server.owner_token, json={"name": f"project {next(_NAMES)}"})
    return str(made.json["id"])


def register(server: Server, project: str, **fields: Any) -> str:
    path = f"/api/projects/{project}/agent-sessions"
    answer = server.call("POST", path, token=server.owner_token, json={"machine_id": "laptop", **fields})
    assert answer.status == 201, answer.body
    return str(answer.json["session_id"])


def tell(server: Server, project: str, sessions: Iterable[str], kind: str, **fields: Any) -> None:
    """The same event of each of the sessions, at once."""
    now = rfc3339(wall_ms())
    events = [{"id": f"{next(_NAMES)}", "kind": kind, "at": now, "session": each, **fields} for each in sessions]
    body = {"sent_at": now, "project_id": project, "machine_id": "laptop", "events": events}
    answer = server.call("POST", "/api/agent-events", token=server.owner_token, json=body)
    assert {result["status"] for result in answer.json["results"]} == {"accepted"}


def listed(server: Server, project: str, query: str = ON_DUTY) -> dict[str, Any]:
    path = f"/api/projects/{project}/agent-sessions?{query}"
    rows = server.call("GET", path, token=server.owner_token).json["sessions"]
    return {row["session_id"]: row for row in rows}


def until(stream: Watch, session: str, state: str) -> None:
    """Read on until the session is told in that state."""
    while stream.rows.get(session, {}).get("state") != state:
        stream.next()


def test_a_snapshot_comes_first_then_each_change(server: Server) -> None:
    """The rows are the list's, and what was told until now is what the list says."""
    project = new_project(server)
    first = register(server, project, caller_role="qa")
    with watch(server, stream_of(server, project), server.owner_token) as stream:
        assert stream.response.headers["content-type"] == "text/event-stream"
        begun = stream.next()
        assert (begun.kind, stream.rows) == ("snapshot", listed(server, project))
        assert abs(parse_rfc3339(begun.data["now"]) - wall_ms()) < 60_000
        second = register(server, project)
        tell(server, project, [first], "waiting", tool="Bash", tool_id="t")
        until(stream, first, "waiting")
        assert stream.rows == listed(server, project)
        tell(server, project, [first], "answered")
        until(stream, first, "working")
        server.call("DELETE", f"/api/agent-sessions/{second}", token=server.owner_token)
        assert stream.next("gone").data["session_id"] == second
        assert stream.rows == listed(server, project)


def test_states_narrow_it_as_they_narrow_the_list(server: Server) -> None:
    project = new_project(server)
    session = register(server, project)
    with watch(server, f"{stream_of(server, project)}?state=waiting", server.owner_token) as stream:
        assert stream.next().data["sessions"] == []
        tell(server, project, [session], "waiting", tool="Bash", tool_id="t")
        assert stream.next().data["session"]["because"]["waits_for"] == "Bash"
        assert stream.rows == listed(server, project, "active=false&state=waiting")
        tell(server, project, [session], "answered")
        assert stream.next().kind == "gone"
    for wrong in ("ended", "asleep", "working,ended"):
        refused = server.call("GET", f"{stream_of(server)}?state={wrong}")
        assert (refused.status, list(refused.json["fieldErrors"])) == (400, ["state"])


def test_who_comes_back_is_told_what_was_missed(server: Server) -> None:
    """By the header, or by the query where a program cannot set one; what did not change does not come again."""
    project = new_project(server)
    stays, goes = register(server, project), register(server, project)
    with watch(server, stream_of(server, project), server.owner_token) as stream:
        stream.next("snapshot")
    server.call("DELETE", f"/api/agent-sessions/{goes}", token=server.owner_token)
    comes = register(server, project)
    path = stream_of(server, project)
    for again, headers in ((path, {"Last-Event-ID": stream.last_id}), (f"{path}?last_event_id={stream.last_id}", {})):
        with watch(server, again, server.owner_token, headers=headers) as back:
            told = [back.next(), back.next()]
            assert {(event.kind, event.data.get("session_id")) for event in told} == {("gone", goes), ("session", None)}
            assert back.rows.keys() == {comes}
    with watch(server, path, server.owner_token, headers={"Last-Event-ID": "00000000:1"}) as stranger:
        assert stranger.next().kind == "snapshot"
        assert stranger.rows.keys() == {stays, comes}


def test_a_comment_comes_every_ten_seconds_and_says_how_far_all_is_told(server: Server) -> None:
    """Somebody who was told nothing for long, for the states narrow it, is still known to be up to date.

    Pages get an event instead: scripts do not see comments.
    """
    project = new_project(server)
    path = stream_of(server, project)
    with (
        watch(server, f"{path}?state=lost", server.owner_token, timeout=15) as stream,
        Page(server).watch(new_project(server)) as page,
    ):
        stream.next("snapshot")
        before = stream.last_id
        register(server, project)
        alive = stream.read()
        assert (alive.kind, alive.data) == ("", None)
        assert alive.id != before
        page.next("snapshot")
        assert page.next("beat").data.keys() == {"now"}
    with watch(server, path, server.owner_token, headers={"Last-Event-ID": alive.id}) as back:
        register(server, project)
        assert back.next().kind == "session"


def test_a_hundred_calls_are_an_event_a_second(server: Server) -> None:
    """A hundred calls within a second are two events at most, the last of which has the last call."""
    project = new_project(server)
    session = register(server, project)
    with watch(server, stream_of(server, project), server.owner_token) as stream:
        stream.next("snapshot")
        begun = wall_ms()
        for _ in range(100):
            server.call("POST", f"/api/agent-sessions/{session}/activity", token=server.owner_token)
        took_s = (wall_ms() - begun) / 1000
        final = listed(server, project)[session]["last_activity_at"]
        events = 0
        while stream.rows[session]["last_activity_at"] != final:
            stream.next("session")
            events += 1
        assert events <= took_s + 2


def test_after_kill_9_the_ids_are_another_process_s(start_server: StartServer) -> None:
    server = start_server()
    session = register(server, server.project_id)
    with watch(server, stream_of(server)) as stream:
        stream.next("snapshot")
        server.kill9()
        with pytest.raises((EOFError, OSError)):
            stream.read()
    server.restart()
    with watch(server, stream_of(server), headers={"Last-Event-ID": stream.last_id}) as back:
        assert back.next().kind == "snapshot"
        assert back.rows.keys() == {session}
        assert back.last_id.partition(":")[0] != stream.last_id.partition(":")[0]


def test_head_has_the_headers_and_no_stream(server: Server) -> None:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        for _ in range(2):
            connection.request("HEAD", stream_of(server), headers={"Authorization": f"Bearer {server.token}"})
            answer = connection.getresponse()
            assert (answer.status, answer.headers["content-type"], answer.read()) == (200, "text/event-stream", b"")


def test_a_foreign_page_reads_no_stream(server: Server) -> None:
    for path in (stream_of(server), f"/live?project={server.project_id}"):
        assert server.call("GET", path, headers={"Origin": "https://evil.example"}).status == 403


def test_a_reader_that_stops_reading_is_dropped_while_agents_report(start_server: StartServer) -> None:
    """Nothing is buffered without end: of 200 agents' reports it leaves some megabytes unread, and is cut off.

    One that reads on misses nothing.
    """
    server = start_server(environment={"ONDUTY_RATE_LIMIT": "0"})
    project, place = server.project_id, {"branch": "b" * 64, "folder": "f" * 64}
    sessions = [register(server, project, **place) for _ in range(200)]
    sent = request("GET", stream_of(server), [bearer(server.token)])
    with socket.socket() as slow, watch(server, stream_of(server)) as reader:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", server.port))
        slow.sendall(sent)
        reader.next("snapshot")
        told, kinds = 0, cycle((("waiting", "waiting"), ("answered", "working")))
        while not _is_cut(slow):
            kind, state = next(kinds)
            tell(server, project, sessions, kind)
            while [session for session in sessions if reader.rows[session]["state"] != state]:
                told += len(json.dumps(reader.next("session").data))
            assert told < 32 * 1024 * 1024, "it is dropped long before that"
        assert reader.rows == listed(server, project)


def _is_cut(stream: socket.socket) -> bool:
    """Whether the other side has hung up; nothing of what has come is read for that."""
    poll = select.poll()
    poll.register(stream, 0)
    return bool(poll.poll(0))


def test_a_change_runs_no_statement(tmp_path: Path) -> None:
    """Neither a snapshot, nor a change, nor coming back: all of it is made from memory."""

    async def story() -> None:
        clock = Still()
        path = tmp_path / "data.sqlite3"
        tokens, project = await furnish(path, clock)
        async with opened(path, clock, tokens, project) as place:
            session = (
                await place.call("Bob", "POST", f"/api/projects/{project}/agent-sessions", {"machine_id": "m"})
            ).json
            streams, activity = place.rooms.streams, f"/api/agent-sessions/{session['session_id']}/activity"
            before, begun = place.rooms.database.statements, streams.position(project, clock.now())
            for last_event_id in (None, begun):
                told: list[bytes] = []
                stream = Stream({project}, ON_DUTY_STATES, lambda *_: True)
                holding = streams.hold(stream, last_event_id, _silence, partial(_keep, told))
                reading = asyncio.get_running_loop().create_task(holding)
                await asyncio.sleep(0)
                for _ in range(3):
                    clock.instant += 2_000
                    assert (await place.call("Bob", "POST", activity)).status == 204
                    streams.look(clock.now())
                    await asyncio.sleep(0.01)
                stream.end()
                assert await reading
                kinds = re.findall(r"event: (\w+)", b"".join(told).decode())
                assert kinds[-3:] == ["session"] * 3
            assert place.rooms.database.statements == before

    asyncio.run(story())


async def _silence() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def _keep(told: list[bytes], message: Message) -> None:
    told.append(message["body"])


class Page:
    """Somebody's browser, as far as its cookie goes."""

    def __init__(self, server: Server) -> None:
        self.server = server
        url = server.call("POST", "/api/sign-in-links", token=server.owner_token).json["url"]
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        secret = url.partition("#")[2].encode()
        answer = server.call("POST", "/sign-in", token=None, body=b"secret=" + secret, headers=form)
        self.cookie = answer.headers["set-cookie"].partition(";")[0]

    def watch(self, *projects: str, last_event_id: str = "") -> AbstractContextManager[Watch]:
        query = "&".join(f"project={project}" for project in projects)
        path = f"/live?{query}&last_event_id={last_event_id}"
        return watch(self.server, path, timeout=15, headers={"Cookie": self.cookie, "Sec-Fetch-Mode": "cors"})


def test_one_stream_of_a_browser_tells_several_projects(server: Server) -> None:
    """All states but ended, each event with its project; a snapshot has ids and states, an event the row as drawn."""
    one, other = new_project(server), new_project(server)
    session = register(server, one)
    with Page(server).watch(one, other) as stream:
        begun = {event.data["project_id"]: event.data["sessions"] for event in (stream.next(), stream.next())}
        assert begun == {one: [{"session_id": session, "state": "working"}], other: []}
        elsewhere = register(server, other)
        told = stream.next()
        assert (told.kind, told.data["project_id"]) == ("session", other)
        row, drawn = listed(server, other)[elsewhere], told.data["session"]
        assert drawn["session_id"] == elsewhere
        assert drawn.items() <= row.items()
        assert f"id='session-{elsewhere}'" in told.data["shown"]
        server.call("DELETE", f"/api/agent-sessions/{session}", token=server.owner_token)
        gone = stream.next()
        assert (gone.kind, gone.data["project_id"], gone.data["session_id"]) == ("gone", one, session)
        last = stream.last_id
    third = register(server, one)
    with Page(server).watch(one, other, last_event_id=last) as back:
        assert back.next().data["session"]["session_id"] == third


def test_a_project_that_is_taken_away_is_withdrawn_and_the_others_go_on(server: Server) -> None:
    stays, goes, unknown = new_project(server), new_project(server), "0198f0a4-0000-7000-8000-000000000000"
    page = Page(server)
    with page.watch(stays, goes, unknown) as stream:
        assert stream.next("withdrawn").data["project_id"] == unknown
        server.call("DELETE", f"/api/projects/{goes}", token=server.owner_token)
        assert stream.next("withdrawn").data["project_id"] == goes
        session = register(server, stays)
        assert stream.next().data["session"]["session_id"] == session
    for project, status in ((goes, 403), (unknown, 403), ("x", 400)):
        with page.watch(project) as refused:
            assert refused.status == status


def test_who_signs_out_is_told_no_more(server: Server) -> None:
    project = new_project(server)
    page, stays = Page(server), Page(server)
    with page.watch(project) as stream, stays.watch(project) as other:
        assert (stream.next().kind, other.next().kind) == ("snapshot", "snapshot")
        assert server.call("POST", "/sign-out", token=None, headers={"Cookie": page.cookie}).status == 303
        assert stream.to_the_end() == []
        register(server, project)
        assert other.next().kind == "session"
    with page.watch(project) as refused:
        assert refused.status == 401
