"""The wheel, built once for a state of the files, and an environment that has it installed.

Servers and commands under test run from there, so what people install is what is tested. The dependencies are those of
the environment that runs the tests, which `uv.lock` decides. `ONDUTY_TEST_WHEEL=0` runs from the clone
instead.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BUILT_FROM = (
    ".gitignore",
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
    if not from_the_wheel():
        return [sys.executable, "-m", "onduty.cli.main", *arguments]
    return [str(_environment() / "bin" / "onduty"), *arguments]


def from_the_wheel() -> bool:
    """Whether that is the installed wheel. The Makefile brings uv; who runs pytest without it tests the clone."""
    return os.environ.get("ONDUTY_TEST_WHEEL") != "0" and (_found_uv() is not None or os.environ.get("CI") == "true")


def uv() -> str:
    """The Makefile's uv, or another that is there."""
    found = _found_uv()
    assert found is not None, "no uv: `make test` brings it, or name one in UV"
    return found


def _found_uv() -> str | None:
    own = sorted(ROOT.glob(".uv/*/bin/uv"))
    return os.environ.get("UV") or (str(own[-1]) if own else shutil.which("uv"))


@cache
def pythons() -> dict[str, str]:
    """Every Python here that the product is for, by version: the one that runs this, on PATH, and pyenv's."""
    found: dict[str, str] = {}
    for version in ("3.11", "3.12", "3.13", "3.14"):
        of_pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        for program in (sys.executable, shutil.which(f"python{version}"), *map(str, of_pyenv)):
            # A name on PATH may be a stand-in that only complains.
            if program and version not in found and _version(program) == version:
                found[version] = program
    return found


def _version(program: str) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([program, "-I", "-c", code], capture_output=True, text=True).stdout.strip()


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
            # Of earlier states; another run may still be at a recent one.
            for old in _PLACE.glob("*/"):
                if old.stat().st_mtime < time.time() - 3600:
                    shutil.rmtree(old)
            shutil.rmtree(place, ignore_errors=True)
            _install(build(ROOT, place / "dist"), place / "env")
            (place / "whole").touch()
        os.utime(place)
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
