"""Settings: flag over environment over file over default, and each mistake is one line that names its setting."""

import subprocess
import sys
from pathlib import Path

import pytest

from onduty.settings import CLIENT_VARIABLES, Settings, SettingsError, describe, is_loopback, load, variable


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home in which nothing is set."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def wrong(flags: dict[str, object], environment: dict[str, str]) -> str:
    """The one line that refuses it."""
    with pytest.raises(SettingsError) as caught:
        load(flags, environment)
    line = str(caught.value)
    assert "\n" not in line
    return line


def values(settings: Settings) -> dict[str, str]:
    return {name: value for name, _, value, _ in describe(settings)}


def test_defaults_need_nothing(home: Path) -> None:
    settings = load({}, {})
    assert settings == Settings(data=home / ".local/share/onduty")
    assert (settings.host, settings.port, settings.rate_limit) == ("127.0.0.1", 4646, 6000)
    assert settings.sqlite_file == home / ".local/share/onduty/onduty.sqlite3"
    assert {origin for *_, origin in describe(settings)} == {"default"}


def test_the_data_folder_follows_xdg_but_not_a_relative_one(home: Path) -> None:
    assert load({}, {"XDG_DATA_HOME": "/xdg"}).data == Path("/xdg/onduty")
    assert load({}, {"XDG_DATA_HOME": "xdg"}).data == home / ".local/share/onduty"


def test_a_relative_data_folder_is_made_absolute(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make run` says ./data: a later change of folder must not move the database."""
    monkeypatch.chdir(home)
    assert load({}, {"ONDUTY_DATA": "./data"}).data == home / "data"
    assert load({"data": Path("~/d")}, {}).data == home / "d"


def test_flag_over_environment_over_file_over_default(tmp_path: Path) -> None:
    (tmp_path / "onduty.toml").write_text("port = 1\nrate_limit = 1\nlog_level = 'debug'\n")
    environment = {"ONDUTY_DATA": str(tmp_path), "ONDUTY_PORT": "2", "ONDUTY_RATE_LIMIT": "2"}
    settings = load({"port": 3, "host": None}, environment)
    assert (settings.port, settings.rate_limit, settings.log_level, settings.host) == (3, 2, "debug", "127.0.0.1")
    origins = {name: origin for name, _, _, origin in describe(settings)}
    assert [origins[name] for name in ("port", "rate_limit", "log_level", "host", "data")] == [
        "flag",
        "environment",
        "file",
        "default",
        "environment",
    ]


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    settings = load({"data": tmp_path}, {"ONDUTY_PORT": "", "ONDUTY_CORS_ORIGINS": " "})
    assert (settings.port, settings.cors_origins) == (4646, ())


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("ONDUTY_PROT", "ONDUTY_PORT"),
        ("ONDUTY_PUBLICURL", "ONDUTY_PUBLIC_URL"),
        ("ONDUTY_DATABASE_URL", "ONDUTY_DATABASE"),
        ("onduty_port", "ONDUTY_PORT"),
    ],
)
def test_an_unknown_variable_is_refused_with_a_guess(name: str, guess: str) -> None:
    assert wrong({}, {name: "1"}) == f"{name} is not a setting; did you mean {guess}?"


def test_an_unknown_variable_like_none_is_refused_without_a_guess() -> None:
    assert wrong({}, {"ONDUTY_QQQQQQQQQQQQQ": "1"}) == "ONDUTY_QQQQQQQQQQQQQ is not a setting"


def test_the_clients_variables_are_known(home: Path) -> None:
    assert load({}, {**dict.fromkeys(CLIENT_VARIABLES, "x"), "HOME": "x", "MONDUTY_X": "x"}).data.is_relative_to(home)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prot = 1", "prot in {file} is not a setting; did you mean port?"),
        ("data = '/elsewhere'", "data in {file}: the folder that holds this file cannot be set in it"),
        ('"a\\n\\u001b[31mb" = 1', "a [31mb in {file} is not a setting"),
        ("port = 'x'", "port in {file} must be a whole number from 0 to 65535"),
        ("port = true", "port in {file} must be a whole number from 0 to 65535"),
        ("port = 1.5", "port in {file} must be a whole number from 0 to 65535"),
        ("cors_origins = 5", "cors_origins in {file} must be a list, or text with commas"),
        ("trusted_proxies = [5]", "trusted_proxies in {file} must be addresses or networks like 10.0.0.0/8"),
    ],
)
def test_mistakes_in_the_file_name_the_file(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "onduty.toml").write_text(text)
    assert wrong({"data": tmp_path}, {}) == says.format(file=tmp_path / "onduty.toml")


@pytest.mark.parametrize("content", [b"port =", b"\xff\xfe", b"port = 1\nport = 2"])
def test_a_file_that_is_no_toml_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "onduty.toml").write_bytes(content)
    assert "onduty.toml cannot be read: " in wrong({"data": tmp_path}, {})


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "onduty.toml").mkdir()
    assert wrong({"data": tmp_path}, {}) == f"{tmp_path / 'onduty.toml'} cannot be read: Is a directory"


@pytest.mark.parametrize("port", ["-1", "65536", "80 80", "8_0", "0x50", "٨٠", "+80", "1e3"])
def test_ports_are_plain_numbers(port: str) -> None:
    assert wrong({}, {"ONDUTY_PORT": port}) == "ONDUTY_PORT must be a whole number from 0 to 65535"
    assert wrong({"port": port}, {}) == "--port must be a whole number from 0 to 65535"


def test_port_0_and_no_rate_limit_may_be_asked(tmp_path: Path) -> None:
    settings = load({"data": tmp_path, "port": 0}, {"ONDUTY_RATE_LIMIT": "0"})
    assert (settings.port, settings.rate_limit) == (0, 0)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST", "::ffff:127.0.0.1"]
)
def test_loopback_needs_no_public_url(tmp_path: Path, host: str) -> None:
    assert is_loopback(load({"data": tmp_path, "host": host}, {}).host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "localhost.example.com", "127.1", "::ffff:10.0.0.1"]
)
def test_any_other_host_needs_one_and_the_line_says_why(tmp_path: Path, host: str) -> None:
    line = wrong({"data": tmp_path, "host": host}, {})
    assert "can be reached from other computers" in line
    assert "ONDUTY_PUBLIC_URL" in line
    assert load({"data": tmp_path, "host": host, "public_url": "https://onduty.example.com"}, {}).host == host


@pytest.mark.parametrize("host", ["", " ", "a b", "localhost:80", "http://localhost", "-x", "a..b"])
def test_a_host_is_an_address_or_a_name(host: str) -> None:
    assert wrong({"host": host}, {}).startswith("--host must be ")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://Onduty.Example.com/", "https://onduty.example.com"),
        ("HTTPS://onduty.example.com:443", "https://onduty.example.com"),
        ("http://onduty:8080", "http://onduty:8080"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_the_public_url_is_an_origin_as_browsers_send_it(tmp_path: Path, given: str, kept: str) -> None:
    assert load({"data": tmp_path, "public_url": given}, {}).public_url == kept


@pytest.mark.parametrize(
    "url",
    [
        "onduty.example.com",
        "ftp://onduty.example.com",
        "https://",
        "https://a/path",
        "https://a?x=1",
        "https://a#x",
        "https://user@a",
        "https://a:99999",
        "https://a b",
        "https://[::1",
        "https://münchen.de",
    ],
)
def test_anything_else_is_no_public_url(url: str) -> None:
    assert wrong({"public_url": url}, {}).startswith("--public-url must ")


def test_lists_are_exact_and_without_repeats(tmp_path: Path) -> None:
    environment = {
        "ONDUTY_CORS_ORIGINS": "https://a.example, https://A.example:443,vscode-webview://x1",
        "ONDUTY_TRUSTED_PROXIES": "10.0.0.0/8, 127.0.0.1 ,::1",
    }
    settings = load({"data": tmp_path}, environment)
    assert settings.cors_origins == ("https://a.example", "vscode-webview://x1")
    assert settings.trusted_proxies == ("10.0.0.0/8", "127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cors_origins", "*"),
        ("cors_origins", "null"),
        ("cors_origins", "https://*.example.com"),
        ("trusted_proxies", "*"),
        ("trusted_proxies", "10.0.0.1/8"),
        ("trusted_proxies", "proxy"),
        ("log_level", "loud"),
    ],
)
def test_nothing_is_opened_to_everyone_by_a_wildcard_or_a_slip(name: str, value: str) -> None:
    assert wrong({}, {variable(name): value}).startswith(f"{variable(name)} must be ")


@pytest.mark.parametrize("url", ["sqlite:///var/lib/a%20b.db", "sqlite:////var/lib/a%20b.db"])
def test_a_sqlite_url_is_an_absolute_path(tmp_path: Path, url: str) -> None:
    assert load({"data": tmp_path, "database": url}, {}).sqlite_file == Path("/var/lib/a b.db")


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///a?mode=ro", "mysql://a/b", "a.db", "postgresql:"],
)
def test_other_databases_are_refused_without_repeating_the_url(url: str) -> None:
    line = wrong({}, {"ONDUTY_DATABASE": url})
    assert line.startswith("ONDUTY_DATABASE must be sqlite:///absolute/path")
    assert "a.db" not in line


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:5ecret@db/onduty",
        "postgresql://user:5ec/r@:et5ecret@db/onduty",
        "postgresql://db/onduty?user=u&password=5ecret",
        "postgresql://db/onduty?sslpassword=5ecret&x=1",
    ],
)
def test_the_databases_password_is_never_shown(tmp_path: Path, url: str) -> None:
    settings = load({"data": tmp_path, "database": url}, {})
    assert settings.sqlite_file is None
    shown = values(settings)["database"]
    assert "5e" not in shown
    assert "***" in shown
    assert "/onduty" in shown


def test_every_setting_is_described_once_with_its_variable(tmp_path: Path) -> None:
    described = describe(load({"data": tmp_path}, {}))
    names = [name for name, *_ in described]
    assert sorted(names) == sorted(Settings.__dataclass_fields__.keys() - {"origins"})
    assert all(environment == "ONDUTY_" + name.upper() for name, environment, *_ in described)
    assert dict(zip(names, (value for _, _, value, _ in described), strict=True))["data"] == str(tmp_path)


def test_the_command_line_reads_settings_without_the_heavy_libraries() -> None:
    """Pydantic alone takes longer to import than `onduty who` may take."""
    program = "import sys, onduty.settings; print(sorted({'pydantic', 'sqlalchemy', 'asyncio'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
