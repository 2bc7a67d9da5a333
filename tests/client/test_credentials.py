"""Credentials: an entry an origin, for their owner alone, and never half written."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import pytest

from onduty.client.credentials import Credential, CredentialsError, default_origin, find, keep, origin_of, path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "onduty" / "credentials.json"


def test_the_file_follows_xdg_but_not_a_relative_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/h")
    assert path({"XDG_CONFIG_HOME": "/x"}) == Path("/x/onduty/credentials.json")
    assert path({"XDG_CONFIG_HOME": "x"}) == path({}) == Path("/h/.config/onduty/credentials.json")


def test_what_is_kept_is_for_its_owner_alone(file: Path) -> None:
    file.parent.mkdir(parents=True, mode=0o755)
    keep(Credential("http://127.0.0.1:4646", "ody_a", "p", "laptop"), file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    assert json.loads(file.read_text()) == {
        "servers": {"http://127.0.0.1:4646": {"token": "ody_a", "project": "p", "machine": "laptop"}},
        "default": "http://127.0.0.1:4646",
    }


def test_each_origin_has_its_own_and_the_last_is_the_default(file: Path) -> None:
    keep(Credential("http://a", "ody_a"), file)
    keep(Credential("http://b", "ody_b"), file)
    keep(Credential("http://a", "ody_new", "p"), file)
    assert find("http://a", file) == Credential("http://a", "ody_new", "p")
    assert find("http://b", file) == Credential("http://b", "ody_b")
    assert [find(other, file) for other in ("http://a:81", "https://a")] == [None, None]
    assert default_origin(file) == "http://a"


def test_what_a_later_version_keeps_there_stays(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text('{"servers": {"http://a": {"token": "ody_a", "new": 1}}, "more": 2}')
    keep(Credential("http://a", "ody_b"), file)
    kept = json.loads(file.read_text())
    assert (kept["servers"]["http://a"]["new"], kept["more"]) == (1, 2)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"servers": []}', "\xff", "[" * 100_000])
def test_a_file_that_is_broken_is_said_and_left(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="latin-1")
    with pytest.raises(CredentialsError, match=r"credentials\.json"):
        find("http://a", file)
    with pytest.raises(CredentialsError):
        keep(Credential("http://a", "ody_a"), file)
    assert file.read_text(encoding="latin-1") == text


def test_entries_that_are_none_count_as_absent(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text('{"servers": {"http://a": "ody_a", "http://b": {"token": 1}}, "default": 3}')
    assert [find("http://a", file), find("http://b", file), default_origin(file)] == [None, None, None]
    keep(Credential("http://a", "ody_a"), file)
    assert find("http://a", file) == Credential("http://a", "ody_a")


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CredentialsError, match="cannot be written"):
        keep(Credential("http://a", "ody_a"), tmp_path / "file" / "onduty" / "credentials.json")


def test_a_linked_file_stays_linked(tmp_path: Path, file: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text('{"servers": {}}')
    file.parent.mkdir(parents=True)
    file.symlink_to(real)
    keep(Credential("http://a", "ody_a"), file)
    assert file.is_symlink()
    assert "ody_a" in real.read_text()


def test_none_of_those_kept_at_once_is_lost(file: Path) -> None:
    origins = [f"http://host-{number}" for number in range(16)]
    threads = [threading.Thread(target=keep, args=(Credential(origin, "ody_a"), file)) for origin in origins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(find(origin, file) for origin in origins)


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("http://127.0.0.1:4646", "http://127.0.0.1:4646"),
        (" HTTPS://Onduty.Example.com:443/ ", "https://onduty.example.com"),
        ("http://[::1]:4646", "http://[::1]:4646"),
    ],
)
def test_origins(address: str, origin: str) -> None:
    assert origin_of(address) == origin


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1:4646",
        "ftp://a",
        "http://",
        "http://a/b",
        "http://a?b",
        "http://u:p@a",
        "http://a:x",
        "http://[::1",
    ],
)
def test_what_is_no_origin(address: str) -> None:
    with pytest.raises(CredentialsError):
        origin_of(address)
