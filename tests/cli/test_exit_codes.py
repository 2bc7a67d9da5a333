"""What goes wrong has its exit code and its line on stderr, and stdout stays empty."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from onduty.client import credentials
from tests.cli.far_side import PROJECT, FarSide, Onduty, Said


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 2), (401, 4), (403, 4), (404, 2), (409, 5), (421, 2), (429, 3), (500, 70), (502, 3), (503, 3)],
)
def test_an_error_answer(far_side: FarSide, onduty: Onduty, status: int, code: int) -> None:
    far_side.says["GET /api/projects"] = Said({"error": "No \x1b[31mway", "code": "X"}, status)
    found, out, err = onduty("who")
    assert (found, out) == (code, "")
    words = "The token is not taken: it is unknown, revoked or expired" if status == 401 else "No [31mway"
    assert err == f"onduty: {words}\n"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"error": 5}'])
def test_an_error_answer_without_the_error_object(far_side: FarSide, onduty: Onduty, body: bytes) -> None:
    far_side.says["GET /api/projects"] = Said(body, 502)
    code, out, err = onduty("who")
    assert (code, out, err.count("\n")) == (3, "", 1)


def test_no_server_is_reached(home: Path, onduty: Onduty) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        credentials.keep(credentials.Credential(address, "ody_a", PROJECT))
        for command in ("who", "status"):
            code, out, err = onduty(command)
            assert (code, out) == (3, "")
            assert address in err
    assert onduty("doctor")[0] == 1


def test_what_answers_is_not_onduty(far_side: FarSide, onduty: Onduty) -> None:
    far_side.says["GET /api/projects"] = Said(b"<html>hello</html>")
    assert onduty("who")[0] == 3
    far_side.says["GET /api/projects"] = Said(["other", "json"])
    assert onduty("who")[0] == 3


def test_no_redirect_is_followed(far_side: FarSide, onduty: Onduty) -> None:
    far_side.says["GET /api/projects"] = Said(None, 307, {"Location": f"{far_side.address}/api/me"})
    code, _, err = onduty("who")
    assert code == 3
    assert "no redirect is followed" in err
    assert [asked.path for asked in far_side.asked] == ["/api/projects"]


def test_nobody_is_signed_in(onduty: Onduty) -> None:
    code, out, err = onduty("who")
    assert (code, out) == (4, "")
    assert "onduty serve" in err


def test_a_credential_is_sent_to_its_own_origin_alone(
    far_side: FarSide, onduty: Onduty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONDUTY_SERVER", far_side.address.replace("127.0.0.1", "localhost"))
    code, _, err = onduty("who")
    assert code == 4
    assert far_side.address in err
    assert far_side.asked == []


@pytest.mark.parametrize("token", ["ody_a\nX-Evil: 1", "ody_ä", "ody a"])
def test_a_token_that_is_none_is_not_sent(
    far_side: FarSide, onduty: Onduty, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("ONDUTY_TOKEN", token)
    code, _, err = onduty("who")
    assert code == 4
    assert token not in err
    assert far_side.asked == []


@pytest.mark.parametrize(
    "arguments",
    [[], ["whoo"], ["who", "--nope"], ["who", "extra"], ["token"], ["token", "create"], ["project", "use"], ["--nope"]],
)
def test_usage(onduty: Onduty, arguments: list[str]) -> None:
    code, out, err = onduty(*arguments)
    assert (code, out) == (2, "")
    assert err


def test_a_slip_of_the_pen_is_guessed(onduty: Onduty) -> None:
    assert "Did you mean 'doctor'?" in onduty("docter")[2]


def test_a_broken_credentials_file_is_one_line(home: Path, onduty: Onduty) -> None:
    credentials.path().parent.mkdir(parents=True)
    credentials.path().write_text("{")
    code, out, err = onduty("who")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert onduty("doctor")[0] == 1


@pytest.mark.parametrize(("address", "code"), [("127.0.0.1:4646", 2), ("http://a..b", 3), (f"http://{'a' * 99}", 3)])
def test_an_address_that_is_none(onduty: Onduty, monkeypatch: pytest.MonkeyPatch, address: str, code: int) -> None:
    monkeypatch.setenv("ONDUTY_SERVER", address)
    monkeypatch.setenv("ONDUTY_TOKEN", "ody_a")
    found, out, err = onduty("who")
    assert (found, out, err.count("\n")) == (code, "", 1)


def test_an_uncaught_error_is_our_fault(far_side: FarSide, onduty: Onduty) -> None:
    far_side.says["GET /api/projects"] = Said({"projects": [{}]})
    code, out, err = onduty("who")
    assert (code, out) == (70, "")
    assert "Traceback" in err
    assert "ody_" not in err
