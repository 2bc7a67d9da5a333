"""What people install: what is in the wheel, that it can be built again, and that it serves from an empty home."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

import onduty
from tests.asking import ask
from tests.structure.test_dependencies import runtime
from tests.wheel import ROOT, build, built, pythons, sources, uv

# Needed on other systems alone, so not installed here to be read: BSD-3-Clause, BSD-3-Clause, PSF-2.0.
_ELSEWHERE = {"colorama", "httpx2-jsfetch", "pywin32"}


@pytest.fixture(scope="module")
def wheel() -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(built().read_bytes()))


def test_it_is_built_again_to_the_same_bytes(tmp_path: Path) -> None:
    """From another folder, with other times and modes of its files, in another time zone and language."""
    for path in sources(ROOT):
        copy = tmp_path / "elsewhere" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        os.utime(copy, (1, 1_000_000_000))
        copy.chmod(0o600)
    again = build(tmp_path / "elsewhere", tmp_path / "dist", TZ="Pacific/Chatham", LC_ALL="C", PYTHONHASHSEED="7")
    for kind in ("*.whl", "*.tar.gz"):
        [first], [second] = built().parent.glob(kind), again.parent.glob(kind)
        assert first.name == second.name
        assert first.read_bytes() == second.read_bytes(), kind


def test_it_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """Every file of the package byte for byte, templates, static files and migrations among them; no tests."""
    info = f"onduty-{onduty.__version__}.dist-info/"
    held = {name: wheel.read(name) for name in wheel.namelist() if not name.startswith(info)}
    package = ROOT / "src"
    assert held == {
        str(path.relative_to(package)): path.read_bytes() for path in sources(ROOT) if path.is_relative_to(package)
    }
    for folder in ("web/templates", "web/static", "database/migrations/versions"):
        assert any(name.startswith(f"onduty/{folder}/") for name in held), folder
    assert {name.removeprefix(info) for name in wheel.namelist()} - set(held) >= {"licenses/LICENSE", "METADATA"}


def test_it_lists_all_that_it_installs(wheel: zipfile.ZipFile) -> None:
    """The CycloneDX document in it names what is installed beside it, by the versions that the tests ran with."""
    listed = _bill(wheel)
    assert (listed["bomFormat"], listed["metadata"]["component"]["version"]) == ("CycloneDX", onduty.__version__)
    named = {each["name"]: each["version"] for each in listed["components"]}
    installed = {name: package.version for name, package in runtime().items()}
    # The licences of those are read in tests/structure/test_dependencies.py.
    assert {name: named.get(name) for name in installed} == installed
    assert set(named) - set(installed) <= _ELSEWHERE, "not installed here: look up its licence, and add it"
    references = {each["bom-ref"] for each in listed["components"]} | {listed["metadata"]["component"]["bom-ref"]}
    assert {each["ref"] for each in listed["dependencies"]} == references
    assert {needed for each in listed["dependencies"] for needed in each["dependsOn"]} <= references
    assert f"pkg:pypi/fastapi@{installed['fastapi']}" in references


def _bill(wheel: zipfile.ZipFile) -> Any:
    return json.loads(wheel.read(f"onduty-{onduty.__version__}.dist-info/sboms/onduty.cdx.json"))


def test_its_metadata_ask_for_what_it_needs_to_run_alone(wheel: zipfile.ZipFile) -> None:
    metadata = wheel.read(f"onduty-{onduty.__version__}.dist-info/METADATA").decode()
    assert f"\nVersion: {onduty.__version__}\n" in metadata
    named = {canonicalize_name(each) for each in re.findall(r"^Requires-Dist: ([\w-]+)", metadata, re.MULTILINE)}
    assert "fastapi" in named
    assert not named & {"pytest", "ruff", "mypy"}


class Home:
    """Somebody's empty home, in which `uvx --from onduty-….whl onduty` is all that they know."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder = folder
        folder.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ONDUTY_", "XDG_", "UV_"))}
        # The packages that were fetched for this clone need not be fetched again.
        self._cache = {"UV_CACHE_DIR": _said("cache", "dir"), "UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "1"}
        self.environment = {**kept, **self._cache, "HOME": str(folder), "ONDUTY_PORT": "0"}
        locked = folder.with_name("locked.txt")
        locked.write_text(_said("export", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes"))
        self._command = [uv(), "tool", "run", "--quiet", "--python", python, "--constraints", str(locked)]
        self._command += ["--from", str(built()), "onduty"]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [*self._command, *arguments]
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True)

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code, and what was printed."""
        process = self.start(*arguments)
        printed, _ = process.communicate(timeout=60)
        return process.returncode, printed


def _said(*arguments: str) -> str:
    done = subprocess.run([uv(), *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(params=list(pythons().values()), ids=list(pythons()))
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    return Home(tmp_path / "home", request.param)


def test_it_serves_from_an_empty_home(home: Home) -> None:
    """On each Python that is here: link, token and line are printed, the data is in the user's folder, `who` knows."""
    process = home.start("serve")
    try:
        lines = _until(process, "claude mcp add ")
        [token] = [line for line in lines if line.startswith("ody_")]
        [link] = [line for line in lines if "/sign-in#" in line]
        port = int(link.partition("/sign-in")[0].rpartition(":")[2])
        _until_ready(port)
        assert home.run("version") == (0, onduty.__version__ + "\n")
        code, printed = home.run("who")
        assert (code, printed.startswith("Nobody is on duty in ")) == (1, True), printed
        [project] = ask(port, "GET", "/api/projects", token=token).json["projects"]
        path = f"/api/projects/{project['id']}/agent-sessions"
        assert ask(port, "POST", path, token=token, json={"machine_id": "laptop"}).status == 201
        code, printed = home.run("who", "--json")
        assert (code, [row["machine_id"] for row in json.loads(printed)["sessions"]]) == (0, ["laptop"])
        for page in ("/sign-in", "/api/openapi.json", "/api/docs", "/static/docs/swagger-ui.css"):
            assert ask(port, "GET", page).status == 200, page
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0
    data = home.folder / ("Library/Application Support" if sys.platform == "darwin" else ".local/share") / "onduty"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert (data / "onduty.sqlite3").exists()


def _until(process: subprocess.Popen[str], begins: str) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith(begins):
            return lines
    raise AssertionError(lines)


def _until_ready(port: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            assert ask(port, "GET", "/readyz").status == 200
            return
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.02)


def test_the_data_folder_is_where_the_user_keeps_data(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", sys.executable)
    home.environment["XDG_DATA_HOME"] = str(tmp_path / "elsewhere")
    code, printed = home.run("config")
    assert code == 0
    assert re.search(rf"{re.escape(str(tmp_path))}/elsewhere/onduty\b", printed), printed


def test_the_pythons_it_claims_are_those_that_its_metadata_let_in(wheel: zipfile.ZipFile) -> None:
    metadata = wheel.read(f"onduty-{onduty.__version__}.dist-info/METADATA").decode()
    assert re.findall(r"^Classifier: Programming Language :: Python :: (3\.\d+)$", metadata, re.MULTILINE) == [
        "3.11", "3.12", "3.13", "3.14",
    ]  # fmt: skip
    assert re.findall(r"^Requires-Python: (.*)$", metadata, re.MULTILINE) == ["<3.15,>=3.11"]
