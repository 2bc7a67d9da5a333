"""`onduty doctor`: what is wrong is named, with the command that mends it."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import Any

import pytest

from onduty.client import credentials
from onduty.clock import wall_ms
from tests.cli.far_side import FarSide, Onduty, Said


@pytest.fixture(autouse=True)
def _same_time(request: pytest.FixtureRequest) -> None:
    """The far side's clock agrees with this machine's, unless a test changes that."""
    if "far_side" in request.fixturenames:
        far_side: FarSide = request.getfixturevalue("far_side")
        _told_time(far_side, 0)


def _told_time(far_side: FarSide, off_s: float) -> None:
    said = far_side.says["GET /api/me"]
    assert isinstance(said, Said)
    said.headers["Date"] = formatdate(wall_ms() / 1000 + off_s, usegmt=True)


def _checks(onduty: Onduty, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    code, out, _ = onduty("doctor", "--json", *arguments)
    return code, {check["name"]: check for check in json.loads(out)["checks"]}


def test_all_is_well(far_side: FarSide, onduty: Onduty) -> None:
    code, checks = _checks(onduty)
    assert code == 0
    assert list(checks) == ["credential", "server", "token", "project", "clock", "spool"]
    assert all(check["ok"] and check["mend"] is None for check in checks.values())
    code, out, err = onduty("doctor")
    assert (code, err, out.count("\n")) == (0, "", 6)
    assert "wrong" not in out


def test_a_file_that_others_may_read(far_side: FarSide, onduty: Onduty) -> None:
    file = credentials.path()
    file.chmod(0o644)
    code, checks = _checks(onduty)
    assert code == 1
    assert checks["credential"]["mend"] == f"chmod 600 '{file}'"
    file.chmod(0o600)
    file.parent.chmod(0o755)
    assert _checks(onduty)[1]["credential"]["mend"] == f"chmod 700 '{file.parent}'"


def test_nobody_signed_in(onduty: Onduty) -> None:
    code, checks = _checks(onduty)
    assert (code, list(checks)) == (1, ["credential"])


def test_a_token_from_the_environment_needs_no_file(
    far_side: FarSide, onduty: Onduty, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials.path().unlink()
    monkeypatch.setenv("ONDUTY_SERVER", far_side.address)
    monkeypatch.setenv("ONDUTY_TOKEN", "ody_a")
    assert _checks(onduty)[0] == 0


def test_a_token_that_is_not_taken(far_side: FarSide, onduty: Onduty) -> None:
    far_side.says["GET /api/me"] = Said({"error": "A valid token is needed", "code": "UNAUTHENTICATED"}, 401)
    code, checks = _checks(onduty)
    assert (code, list(checks)) == (1, ["credential", "server", "token"])
    assert not checks["token"]["ok"]


def test_a_project_that_is_not_seen(far_side: FarSide, onduty: Onduty) -> None:
    code, checks = _checks(onduty, "--project", "other")
    assert code == 1
    assert "onduty project use" in checks["project"]["mend"]
    assert "clock" in checks


@pytest.mark.parametrize(("off_s", "ok"), [(8, True), (-8, True), (12, False), (-12, False)])
def test_the_clock(far_side: FarSide, onduty: Onduty, off_s: float, ok: bool) -> None:
    _told_time(far_side, off_s)
    assert _checks(onduty)[1]["clock"]["ok"] is ok
