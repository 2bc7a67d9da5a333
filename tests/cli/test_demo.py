"""`onduty demo`: twenty agents at work on a server that leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.asking import ask
from tests.wheel import onduty

_TOKEN = re.compile(r"ONDUTY_SERVER=http://127\.0\.0\.1:(\d+) ONDUTY_TOKEN=(ody_\w+)")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_lives_until_it_is_stopped_and_leaves_nothing(tmp_path: Path, how: signal.Signals) -> None:
    """Whatever the environment says of a real server: that one is left alone."""
    home, temporary, data = (tmp_path / name for name in ("home", "temporary", "data"))
    for folder in (home, temporary):
        folder.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ONDUTY_", "XDG_"))},
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "ONDUTY_DATA": str(data),
    }
    process = subprocess.Popen(onduty("demo"), env=environment, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stdout is not None
    try:
        found = next(match for line in process.stdout if (match := _TOKEN.search(line)))
        port, token = int(found[1]), found[2]
        projects = ask(port, "GET", "/api/projects", token=token).json["projects"]
        assert {each["name"] for each in projects} == {"checkout", "infra", "ledger", "mobile-app", "storefront"}
        states = "/agent-sessions?active=false&state=working,waiting,idle,quiet"
        paths = [f"/api/projects/{each['id']}{states}" for each in projects]
        rows = [row for path in paths for row in ask(port, "GET", path, token=token).json["sessions"]]
        assert len(rows) == 20
        for field, least in (("state", 4), ("user_id", 5), ("machine_id", 5), ("caller_origin", 5), ("caller_role", 6)):
            assert len({row[field] for row in rows}) >= least, field
        assert len({row["connected_at"][:16] for row in rows}) > 10, "they began at different times"
        assert list(temporary.iterdir()) != []
        first = ask(port, "GET", paths[0], token=token).headers["etag"]
        while ask(port, "GET", paths[0], token=token).headers["etag"] == first:
            # They live: sooner or later one does something, else the whole run's limit says so.
            time.sleep(0.2)
    finally:
        process.send_signal(how)
        with process.stdout:
            process.stdout.read()
        code = process.wait(20)
    assert code == 0
    assert list(temporary.iterdir()) == []
    assert list(home.iterdir()) == []
    assert not data.exists()
