"""The command line's credentials: one for each server address, kept with its origin and sent to no other."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


class CredentialsError(Exception):
    """One line: what is wrong with the file, or with an address."""


@dataclass(frozen=True)
class Credential:
    """A token for one origin. `project` is the id that commands mean where none is named."""

    origin: str
    token: str
    project: str | None = None
    machine: str | None = None


def path(environment: Mapping[str, str] | None = None) -> Path:
    """`$XDG_CONFIG_HOME/onduty/credentials.json`, else below `~/.config`."""
    given = (os.environ if environment is None else environment).get("XDG_CONFIG_HOME", "")
    # The XDG specification says to ignore a relative path.
    folder = Path(given) if Path(given).is_absolute() else Path.home() / ".config"
    return folder / "onduty" / "credentials.json"


def origin_of(address: str) -> str:
    """A server's address as its origin: lower case, no default port, no path. CredentialsError if it is none."""
    wrong = "a server's address is like http://127.0.0.1:4646, without path, user and query"
    try:
        parts = urlsplit(address.strip())
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise CredentialsError(wrong) from None
    if parts.scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc:
        raise CredentialsError(wrong)
    if parts.path not in ("", "/") or parts.query or parts.fragment or not (host.isascii() and host.isprintable()):
        raise CredentialsError(wrong)
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + ("" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}")


def default_origin(file: Path | None = None) -> str | None:
    """The address used last. CredentialsError where the file cannot be read."""
    found = _read(file or path()).get("default")
    return found if isinstance(found, str) else None


def find(origin: str, file: Path | None = None) -> Credential | None:
    """The credential of this origin, None if none is kept. CredentialsError where the file cannot be read."""
    entry = _read(file or path())["servers"].get(origin)
    if not isinstance(entry, dict) or not isinstance(entry.get("token"), str):
        return None
    return Credential(origin, entry["token"], _text(entry.get("project")), _text(entry.get("machine")))


def origins(file: Path | None = None) -> list[str]:
    """The addresses that a credential is kept for."""
    return sorted(_read(file or path())["servers"])


def keep(credential: Credential, file: Path | None = None) -> Path:
    """Keep a credential for its origin, which becomes the default; the others stay. Answers the file.

    CredentialsError where the file that is there cannot be read (it is then left as it is), or none can be written.
    """
    file = file or path()
    try:
        with _alone(file):
            kept = _read(file)
            entry = {"token": credential.token, "project": credential.project, "machine": credential.machine}
            before = kept["servers"].get(credential.origin)
            # What a later version keeps beside these stays.
            kept["servers"][credential.origin] = {**(before if isinstance(before, dict) else {}), **entry}
            kept["default"] = credential.origin
            _write(file, kept)
    except OSError as error:
        raise CredentialsError(f"{file} cannot be written: {error.strerror}") from None
    return file


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _read(file: Path) -> dict[str, Any]:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"servers": {}, "default": None}
    except OSError as error:
        raise CredentialsError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise CredentialsError(f"{file} is not valid JSON; mend it, or move it away") from None
    if not isinstance(kept, dict) or not isinstance(kept.setdefault("servers", {}), dict):
        raise CredentialsError(f"{file} does not hold credentials; mend it, or move it away")
    return kept


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Hold the folder against others who change the file, so that no entry of theirs is lost."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.parent.chmod(0o700)
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _write(file: Path, kept: dict[str, Any]) -> None:
    # A file that is linked from elsewhere stays linked.
    target = file.resolve()
    # mkstemp makes it 0600 from the first moment on.
    handle, name = tempfile.mkstemp(prefix=".credentials-", dir=target.parent)
    try:
        with open(handle, "w", encoding="utf-8") as temporary:
            json.dump(kept, temporary, indent=2)
            temporary.write("\n")
            temporary.flush()
            os.fsync(temporary.fileno())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def forget(origin: str, file: Path | None = None) -> None:
    """Forget the credential of this origin; another that is kept becomes the default. CredentialsError."""
    file = file or path()
    try:
        with _alone(file):
            kept = _read(file)
            kept["servers"].pop(origin, None)
            if kept.get("default") == origin:
                kept["default"] = next(iter(sorted(kept["servers"])), None)
            _write(file, kept)
    except OSError as error:
        raise CredentialsError(f"{file} cannot be written: {error.strerror}") from None
