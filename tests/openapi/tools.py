"""The client that openapi-python-client makes of our document, in an environment of its own below `.tools/`."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

from tests.wheel import uv

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
_REQUIREMENTS = HERE / "requirements.txt"
_SECONDS = 600


def environment() -> Path:
    """The folder of the environment's programs; made by uv from the pinned requirements, once for each pinning."""
    digest = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = ROOT / ".tools" / f"openapi-python-client-{digest}"
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".made").exists():
            python = folder / "bin" / "python"
            _run(uv(), "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
            _run(uv(), "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "-r", _REQUIREMENTS)
            (folder / ".made").touch()
    return folder / "bin"


def generate(document: Path, into: Path) -> None:
    """Write the package that speaks what the document says; a warning of the generator is an error."""
    program = environment() / "openapi-python-client"
    options = ("--meta", "none", "--fail-on-warning", "--config", str(HERE / "generator.yaml"))
    _run(program, "generate", "--path", document, "--output-path", into, *options)


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=_SECONDS)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
