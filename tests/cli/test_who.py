"""`onduty who`: the answer, its exit code, and nothing that a client sent moves the cursor."""

from __future__ import annotations

import json

import pytest

from onduty.ordering import in_order
from tests.cli.far_side import ME, OTHER, PROJECT, TOKEN, Asked, FarSide, Onduty, Said, ago, row, sessions

LIST = f"GET /api/projects/{PROJECT}/agent-sessions"


def test_a_row_says_who_where_what_since_when_and_why(far_side: FarSide, onduty: Onduty) -> None:
    because = {"signal": "tool", "at": ago(360), "tool": "Bash", "tool_since": ago(360)}
    far_side.says[LIST] = sessions(row(state="working", because=because, said="runs the tests"))
    code, out, err = onduty("who")
    headline, _, headers, line = out.splitlines()
    assert (code, err) == (0, "")
    assert headline == "1 on duty in shop. 0 waiting for a person."
    assert headers.split("  ")[0] == "STATE"
    cells = [cell.strip() for cell in line.split("  ") if cell]
    assert cells == [
        "● working",
        "claude-code",
        "backend",
        "Ana",
        "laptop",
        "runs the tests",
        "2 h 33 min",
        "41 s",
        "Bash running for 6 min",
    ]


def test_it_asks_for_those_on_duty_with_the_credential(far_side: FarSide, onduty: Onduty) -> None:
    far_side.says[LIST] = sessions(row())
    onduty("who")
    asked = far_side.asked[-1]
    assert asked.query == {"active": "false", "state": "working,waiting,idle,quiet"}
    assert {each.headers["authorization"] for each in far_side.asked} == {f"Bearer {TOKEN}"}


def test_nobody_is_exit_code_1(far_side: FarSide, onduty: Onduty) -> None:
    far_side.says[LIST] = sessions()
    assert onduty("who") == (1, "Nobody is on duty in shop.\n", "")
    code, out, _ = onduty("who", "--json")
    assert (code, json.loads(out)) == (1, {"sessions": []})


def test_json_is_the_api_s_object_over_all_pages(far_side: FarSide, onduty: Onduty) -> None:
    def page(asked: Asked) -> Said:
        if "cursor" in asked.query:
            return sessions(row("s2"))
        return Said({"sessions": [row("s1")], "next_cursor": "a+b/="})

    far_side.says[LIST] = page
    code, out, _ = onduty("who", "--json")
    assert (code, json.loads(out)) == (0, {"sessions": [row("s1"), row("s2")]})
    assert far_side.asked[-1].query["cursor"] == "a+b/="


def test_what_clients_send_is_neither_control_code_nor_markup(far_side: FarSide, onduty: Onduty) -> None:
    nasty = "\x1b[2J\x07[bold]x[/bold] :smile:\x9b31m\u202e\x7f"
    because = {"signal": "wait", "at": ago(60), "waits_for": nasty}
    named = dict.fromkeys(("said", "machine_id", "caller_role", "caller_origin"), nasty)
    far_side.says[LIST] = sessions(row(state="waiting", because=because, user_id=nasty, **named))
    for arguments in (["who"], ["who", "--json"]):
        _, out, _ = onduty(*arguments)
        assert not [c for c in out if c in "\x1b\x07\x9b\u202e\x7f"]
    _, out, _ = onduty("who")
    assert out.count("[2J[bold]x[/bold] :smile:31m") == 6


def test_piped_output_is_never_cut_or_wrapped(far_side: FarSide, onduty: Onduty) -> None:
    far_side.says[LIST] = sessions(*(row(f"s{n}", said=f"{n} " + "word " * 23, branch="b" * 64) for n in range(300)))
    _, out, _ = onduty("who")
    lines = out.splitlines()
    assert len(lines) == 303
    assert all(("word " * 23).strip() in line for line in lines[3:])


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"said": "s", "branch": "b"}, "s"),
        ({"branch": "main", "folder": "api"}, "main in api"),
        ({"folder": "api"}, "api"),
        ({}, "-"),
    ],
)
def test_what_it_does(far_side: FarSide, onduty: Onduty, fields: dict[str, str], what: str) -> None:
    far_side.says[LIST] = sessions(row(**fields))
    assert f"laptop   {what} " in onduty("who")[1]


def test_waits_first_then_who_came_first_a_child_under_its_parent() -> None:
    def waits(name: str, seconds: int, **fields: str) -> dict[str, object]:
        return row(name, state="waiting", because={"signal": "wait", "at": ago(seconds)}, **fields)

    rows = [
        row("young", connected_at=ago(10)),
        row("old", connected_at=ago(99)),
        row("child", connected_at=ago(50), parent_session_id="old"),
        row("grandchild", connected_at=ago(40), parent_session_id="child"),
        waits("waiting-child", 5, parent_session_id="old"),
        row("orphan", connected_at=ago(20), parent_session_id="gone"),
        waits("short", 60, user_id=OTHER),
        waits("long", 600, user_id=OTHER),
        row("a", connected_at=ago(1), parent_session_id="b"),
        row("b", connected_at=ago(1), parent_session_id="a"),
    ]
    assert [(each["session_id"], depth) for each, depth in in_order(rows, ME)] == [
        ("waiting-child", 0),
        ("long", 0),
        ("short", 0),
        ("old", 0),
        ("child", 1),
        ("grandchild", 2),
        ("orphan", 0),
        ("young", 0),
        ("a", 0),
        ("b", 1),
    ]


def test_the_project_is_the_option_else_the_variable_else_the_credential_s(
    far_side: FarSide, onduty: Onduty, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ["018f0000-0000-7000-8000-0000000000b1", "018f0000-0000-7000-8000-0000000000b2"]
    known = [
        {"id": i, "name": n, "role": "owner", "created_at": ago(0)} for i, n in zip(ids, ["One", "Two"], strict=True)
    ]
    known.append({"id": PROJECT, "name": "shop", "role": "owner", "created_at": ago(0)})
    far_side.says["GET /api/projects"] = Said({"projects": known})
    for each in (*ids, PROJECT):
        far_side.says[f"GET /api/projects/{each}/agent-sessions"] = sessions()
    assert "in shop." in onduty("who")[1]
    monkeypatch.setenv("ONDUTY_PROJECT", "one")
    assert "in One." in onduty("who")[1]
    assert "in Two." in onduty("who", "--project", ids[1].upper())[1]
    code, out, err = onduty("who", "--project", "Three")
    assert (code, out) == (4, "")
    assert "Three" in err
    assert "Yours: One, Two, shop" in err


def test_of_several_projects_one_has_to_be_said(
    far_side: FarSide, onduty: Onduty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONDUTY_SERVER", far_side.address)
    monkeypatch.setenv("ONDUTY_TOKEN", "ody_other")
    far_side.says[LIST] = sessions()
    assert onduty("who")[0] == 1
    assert far_side.asked[-1].headers["authorization"] == "Bearer ody_other"
    twice = [{"id": f"{n}", "name": "same", "role": "owner", "created_at": ago(0)} for n in range(2)]
    far_side.says["GET /api/projects"] = Said({"projects": twice})
    assert onduty("who")[0] == 2
    assert onduty("who", "--project", "same")[0] == 5
    far_side.says["GET /api/projects"] = Said({"projects": []})
    assert onduty("who")[0] == 4
