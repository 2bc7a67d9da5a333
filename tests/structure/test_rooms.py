"""What import-linter's layers cannot say: rooms meet through `service`, a `model` and the client program stay apart."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.structure.sources import ROOMS, ROOT, Source, imports, product

# A page is drawn in the layout that all pages share, and a room's templates may name its parts.
_OPEN_TO_ROOMS = {"service", "asking", "reading", "resolution", "presence"}
_OPEN_TO_PAGES = {"service", "asking", "reading", "layout", "forms"}
_OPEN_TO_MODELS = {"clock", "errors", "cleaning"}
_DOES_IO = {"asyncio", "http", "os", "pathlib", "socket", "sqlite3", "subprocess", "threading", "urllib"}


def room_breaches(source: Source) -> list[str]:
    """A room imports another room's `service` and nothing else of it."""
    if source.room not in ROOMS or source.name == "model":
        return []
    allowed = _OPEN_TO_PAGES if source.name.rpartition("_")[2] == "pages" else _OPEN_TO_ROOMS
    return [
        f"{source.place}:{line}: imports {name}: ask onduty.{room}.service, and let it hand out what is missing"
        for line, name in imports(source)
        if (room := _other_room(source, name)) and [*name.split("."), ""][2] not in allowed
    ]


def _other_room(source: Source, name: str) -> str:
    parts = [*name.split("."), ""]
    return parts[1] if parts[0] == "onduty" and parts[1] in ROOMS and parts[1] != source.room else ""


def model_breaches(source: Source) -> list[str]:
    """A `model` is pure: the standard library without I/O, its own room, and what needs nobody."""
    if source.room not in ROOMS or source.name != "model":
        return []
    return [
        f"{source.place}:{line}: imports {name}: a model takes values and returns one; the service reads and writes"
        for line, name in imports(source)
        if not _fit_for_a_model(source, [*name.split("."), ""])
    ]


def _fit_for_a_model(source: Source, parts: list[str]) -> bool:
    if parts[0] == "onduty":
        return parts[1] == source.room or parts[1] in _OPEN_TO_MODELS
    return parts[0] in sys.stdlib_module_names and parts[0] not in _DOES_IO


def client_breaches(source: Source) -> list[str]:
    """The client program runs on an agent's machine, as one file: the standard library and itself."""
    if source.room != "client":
        return []
    return [
        f"{source.place}:{line}: imports {name}: use the standard library: this is handed out as one file"
        for line, name in imports(source)
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not f"{name}.".startswith("onduty.client.")
        and name != "onduty.__version__"
    ]


def test_rooms_meet_through_service() -> None:
    found = [breach for source in product() for breach in room_breaches(source)]
    assert not found, "\n".join(found)


def test_a_model_imports_no_room_but_its_own() -> None:
    found = [breach for source in product() for breach in model_breaches(source)]
    assert not found, "\n".join(found)


def test_the_client_imports_nothing_of_the_rest() -> None:
    found = [breach for source in product() for breach in client_breaches(source)]
    assert not found, "\n".join(found)


def _lint_imports(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    path = os.pathsep.join([str(folder), str(folder / "src")])
    return subprocess.run(
        [program, "--no-cache", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_dependencies_point_one_way() -> None:
    done = _lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_layers_can_fail(tmp_path: Path) -> None:
    package = tmp_path / "src" / "onduty"
    for room in ("sessions", "database"):
        (package / room).mkdir(parents=True)
        (package / room / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "clock.py").write_text("from onduty.sessions import model\n")
    (package / "sessions" / "model.py").write_text("")
    done = _lint_imports(tmp_path, "--config", str(ROOT / "pyproject.toml"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "onduty.clock -> onduty.sessions" in done.stdout


def test_the_rules_can_fail() -> None:
    assert room_breaches(Source("sessions/service.py", "from onduty.identity.store import token"))
    assert room_breaches(Source("sessions/service.py", "from onduty.identity import store"))
    assert room_breaches(Source("sessions/service.py", "import onduty.identity"))
    assert room_breaches(Source("sessions/routes.py", "from onduty.web.layout import page"))
    assert not room_breaches(Source("sessions/service.py", "from onduty.identity.service import Caller"))
    assert not room_breaches(Source("sessions/service.py", "from onduty.identity import service as identity"))
    assert not room_breaches(Source("sessions/pages.py", "from onduty.web.layout import page"))
    assert not room_breaches(Source("sessions/stream_pages.py", "from onduty.web.layout import page"))
    assert not room_breaches(Source("sessions/service.py", "from . import store"))
    assert model_breaches(Source("sessions/model.py", "from onduty.identity.service import Caller"))
    assert model_breaches(Source("sessions/model.py", "import socket"))
    assert model_breaches(Source("sessions/model.py", "import sqlalchemy"))
    assert not model_breaches(Source("sessions/model.py", "from onduty.clock import Instant"))
    assert client_breaches(Source("client/hook.py", "from onduty.clock import Clock"))
    assert client_breaches(Source("client/hook.py", "import httpx"))
    assert not client_breaches(Source("client/hook.py", "import json\nfrom onduty.client.credential import read"))
