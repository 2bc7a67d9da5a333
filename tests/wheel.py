"""The wheel, built once for a state of the files, and an environment that has it installed.

Servers and commands under test run from there, so what people install is what is tested. The dependencies are those of
the environment that runs the tests, which `uv.lock` decides. `ONDUTY_TEST_WHEEL=0` runs from the clone instead.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BUILT_FROM = (
    "src",
    "docs",
    "LICENSE",
    "README.md",
    "build-requirements.txt",
    "hatch_build.py",
    "pyproject.toml",
    "uv.lock",
)
_PLACE = Path(sys.prefix) / "tested"
# 2026-01-01: any date will do, as long as it is the same one.
EPOCH = "1767225600"


def onduty(*arguments: str) -> list[str]:
    """The command line of the `onduty` program under test."""
    if os.environ.get("ONDUTY_TEST_WHEEL") == "0":
        return [sys.executable, "-m", "onduty.cli.main", *arguments]
    return [str(_environment() / "bin" / "onduty"), *arguments]


def uv() -> str:
    """The Makefile's uv, or another that is there."""
    own = sorted(ROOT.glob(".uv/*/bin/uv"))
    found = os.environ.get("UV") or (str(own[-1]) if own else None) or shutil.which("uv")
    if found is None:
        raise FileNotFoundError("no uv: run `make test`, or name one in UV; ONDUTY_TEST_WHEEL=0 does without the wheel")
    return found


def build(root: Path, into: Path, **environment: str) -> Path:
    """The wheel of the clone at `root`, as `make dist` builds it but for its date, the same for every commit."""
    command = [uv(), "build", "--quiet", "--python", sys.executable, "--out-dir", str(into)]
    command += ["--build-constraints", "build-requirements.txt", "--require-hashes"]
    _run(command, root, {"SOURCE_DATE_EPOCH": EPOCH, **environment})
    [wheel] = into.glob("*.whl")
    return wheel


def built() -> Path:
    """The wheel of this clone as it is now."""
    [wheel] = (_environment().parent / "dist").glob("*.whl")
    return wheel


def sources(root: Path) -> Iterator[Path]:
    """Every file that has a part in the wheel."""
    for name in _BUILT_FROM:
        path = root / name
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (each for each in found if each.is_file() and "__pycache__" not in each.parts)


@cache
def _environment() -> Path:
    digest = hashlib.sha256()
    for path in sources(ROOT):
        digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_mode}\0".encode() + path.read_bytes())
    place = _PLACE / digest.hexdigest()[:16]
    with _alone(_PLACE):
        if not (place / "whole").exists():
            # What was built of earlier states goes. Who still tests one of them has it open for a while.
            for old in _PLACE.glob("*/"):
                if old.stat().st_mtime < place.parent.stat().st_mtime - 3600:
                    shutil.rmtree(old)
            shutil.rmtree(place, ignore_errors=True)
            _install(build(ROOT, place / "dist"), place / "env")
            (place / "whole").touch()
    return place / "env"


def _install(wheel: Path, into: Path) -> None:
    _run([uv(), "venv", "--quiet", "--python", sys.executable, str(into)], into.parent)
    # Searched after what is installed there, so its `onduty`, the clone's, is never met.
    [packages] = into.glob("lib/python*/site-packages")
    (packages / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [
        uv(),
        "pip",
        "install",
        "--quiet",
        "--python",
        str(into / "bin" / "python"),
        "--no-deps",
        "--compile-bytecode",
    ]
    _run([*install, str(wheel)], into.parent)


def _run(command: list[str], folder: Path, more: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=folder, env={**os.environ, **(more or {})}, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time: each that runs tests asks for the same."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
