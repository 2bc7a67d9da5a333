"""A person's machine with an agent client on it, and what a server shows of it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.serving import Server


class Home:
    """`onduty` runs the command line there as the wheel installed it."""

    def __init__(self, server: Server, environment: Mapping[str, str], folder: Path) -> None:
        self.server = server
        self._environment = environment
        self._folder = folder

    def onduty(self, *arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `onduty …` there; its exit code has to be `code`."""
        env = {**self._environment, "XDG_CONFIG_HOME": str(self.server.configuration), **environment}
        done = subprocess.run(
            [sys.executable, "-m", "onduty.cli.main", *arguments],
            env=env,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def rows(self) -> list[dict[str, Any]]:
        """The sessions of the first project, ended ones too; those of the proofs are left out."""
        path = f"/api/projects/{self.server.project_id}/agent-sessions?active=false"
        rows = self.server.call("GET", path).json["sessions"]
        return [row for row in rows if row["session_id"] not in self.proofs()]

    def proofs(self) -> set[str]:
        """The rows that `connect` and `doctor` proved themselves with."""
        with sqlite3.connect(f"file:{self.server.data / 'onduty.sqlite3'}?mode=ro", uri=True) as database:
            rows = database.execute("SELECT session_id FROM session_aliases WHERE alias LIKE 'onduty-proof%'")
            return {session_id for (session_id,) in rows}


class Watch:
    """Every state that a machine's rows were in, by session, while the `with` statement lasts."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.seen: dict[str, list[str]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            try:
                rows = self.home.rows()
            except OSError:
                continue
            for row in rows:
                states = self.seen.setdefault(row["session_id"], [])
                word = f"{row['state']} {row['because'].get('tool') or row['because'].get('waits_for') or ''}".strip()
                if states[-1:] != [word]:
                    states.append(word)
