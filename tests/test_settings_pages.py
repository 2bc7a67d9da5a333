"""What people do on the pages of the settings, over plain HTTP: as it works without any script."""

from __future__ import annotations

import re

import pytest

from tests.asking import Answer
from tests.serving import Server
from tests.test_pages import get, is_page, post, project, register, signed_in, text

_TOKEN = re.compile(r"ody_[0-9A-Za-z]{36}")


@pytest.fixture(scope="module")
def alice(server: Server) -> str:
    """The cookie of the owner's browser."""
    return signed_in(server)


def _me(server: Server) -> str:
    return str(server.call("GET", "/api/me", token=server.owner_token).json["user_id"])


def _join(server: Server, project_id: str, name: str, role: str) -> tuple[str, str]:
    """Somebody new joins: their user id and token."""
    path = f"/api/projects/{project_id}/invitations"
    url = server.call("POST", path, token=server.owner_token, json={"role": role}).json["url"]
    body = {"secret": url.partition("#")[2], "name": name}
    joined = server.call("POST", "/api/invitations/accept", token=None, json=body)
    assert joined.status == 200, joined.body
    return str(joined.json["user_id"]), str(joined.json["token"])


def _shown_once(answer: Answer, pattern: re.Pattern[str]) -> str:
    is_page(answer, 200)
    [found] = {str(each) for each in pattern.findall(answer.body.decode())}
    return found


def test_a_token_is_shown_once_and_may_what_was_chosen(server: Server, alice: str) -> None:
    chosen = project(server, "narrow")
    fields = {"name": "<b>atlas</b>", "project": chosen, "role": "qa", "machine": "at las", "days": "7"}
    secret = _shown_once(post(server, "/settings/tokens", alice, access="", **fields), _TOKEN)
    token = server.call("GET", "/api/me", token=secret).json["token"]
    assert (token["name"], token["project_ids"], token["read_only"]) == ("<b>atlas</b>", [chosen], False)
    assert (token["caller_role"], token["machine_id"]) == ("qa", "at-las")
    assert token["expires_at"] is not None
    listed = get(server, "/settings/tokens", alice)
    assert secret.encode() not in listed.body
    assert b"<b>atlas" not in listed.body
    for words in ("<b>atlas</b>", "Report and read, narrow", "as qa on at-las", "Until", "0 s ago"):
        assert words in text(listed), words
    assert server.call("GET", "/api/tokens", token=secret).status == 403


def test_a_read_only_token_for_one_project_comes_with_the_address_of_a_wall(server: Server, alice: str) -> None:
    chosen = project(server, "walled")
    made = post(server, "/settings/tokens", alice, name="wall", project=chosen, access="read")
    secret = _shown_once(made, _TOKEN)
    assert f"{server.url}/wall#{secret}" in text(made)
    assert server.call("GET", "/api/me", token=secret).json["token"]["read_only"]
    everywhere = post(server, "/settings/tokens", alice, name="reader", access="read")
    assert "/wall#" not in text(everywhere), "it would show more than one project"


def test_what_is_wrong_stands_under_its_field_and_what_was_typed_is_kept(server: Server, alice: str) -> None:
    before = len(server.call("GET", "/api/tokens", token=server.owner_token).json["tokens"])
    foreign = "018f0000-0000-7000-8000-000000000001"
    sent = {"name": " ", "role": "q" * 121, "machine": "m" * 65, "access": "read"}
    answer = post(server, "/settings/tokens", alice, **sent)
    is_page(answer, 400)
    body = answer.body.decode()
    for field, words in (
        ("name", "Give it a name"),
        ("role", "It must have at most 120 characters."),
        ("machine", "It must have at most 64 characters."),
    ):
        assert re.search(rf'id="{field}"[^>]* aria-invalid="true" aria-describedby="{field}-error"', body), field
        assert re.search(rf'id="{field}-error">{words}', body), field
    assert f'value="{"q" * 121}"' in body
    assert '<option value="read" selected>' in body
    for wrong in ({"project": foreign}, {"project": "x"}, {"days": "8"}, {"days": "-1"}):
        is_page(post(server, "/settings/tokens", alice, name="x", **wrong), 400)
    assert len(server.call("GET", "/api/tokens", token=server.owner_token).json["tokens"]) == before


def test_revoking_is_asked_again_and_ends_what_spoke_through_it(server: Server, alice: str) -> None:
    secret = _shown_once(post(server, "/settings/tokens", alice, name="short-lived"), _TOKEN)
    token_id = server.call("GET", "/api/me", token=secret).json["token"]["id"]
    path = f"/settings/tokens/{token_id}/revoke"
    asked = get(server, path, alice)
    is_page(asked, 200)
    assert "Revoke short-lived?" in text(asked)
    assert server.call("GET", "/api/me", token=secret).status == 200, "asking does nothing"
    assert post(server, path, alice, sure="yes").headers["location"] == "/settings/tokens"
    assert server.call("GET", "/api/me", token=secret).status == 401
    is_page(get(server, path, alice), 404)


def test_a_project_is_renamed_and_a_wrong_name_is_not_taken(server: Server, alice: str) -> None:
    chosen = project(server, "before")
    path = f"/projects/{chosen}/settings"
    renamed = post(server, f"{path}/name", alice, name="after & <i>more</i>")
    assert (renamed.status, renamed.headers["location"]) == (303, f"{path}?saved")
    page = get(server, renamed.headers["location"], alice)
    assert "Saved." in text(page)
    assert b"<i>more" not in page.body
    for name in ("", " ", "n" * 121):
        answer = post(server, f"{path}/name", alice, name=name)
        is_page(answer, 400)
        assert "Give it a name of at most 120 characters." in text(answer)
    got = server.call("GET", f"/api/projects/{chosen}", token=server.owner_token).json
    assert got["name"] == "after & <i>more</i>"
    [entry, *_] = server.call("GET", f"/api/projects/{chosen}/audit", token=server.owner_token).json["entries"]
    assert (entry["act"], entry["user_id"], entry["address"]) == ("project_renamed", _me(server), "127.0.0.1")


def test_keeping_for_shorter_says_first_what_will_go(server: Server, alice: str) -> None:
    chosen = project(server, "kept")
    path = f"/projects/{chosen}/settings"

    def days() -> int:
        return int(server.call("GET", f"/api/projects/{chosen}", token=server.owner_token).json["retention_days"])

    assert days() == 30
    longer = post(server, f"{path}/retention", alice, retention_days="90")
    assert (longer.status, days()) == (303, 90)
    asked = post(server, f"{path}/retention", alice, retention_days="1")
    is_page(asked, 200)
    assert "Keep sessions for 1 day, instead of 90?" in text(asked)
    assert "No session is that old now. From now on each goes 1 day after" in text(asked)
    assert days() == 90, "asking does nothing"
    assert post(server, f"{path}/retention", alice, retention_days="1", sure="yes").status == 303
    assert days() == 1
    for wrong in ("", "0", "366", "-1", "1.5", "ten", "9" * 30, "\uff17"):
        answer = post(server, f"{path}/retention", alice, retention_days=wrong, sure="yes")
        is_page(answer, 400)
        assert "Give a whole number of days, from 1 to 365." in text(answer)
        assert f'value="{wrong}"' in answer.body.decode()
    assert days() == 1


def test_a_project_is_deleted_only_by_its_very_name(server: Server, alice: str) -> None:
    chosen = project(server, "Doomed one")
    path = f"/projects/{chosen}/settings/delete"
    for typed in ("", "doomed one", "Doomed", "Doomed one!"):
        answer = post(server, path, alice, typed_name=typed)
        is_page(answer, 400)
        assert "That is not its name" in text(answer)
    assert server.call("GET", f"/api/projects/{chosen}", token=server.owner_token).status == 200
    assert post(server, path, alice, typed_name=" Doomed one ").headers["location"] == "/projects"
    assert server.call("GET", f"/api/projects/{chosen}", token=server.owner_token).status == 403
    is_page(get(server, f"/projects/{chosen}/settings", alice), 403)


def test_the_last_owner_stays_and_is_told_why(server: Server, alice: str) -> None:
    chosen = project(server, "owned")
    me, path = _me(server), f"/projects/{chosen}/settings/members"
    sentence = "The last owner can neither leave nor be lowered: make somebody else an owner first."
    for answer in (
        post(server, f"{path}/{me}", alice, role="member"),
        get(server, f"{path}/{me}/remove", alice),
        post(server, f"{path}/{me}/remove", alice, sure="yes"),
    ):
        is_page(answer, 409)
        assert sentence in text(answer)
    is_page(post(server, f"{path}/{me}", alice, role="king"), 400)
    bob, _ = _join(server, chosen, "Bob", "member")
    assert post(server, f"{path}/{bob}", alice, role="owner").status == 303
    asked = post(server, f"{path}/{me}", alice, role="viewer")
    is_page(asked, 200)
    assert "Become a viewer yourself?" in text(asked)
    roles = server.call("GET", f"/api/projects/{chosen}/members", token=server.owner_token).json["members"]
    assert {each["role"] for each in roles} == {"owner"}, "asking does nothing"
    assert post(server, f"{path}/{me}", alice, role="viewer", sure="yes").status == 303
    assert "Invite somebody" not in text(get(server, path, alice))
    assert "Leave owned?" in text(get(server, f"{path}/{me}/remove", alice))
    assert post(server, f"{path}/{me}/remove", alice, sure="yes").headers["location"] == "/projects"
    is_page(get(server, path, alice), 403)


def test_an_invitation_is_shown_once_and_can_be_withdrawn(server: Server, alice: str) -> None:
    chosen = project(server, "inviting")
    path = f"/projects/{chosen}/settings/invitations"
    link = _shown_once(post(server, path, alice, role="viewer"), re.compile(r"http://[^\s<]+/join#[0-9a-f]+"))
    secret = link.partition("#")[2]
    listed = get(server, path, alice)
    assert secret.encode() not in listed.body
    [invitation] = re.findall(r'id="invitation-([0-9a-f-]+)"', listed.body.decode())
    assert "Viewer" in text(listed)
    assert post(server, f"{path}/{invitation}/withdraw", alice).headers["location"] == path
    refused = server.call("POST", "/api/invitations/accept", token=None, json={"secret": secret, "name": "Eve"})
    assert refused.status == 400
    is_page(post(server, f"{path}/{invitation}/withdraw", alice), 404)
    is_page(post(server, path, alice, role="god"), 400)


def test_the_audit_log_is_read_page_by_page_by_kind_and_by_person(server: Server, alice: str) -> None:
    chosen = project(server, "noted")
    path = f"/projects/{chosen}/settings/audit"
    bob, bobs = _join(server, chosen, "Bob <b>", "member")
    server.call("POST", "/api/tokens", token=bobs, json={"name": "bobs", "project_ids": [chosen]})
    session = server.call(
        "POST", f"/api/projects/{chosen}/agent-sessions", token=bobs, json={"machine_id": "m", "caller_origin": "codex"}
    ).json["session_id"]
    server.call("DELETE", f"/api/agent-sessions/{session}", token=server.owner_token)
    for number in range(60):
        server.call("PATCH", f"/api/projects/{chosen}", token=server.owner_token, json={"name": f"n{number}"})
    whole = server.call("GET", f"/api/projects/{chosen}/audit", token=server.owner_token).json["entries"]
    seen, query = [], ""
    while True:
        page = get(server, f"{path}{query}", alice)
        is_page(page, 200)
        seen += re.findall(r'<time datetime="([^"]+)"', page.body.decode())
        older = re.search(r'\?([^"]*cursor=[^"]+)">Older', page.body.decode())
        if older is None:
            break
        query = "?" + older.group(1).replace("&amp;", "&")
    assert seen == [entry["at"] for entry in whole]
    of_bob = text(get(server, f"{path}?act=&person={bob}", alice))
    for words in ("Bob <b> joined as member", "Bob <b> made the token “bobs”", "ended a session of Bob <b> (codex)"):
        assert words in of_bob, words
    assert "gave the project the name" not in of_bob
    ends = get(server, f"{path}?act=session_ended&person=", alice)
    assert f'href="/sessions/{session}"' in ends.body.decode()
    assert "joined" not in text(ends).partition("From")[2]
    assert "Nothing like that is noted." in text(get(server, f"{path}?act=member_left", alice))
    for wrong in ("act=nonsense", "person=x", "cursor=x", "act=member_left&act=member_left"):
        is_page(get(server, f"{path}?{wrong}", alice), 400)


def test_the_file_of_the_export_is_the_api_s(server: Server, alice: str) -> None:
    chosen = project(server, "Ex port/../é")
    register(server, chosen, client_ref="thread")
    by_api = server.call("GET", f"/api/projects/{chosen}/export", token=server.owner_token)
    by_page = get(server, f"/projects/{chosen}/settings/export/file", alice)
    for answer in (by_api, by_page):
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
        assert re.fullmatch(
            r'attachment; filename="onduty-Ex-port-\d{4}-\d\d-\d\d\.json"', answer.headers["content-disposition"]
        )
        answer.json.pop("exported_at")
    assert by_api.json == by_page.json
    head = server.call("HEAD", f"/api/projects/{chosen}/export", token=server.owner_token)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-disposition"] == by_api.headers["content-disposition"]
    assert "/api/projects/" in text(get(server, f"/projects/{chosen}/settings/export", alice))
