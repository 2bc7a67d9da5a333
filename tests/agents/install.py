"""Installs the pinned agent clients of `package.json` beside this file, from the npm registry alone."""

from __future__ import annotations

import fcntl
import hashlib
import json
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"
INSTALL_SECONDS = 600


class InstallError(Exception):
    """The clients could not be installed; the text says why."""


@dataclass(frozen=True)
class Paths:
    """Where the installed programs are; `claude_*` are named after the MCP revision that they speak."""

    node: Path
    claude_2025: Path
    claude_2026: Path
    inspector: Path
    codex: Path


def ensure() -> Paths:
    """Installs what is missing and returns the programs' paths. Raises InstallError."""
    install(HERE)
    return _paths()


def install(folder: Path) -> Path:
    """Installs what the `package-lock.json` in `folder` names and is missing there, and returns its `node_modules`.

    Safe to call from several processes at once: one installs, the others wait. Raises InstallError.
    """
    modules = folder / "node_modules"
    stamp = modules / ".onduty-installed"
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    with (folder / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != digest:
            _install(folder)
            stamp.write_text(digest)
    return modules


def node(modules: Path) -> Path:
    """The pinned Node that is installed there. Raises InstallError."""
    return _existing(modules / f"node-{_target()}" / "bin" / "node")


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise InstallError("npm is not installed: it fetches what these tests run")
    # The packages' own install scripts only copy or fetch binaries, which are started from their own packages instead.
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    if done.returncode != 0:
        raise InstallError(f"npm ci failed in {folder}:\n{done.stdout}{done.stderr}")


def _paths() -> Paths:
    target = _target()
    return Paths(
        node=node(MODULES),
        claude_2025=_claude("claude-code-2025", target),
        claude_2026=_claude("claude-code-2026", target),
        inspector=_existing(MODULES / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"),
        codex=_codex(target),
    )


def _codex(target: str) -> Path:
    """The native program of `@openai/codex`; its launcher in JavaScript does nothing but start it."""
    processor = {"x64": "x86_64", "arm64": "aarch64"}[target.rpartition("-")[2]]
    return _existing(
        MODULES / f"@openai/codex-{target}" / "vendor" / f"{processor}-unknown-linux-musl" / "bin" / "codex"
    )


def _claude(alias: str, target: str) -> Path:
    """The native program of an aliased `@anthropic-ai/claude-code`: npm hoists that of one alias, nests the other's."""
    wanted = _version(MODULES / alias)
    for parent in (MODULES / alias / "node_modules", MODULES):
        package = parent / "@anthropic-ai" / f"claude-code-{target}"
        if (package / "package.json").exists() and _version(package) == wanted:
            return _existing(package / "claude")
    raise InstallError(f"no program for {target} in Claude Code {wanted}")


def _version(package: Path) -> str:
    return str(json.loads((package / "package.json").read_text())["version"])


def _target() -> str:
    processor = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine().lower())
    if sys.platform != "linux" or processor is None:
        raise InstallError(f"the pinned clients run on Linux x64 and arm64, not on {sys.platform} {platform.machine()}")
    return f"linux-{processor}"


def _existing(path: Path) -> Path:
    if not path.exists():
        raise InstallError(f"{path} is missing after the installation")
    return path


if __name__ == "__main__":
    print(ensure())
