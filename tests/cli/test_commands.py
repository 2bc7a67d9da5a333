"""The other commands: data on stdout, messages on stderr."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from onduty.client import credentials
from onduty.clock import rfc3339
from tests.cli.far_side import NOW_S, OTHER, PROJECT, FarSide, Onduty, Said, ago, row, sessions

SECRET = "ody_" + "a" * 36


def asked_for_token(far_side: FarSide) -> object:
    return next(asked.body for asked in far_side.asked if asked.method == "POST")


def test_a_token_stands_alone_on_stdout(far_side: FarSide, onduty: Onduty) -> None:
    far_side.says["POST /api/tokens"] = Said({"id": "t2", "name": "ci", "token": SECRET}, 201)
    code, out, err = onduty("token", "create", "--name", "ci")
    assert (code, out) == (0, f"{SECRET}\n")
    assert "ci sees shop" in err
    assert SECRET not in err
    assert asked_for_token(far_side) == {"name": "ci", "read_only": False, "project_ids": [PROJECT]}


def test_a_token_s_options(far_side: FarSide, onduty: Onduty) -> None:
    far_side.says["POST /api/tokens"] = Said({"id": "t2", "name": "ci", "token": SECRET}, 201)
    options = ["--project", "SHOP", "--role", "qa", "--machine", "ci-1", "--read-only", "--expires", "30d"]
    assert onduty("token", "create", "--name", "ci", *options)[0] == 0
    assert asked_for_token(far_side) == {
        "name": "ci",
        "project_ids": [PROJECT],
        "caller_role": "qa",
        "machine_id": "ci-1",
        "read_only": True,
        "expires_at": rfc3339((NOW_S + 30 * 86_400) * 1000),
    }


def test_a_token_for_all_projects_has_to_be_asked_for(far_side: FarSide, onduty: Onduty) -> None:
    far_side.says["POST /api/tokens"] = Said({"id": "t2", "name": "ci", "token": SECRET}, 201)
    assert onduty("token", "create", "--name", "ci", "--all-projects")[0] == 0
    assert asked_for_token(far_side) == {"name": "ci", "read_only": False}
    assert onduty("token", "create", "--name", "ci", "--all-projects", "--project", "shop")[0] == 2


@pytest.mark.parametrize("span", ["", "30", "0d", "30 days", "-1d", "1y", "1.5h"])
def test_a_span_that_is_none(far_side: FarSide, onduty: Onduty, span: str) -> None:
    assert onduty("token", "create", "--name", "ci", f"--expires={span}")[0] == 2
    assert far_side.asked == []


def test_projects(far_side: FarSide, onduty: Onduty) -> None:
    _, out, _ = onduty("project", "list")
    assert re.fullmatch(rf"\*\s+shop\s+owner\s+{PROJECT}\s+\S+", out.splitlines()[1])
    _, out, _ = onduty("project", "list", "--json")
    assert [each["id"] for each in json.loads(out)["projects"]] == [PROJECT]
    made = {"id": OTHER, "name": "site", "role": "owner", "created_at": ago(0)}
    far_side.says["POST /api/projects"] = Said(made, 201)
    code, out, err = onduty("project", "create", "site")
    assert (code, out) == (0, f"{OTHER}\n")
    assert "site is made" in err
    far_side.says["GET /api/projects"] = Said({"projects": [made]})
    assert onduty("project", "use", "Site")[:2] == (0, "")
    kept = credentials.find(far_side.address)
    assert kept is not None
    assert kept.project == OTHER


def test_project_use_needs_a_credential_to_keep_it_with(
    far_side: FarSide, onduty: Onduty, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials.path().unlink()
    monkeypatch.setenv("ONDUTY_SERVER", far_side.address)
    monkeypatch.setenv("ONDUTY_TOKEN", "ody_a")
    assert onduty("project", "use", "shop")[0] == 4
    assert not credentials.path().exists()


def test_status(far_side: FarSide, onduty: Onduty) -> None:
    far_side.says[f"GET /api/projects/{PROJECT}/agent-sessions"] = sessions(row("s1"), row("s2"))
    code, out, _ = onduty("status")
    assert code == 0
    for line in (rf"server\s+{far_side.address}", r"version\s+9\.9", r"ready\s+yes", r"you\s+Ana", r"shop\s+owner\s+2"):
        assert re.search(f"^{line}$", out, re.MULTILINE)
    far_side.says["GET /healthz"] = Said({"status": "starting", "version": "9.9"}, 503)
    said = json.loads(onduty("status", "--json")[1])
    assert said["server"] == {"address": far_side.address, "ready": False, "version": "9.9"}
    assert said["projects"][0]["on_duty"] == 2
    assert said["me"]["name"] == "Ana"


def test_config(home: Path, onduty: Onduty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONDUTY_DATABASE", "postgresql://me:secret@host/name")
    code, out, _ = onduty("config")
    assert code == 0
    assert re.search(r"^port\s+ONDUTY_PORT\s+4646\s+default$", out, re.MULTILINE)
    assert "secret" not in out
    settings = json.loads(onduty("config", "--json")[1])["settings"]
    database = next(each for each in settings if each["name"] == "database")
    assert (database["variable"], database["origin"]) == ("ONDUTY_DATABASE", "environment")
    monkeypatch.setenv("ONDUTY_PROT", "1")
    code, out, err = onduty("config")
    assert (code, out) == (2, "")
    assert "ONDUTY_PORT" in err


def test_version_is_quick_and_needs_no_typer(onduty: Onduty) -> None:
    code, out, _ = onduty("version")
    assert (code, json.loads(onduty("version", "--json")[1])) == (0, {"version": out.strip()})
    program = "import sys; from onduty.cli.main import run; run(['version']); sys.exit('typer' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"]])
def test_help_and_serve_import_nothing_of_the_others(arguments: list[str]) -> None:
    program = (
        f"import sys; from onduty.cli.main import run; run({arguments}); "
        "sys.exit(bool({'rich.table', 'http.client', 'onduty.cli.who', 'onduty.settings'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Usage: onduty" in done.stdout


def test_every_command_is_listed_and_has_help(onduty: Onduty) -> None:
    listed = re.findall(r"^  ([a-z]+)  ", onduty("--help")[1].partition("Commands:")[2], re.MULTILINE)
    first = ["serve", "demo", "connect", "disconnect", "run", "login", "logout", "who"]
    assert listed == [*first, "status", "project", "member", "token", "database", "doctor", "config", "version"]
    for name in listed:
        code, out, err = onduty(name, "--help")
        assert (code, err) == (0, "")
        assert out.lower().startswith(f"usage: onduty {name} ")


def test_serve_refuses_settings_before_anything(home: Path, onduty: Onduty) -> None:
    code, out, err = onduty("serve", "--port", "x")
    assert (code, out) == (2, "")
    assert err.startswith("onduty: --port ")
    assert onduty("serve", "--host", "0.0.0.0")[0] == 2
