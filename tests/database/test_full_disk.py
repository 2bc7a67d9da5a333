"""A real server whose disk is full, or whose files cannot be written: reads go on, and it is well without a hand."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from onduty.database.checking import look
from tests.asking import Answer
from tests.database.test_postgres_server import WELL_WITHIN, ready, refs, register, within
from tests.serving import Server, StartServer

MEGABYTES = 6


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of the test's own, of a few megabytes."""
    if os.getuid():
        pytest.skip("only root mounts")
    folder = tmp_path / "disk"
    folder.mkdir(mode=0o700)
    options = f"size={MEGABYTES}m,mode=0700"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(done.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Write until there is not a byte left."""
    filler = folder / "onduty.filler"
    with closing(os.fdopen(os.open(filler, os.O_WRONLY | os.O_CREAT, 0o600), "wb", buffering=0)) as file:
        for size in (65_536, 512, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass
    return filler


def act(server: Server, session: str) -> Answer:
    return server.call("POST", f"/api/agent-sessions/{session}/activity")


def refused(answer: Answer) -> bool:
    """Whether it is the one refusal that there may be; anything but that or a success is an error."""
    assert answer.status in (200, 201, 204, 503), answer.body
    if answer.status == 503:
        assert answer.json["code"] == "UNAVAILABLE"
        assert int(answer.headers["Retry-After"]) >= 1
    return answer.status == 503


def try_it(server: Server, name: str, break_it: Callable[[], object], mend: Callable[[], object]) -> None:
    """Break what it stands on until every write is refused, look around, and mend it."""
    session = register(server, name).json["session_id"]
    path, made, numbers = f"/api/agent-sessions/{session}", {session}, count()
    break_it()

    def writes_are_refused() -> bool:
        new = register(server, f"{name} {next(numbers)}")
        made.update([new.json["session_id"]] if not refused(new) else [])
        patched = server.call("PATCH", path, json={"said": "x"})
        return all([refused(new), refused(patched), refused(act(server, session))])

    within(20, writes_are_refused)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert writes_are_refused()
        assert server.call("DELETE", path).status == 503
        assert refs(server) >= made
        assert server.call("GET", path).json["state"] != "ended"
        status = server.call("GET", "/readyz", token=None)
        assert status.status == 503
        assert "the database cannot be written" in status.json["trouble"]
        assert server.call("GET", "/livez", token=None).status == 200
        time.sleep(0.1)
    mend()
    within(WELL_WITHIN, lambda: ready(server) and not refused(act(server, session)))
    assert register(server, f"{name} other").status == 201
    assert server.call("PATCH", path, json={"said": "again"}).json["said"] == "again"
    assert len(refs(server) - made) >= 1


def test_a_full_disk(start_server: StartServer, small_disk: Path) -> None:
    data = small_disk / "data"
    server = start_server(environment={"ONDUTY_DATA": str(data), "ONDUTY_RATE_LIMIT": "0", "ONDUTY_BACKUPS": "0"})
    for name in ("first", "second"):
        try_it(server, name, lambda: fill(small_disk), (small_disk / "onduty.filler").unlink)
    assert server.stop() == 0
    look(data / "onduty.sqlite3")
    assert '"critical"' not in server.log.read_text()


def test_activity_alone_finds_the_full_disk_and_that_it_is_well_again(
    start_server: StartServer, small_disk: Path
) -> None:
    """Bare activity is written behind: it is refused once that fails, and not answered as recorded for ever."""
    data = small_disk / "data"
    server = start_server(environment={"ONDUTY_DATA": str(data), "ONDUTY_RATE_LIMIT": "0"})
    session = register(server, "thread").json["session_id"]
    filler = fill(small_disk)
    within(30, lambda: refused(act(server, session)))
    assert not ready(server)
    assert refs(server) == {session}
    filler.unlink()
    within(WELL_WITHIN, lambda: ready(server) and not refused(act(server, session)))


def test_files_that_cannot_be_written(start_server: StartServer) -> None:
    """The folder and what is in it are immutable: that stops even root, and files that are open already."""
    server = start_server(environment={"ONDUTY_RATE_LIMIT": "0", "ONDUTY_BACKUPS": "0"})
    files = [server.data, *(server.data / f"onduty.sqlite3{suffix}" for suffix in ("", "-wal"))]

    def change(how: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["chattr", how, *map(str, files)], capture_output=True, text=True)

    try:
        if change("+i").returncode:
            pytest.skip("there is no chattr here")
        change("-i")
        try_it(server, "thread", lambda: change("+i"), lambda: change("-i"))
    finally:
        change("-i")
    assert server.stop() == 0
