"""A slow upgrade: it says how far it is, and killed at any moment the next start has all of it or goes back to none."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from onduty.database import postgres_schema, upgrading
from onduty.database.refused import Refused
from onduty.database.schema import HEAD, MIGRATIONS, prepare
from onduty.database.upgrading import Progress
from tests.database.filled import fill, rows_in
from tests.database.postgres import Cluster

SLOW = """
    import time
    import sqlalchemy as sa
    from alembic import op

    revision = "%s"
    down_revision = "%s"


    def upgrade():
        if revision == "slow":
            with op.batch_alter_table("users") as table:
                table.add_column(sa.Column("pace", sa.Integer(), server_default="0", nullable=False))
        for _ in range(10):
            op.execute("UPDATE users SET pace = pace + 1")
            op.execute("UPDATE agent_sessions SET said = said || '!'")
            time.sleep(0.05)
"""
RUN = """
import asyncio, sys
from pathlib import Path
from onduty.database import postgres_schema, schema
migrations = Path(sys.argv[2])
sys.stdout.write("ready\\n"); sys.stdout.flush()
if sys.argv[1].startswith("postgresql:"):
    asyncio.run(postgres_schema.prepare(sys.argv[1], migrations=migrations, head="slower"))
else:
    schema.prepare(Path(sys.argv[1]), migrations=migrations, head="slower")
sys.stdout.write("done\\n")
"""


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """Those of a version to come, with two slow ones more."""
    folder = Path(shutil.copytree(MIGRATIONS, tmp_path / "next"))
    for name, before in (("slow", HEAD), ("slower", "slow")):
        (folder / "versions" / f"{name}.py").write_text(dedent(SLOW % (name, before)))
    return folder


def killed(place: str | Path, migrations: Path, after: float) -> bool:
    """Upgrade in a process that is killed so many seconds after it began; whether it was done before."""
    run = [sys.executable, "-c", RUN, str(place), str(migrations)]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(after)
        child.send_signal(signal.SIGKILL)
        return "done" in child.stdout.read()


def copies(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir() if file.name.startswith(f"{path.name}.")}


def test_killed_anywhere_it_is_done_or_as_it_was(tmp_path: Path, migrations: Path) -> None:
    path, chance, told = tmp_path / "onduty.sqlite3", random.Random(4646), list[str]()
    fill(path, 20)
    before = rows_in(path)
    for _ in range(8):
        if killed(path, migrations, chance.uniform(0.05, 1.3)):
            break
        assert rows_in(path) == before
        assert len(copies(path)) <= 2, "each attempt leaves a copy"
    prepare(path, migrations=migrations, head="slower", tell=told.append)
    assert copies(path) == {f"{path.name}.{HEAD}"}
    assert rows_in(path.with_name(f"{path.name}.{HEAD}")) == before
    after = rows_in(path)
    assert after["alembic_version"] == [("slower",)]
    assert {row[-1] for row in after["users"]} == {20}
    assert [len(rows) for rows in after.values()] == [len(rows) for rows in before.values()]
    for name in before.keys() - {"alembic_version", "users", "agent_sessions"}:
        assert after[name] == before[name]
    assert all(any("!" * 20 in str(word) for word in row) for row in after["agent_sessions"] if "no NULL" in str(row))


def test_killed_after_its_commit_the_copy_gets_its_name_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "onduty.sqlite3"
    prepare(path)
    path.with_name("onduty.sqlite3.0000.upgrading").write_text("a copy")
    prepare(path)
    assert copies(path) == {"onduty.sqlite3.0000"}


def test_on_postgresql_too(migrations: Path, cluster: Cluster, postgres_url: str) -> None:
    fill(postgres_url, 5)
    name, chance = postgres_url.rpartition("/")[2], random.Random(1)
    before = cluster.sql("SELECT * FROM users ORDER BY id", name)
    for _ in range(3):
        if killed(postgres_url, migrations, chance.uniform(0.2, 1.2)):
            break
        assert cluster.sql("SELECT * FROM users ORDER BY id", name) == before
    told = list[str]()
    asyncio.run(postgres_schema.prepare(postgres_url, migrations=migrations, head="slower", tell=told.append))
    assert cluster.sql("SELECT DISTINCT pace FROM users", name) == ["20"]


def test_progress_and_an_estimate_are_told(tmp_path: Path, migrations: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrading, "TOLD_EVERY_SECONDS", 0.15)
    path, told = tmp_path / "onduty.sqlite3", list[str]()
    fill(path, 2)
    prepare(path, migrations=migrations, head="slower", tell=told.append)
    assert re.fullmatch(rf"copying {path} \(\d\.\d MB\) beside it before it is upgraded", told[0])
    assert re.fullmatch(rf"upgrading the data from schema {HEAD}: 2 steps, about \d+ s", told[1])
    assert "upgrading the data: step 1 of 2 done (slow)" in told
    assert "upgrading the data: step 2 of 2 done (slower)" in told
    assert sum("s so far" in line for line in told) >= 4
    assert any(re.search(r"step 2 of 2, \d+ s so far, about \d+ s to go", line) for line in told)
    assert re.fullmatch(r"the data is upgraded, after \d+ s", told[-1])
    told.clear()
    prepare(path, migrations=migrations, head="slower", tell=told.append)
    assert told == []


def test_one_that_fails_says_so_by_its_error_and_not_that_it_is_done(tmp_path: Path) -> None:
    told = list[str]()
    with pytest.raises(Refused), Progress(told.append, HEAD, 1).told():
        raise Refused("no")
    assert told == [f"upgrading the data from schema {HEAD}: 1 step, which may take a while"]


@pytest.mark.parametrize(
    ("expected_ms", "passed_ms", "done", "rest"),
    [
        (None, 500, 0, "under way"),
        (4_000, 500, 0, "about 8 s to go"),
        (4_000, 9_000, 0, "which is longer than was expected"),
        (4_000, 9_000, 1, "about 9 s to go"),
    ],
)
def test_what_is_left(
    monkeypatch: pytest.MonkeyPatch, expected_ms: int | None, passed_ms: int, done: int, rest: str
) -> None:
    now = [1_000]
    monkeypatch.setattr(upgrading, "boot_ms", lambda: now[0])
    progress = Progress(lambda _: None, HEAD, 2, expected_ms)
    now[0] += passed_ms
    progress._step += done
    assert progress._rest() == rest
