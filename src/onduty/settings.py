"""Every setting: its name, environment variable and default; flag over environment over file over default.

Standard library alone, for the command line reads settings at every start and pydantic takes a quarter of a second.
"""

import difflib
import ipaddress
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from onduty.cleaning import clean

Origin = Literal["flag", "environment", "file", "default"]

PREFIX = "ONDUTY_"
FILE = "onduty.toml"
CLIENT_VARIABLES = frozenset(f"{PREFIX}{name}" for name in ("SERVER", "TOKEN", "PROJECT", "ROLE", "SESSION"))
"""What the client program reads: known here, and no setting of the server."""

_LEVELS = ("debug", "info", "warning", "error", "critical")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class SettingsError(Exception):
    """One line that names the setting and says what is wrong with it."""

    def __init__(self, line: str) -> None:
        super().__init__(clean(line))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the server is told from outside. `port` 0: any free port; `rate_limit`: requests a minute, 0: no limit.

    `backups`: how many of those that are taken daily are kept, 0: none is taken.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 4646
    database: str | None = None
    public_url: str | None = None
    rate_limit: int = 6000
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    log_level: str = "info"
    backups: int = 7
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False)

    @property
    def sqlite_file(self) -> Path | None:
        """The SQLite file, None where the database is PostgreSQL."""
        if self.database is None:
            return self.own_file
        return _sqlite_path(self.database) if self.database.startswith("sqlite:") else None

    @property
    def own_file(self) -> Path:
        """The SQLite file that there is where no database is named."""
        return self.data / "onduty.sqlite3"

    @property
    def place(self) -> Path | str:
        """Where the data is: the SQLite file, or a PostgreSQL database's address."""
        return self.sqlite_file or str(self.database)

    @property
    def backup_folder(self) -> Path:
        """Where backups are kept."""
        return self.data / "backups"


def load(flags: Mapping[str, object], environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in force. `flags` are by setting name, None where not given. SettingsError if any of it is wrong."""
    environment = os.environ if environment is None else environment
    _refuse_unknown(environment)
    given = _given(flags, environment)
    if "data" not in given:
        given["data"] = (_default_data(environment), "default", "data")
    values: dict[str, Any] = {"data": _read("data", given)}
    for name, value in _from_file(values["data"] / FILE).items():
        given.setdefault(name, value)
    values |= {name: _read(name, given) for name in given if name != "data"}
    origins: dict[str, Origin] = {name: given[name][1] if name in given else "default" for name in _PARSERS}
    settings = Settings(**values, origins=origins)
    _check_together(settings)
    return settings


def describe(settings: Settings) -> list[tuple[str, str, str, Origin]]:
    """Each setting's name, environment variable, value as text with secrets masked, and where the value is from."""
    return [(name, variable(name), _shown(name, settings), settings.origins.get(name, "default")) for name in _PARSERS]


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach a server that listens there."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


# A value as given, where it is from, and how the person who gave it calls it.
_Given = tuple[object, Origin, str]


def _given(flags: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, _Given]:
    given: dict[str, _Given] = {}
    for name in _PARSERS:
        # An empty variable counts as unset: compose files and shells hand on what is not there as ''.
        if environment.get(variable(name), "").strip():
            given[name] = (environment[variable(name)].strip(), "environment", variable(name))
    for name, value in flags.items():
        if value is not None:
            given[name] = (value, "flag", "--" + name.replace("_", "-"))
    return given


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = {variable(name) for name in _PARSERS} | CLIENT_VARIABLES
    for name in sorted(environment):
        if name.upper().startswith(PREFIX) and name not in known:
            raise SettingsError(f"{name} is not a setting{_guess(name.upper(), known)}")


def _guess(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def _from_file(path: Path) -> dict[str, _Given]:
    try:
        entries = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"{path} cannot be read: {reason}") from None
    known = _PARSERS.keys() - {"data"}
    for name in entries:
        if name == "data":
            raise SettingsError(f"data in {path}: the folder that holds this file cannot be set in it")
        if name not in known:
            raise SettingsError(f"{name} in {path} is not a setting{_guess(name, known)}")
    return {name: (value, "file", f"{name} in {path}") for name, value in entries.items()}


def _read(name: str, given: Mapping[str, _Given]) -> Any:
    value, _, called = given[name]
    try:
        return _PARSERS[name](value)
    except (ValueError, RuntimeError) as error:
        raise SettingsError(f"{called} {error}") from None


def _check_together(settings: Settings) -> None:
    if settings.public_url is None and not is_loopback(settings.host):
        raise SettingsError(
            f"host {settings.host} can be reached from other computers: set {variable('public_url')} (--public-url) "
            "too, the http or https address that people and agents use, for only requests to that host are answered"
        )


def _shown(name: str, settings: Settings) -> str:
    value = getattr(settings, name)
    if name == "database":
        return f"sqlite://{settings.sqlite_file}" if value is None else _masked(value)
    return ", ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)


def _masked(url: str) -> str:
    # Up to the last @: a password may hold any character, and masking too much is the safe mistake.
    url = re.sub(r"(://[^:@/]*:).*@", r"\1***@", url)
    return re.sub(r"(?i)([?&][^=&]*password=)[^&]*", r"\1***", url)


def _default_data(environment: Mapping[str, str]) -> str:
    # The XDG specification says to ignore a relative path.
    if (xdg := environment.get("XDG_DATA_HOME", "")) and Path(xdg).is_absolute():
        return f"{xdg}/onduty"
    if sys.platform == "win32" and (local := environment.get("LOCALAPPDATA")):
        return f"{local}/onduty"
    return "~/Library/Application Support/onduty" if sys.platform == "darwin" else "~/.local/share/onduty"


def _text(value: object) -> str:
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise ValueError("must be text that is not empty")
    return str(value).strip()


def _number(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        given = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
        if not re.fullmatch(r"[0-9]{1,12}", given) or not low <= int(given) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(given)

    return read


def _folder(value: object) -> Path:
    return Path(_text(value)).expanduser().absolute()


def _host(value: object) -> str:
    host = _text(value).removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if not re.fullmatch(r"(?!-)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", host):
            raise ValueError("must be an address or a host name, without a port") from None
    return host.lower()


def _database(value: object) -> str:
    url = _text(value)
    if url.startswith("sqlite:"):
        _sqlite_path(url)
        return url
    if not re.match(r"postgresql://[^\s]", url):
        raise ValueError("must be sqlite:///absolute/path or postgresql://user@host/name")
    return url


def _sqlite_path(url: str) -> Path:
    # SQLAlchemy's four slashes for an absolute path mean the same as three: a relative path has no place here.
    match = re.fullmatch(r"sqlite:///+([^/?#][^?#]*)", url)
    if match is None or match[1].startswith(":memory:"):
        raise ValueError("must be sqlite:///absolute/path")
    path = unquote(match[1])
    return Path(path if re.match(r"[A-Za-z]:/", path) else f"/{path}")


def _public_url(value: object) -> str:
    origin = _origin(value)
    if not origin.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return origin


def _origin(value: object) -> str:
    """A web origin as browsers send it: lower case, no default port, no path."""
    wrong = "must be an origin like https://onduty.example.com, without path, user and query"
    try:
        parts = urlsplit(_text(value))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(wrong) from None
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc or not parts.scheme:
        raise ValueError(wrong)
    if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]*:[0-9a-f:.]*", host):
        raise ValueError(wrong)
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + ("" if port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{port}")


def _network(value: object) -> str:
    try:
        network = ipaddress.ip_network(_text(value))
    except ValueError:
        raise ValueError("must be addresses or networks like 10.0.0.0/8") from None
    return str(network if network.num_addresses > 1 else network.network_address)


def _list_of(read_one: Callable[[object], str]) -> Callable[[object], tuple[str, ...]]:
    def read(value: object) -> tuple[str, ...]:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            raise ValueError("must be a list, or text with commas")
        return tuple(dict.fromkeys(read_one(part) for part in parts if part != ""))

    return read


def _log_level(value: object) -> str:
    level = _text(value).lower()
    if level not in _LEVELS:
        raise ValueError(f"must be one of {', '.join(_LEVELS)}")
    return level


_PARSERS: dict[str, Callable[[object], Any]] = {
    "host": _host,
    "port": _number(0, 65_535),
    "data": _folder,
    "database": _database,
    "public_url": _public_url,
    "rate_limit": _number(0, 1_000_000_000),
    "cors_origins": _list_of(_origin),
    "trusted_proxies": _list_of(_network),
    "log_level": _log_level,
    "backups": _number(0, 1_000),
}
