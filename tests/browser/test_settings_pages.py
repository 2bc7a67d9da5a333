"""The settings in a real browser: a token, an invitation that Bob takes, a role, and a project that is deleted."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import People, Person
from tests.browser.test_first_page import new_project, register
from tests.serving import Server

pytestmark = pytest.mark.browser

_LONG = "a rather long name that somebody once gave, " * 2


def _revoked(server: Server, token: str) -> bool:
    return server.call("GET", "/api/me", token=token).status == 401


def test_a_token_is_made_copied_and_revoked(person: Person) -> None:
    person.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = person.sign_in("/settings/tokens")
    expect(page.get_by_role("navigation", name="Settings").get_by_role("link", name="Tokens")).to_have_attribute(
        "aria-current", "page"
    )
    page.get_by_label("Name").fill("atlas")
    page.get_by_label("Machine").fill("atlas")
    page.get_by_label("It may").select_option("Read only")
    page.get_by_role("button", name="Make token").click()
    expect(page.get_by_role("heading", name="New token: atlas")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Copy it now; it will not be shown again.")
    token = page.locator("#new-token").inner_text()
    copy = page.get_by_role("button", name="Copy", exact=True)
    copy.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == token
    expect(copy).to_be_visible()
    assert not person.axe()
    page.goto(f"{person.server.url}/settings/tokens")
    expect(page.locator("body")).not_to_contain_text(token)
    page.get_by_role("link", name="Revoke atlas").click()
    page.get_by_role("link", name="Cancel").click()
    assert not _revoked(person.server, token)
    page.get_by_role("link", name="Revoke atlas").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("link", name="Revoke atlas")).to_have_count(0)
    assert _revoked(person.server, token)


def test_over_plain_http_from_elsewhere_what_is_to_be_copied_is_copied_too(people: People) -> None:
    """There is no clipboard to write to where the page is no secure context."""
    person = people()
    person.context.grant_permissions(["clipboard-read"])
    person.page.add_init_script("delete Navigator.prototype.clipboard")
    page = person.sign_in(f"/projects/{person.server.project_id}/settings/invitations")
    page.get_by_role("button", name="Make a link").click()
    link = page.locator("#link").inner_text()
    assert not person.axe()
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    reader = person.context.new_page()
    reader.goto(f"{person.server.url}/livez")
    assert reader.evaluate("navigator.clipboard.readText()") == link


def test_bob_takes_an_invitation_and_is_made_a_viewer(people: People) -> None:
    alice, bob = people(), people()
    project = new_project(alice.server)
    page = alice.sign_in(f"/projects/{project}/settings/members")
    page.get_by_role("link", name="Invite somebody").click()
    page.get_by_label("They join as").select_option("Member")
    page.get_by_role("button", name="Make a link").click()
    bob.page.goto(page.locator("#link").inner_text())
    bob.page.get_by_label("Your name").fill("Bob")
    bob.page.get_by_role("button", name="Join").click()
    bob.page.get_by_role("link", name="Who is on duty").click()
    side = bob.page.get_by_role("navigation", name="Settings")
    bob.page.get_by_role("navigation", name="Project").get_by_role("link", name="Settings").click()
    expect(side.get_by_role("link")).to_have_text(["Project", "Members", "Your settings"])
    page.get_by_role("navigation", name="Settings").get_by_role("link", name="Members").click()
    role = page.get_by_label("Role of Bob", exact=True)
    expect(role).to_have_value("member")
    role.select_option("viewer")
    page.get_by_label("Change the role of Bob").click()
    expect(page.get_by_label("Role of Bob", exact=True)).to_have_value("viewer")
    side.get_by_role("link", name="Members").click()
    mine = bob.page.get_by_role("row", name="Bob")
    expect(mine).to_contain_text("Viewer")
    mine.get_by_role("link", name="Leave").click()
    bob.page.get_by_role("button", name="Leave").click()
    bob.page.wait_for_url(f"{bob.server.url}/projects")
    page.reload()
    expect(page.get_by_label("Role of Bob", exact=True)).to_have_count(0)
    assert not alice.complaints + bob.complaints


def test_a_project_is_kept_for_shorter_exported_and_deleted_without_any_script(people: People) -> None:
    person = people(java_script_enabled=False)
    page, server = person.page, person.server
    project = new_project(server)
    register(server, project)
    name = server.call("GET", f"/api/projects/{project}", token=server.owner_token).json["name"]
    page.goto(f"{server.url}/sign-in")
    page.get_by_label("Sign-in link").fill(person.new_link())
    page.get_by_role("button", name="Sign in by link").click()
    page.wait_for_selector("main.page")
    page.goto(f"{server.url}/projects/{project}/settings")
    page.get_by_label("Days that sessions are kept").fill("7")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Keep for 7 days").click()
    expect(page.get_by_label("Days that sessions are kept")).to_have_value("7")
    page.get_by_role("link", name="Export", exact=True).first.click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download everything").click()
    assert download.value.suggested_filename.startswith("onduty-project-")
    page.get_by_role("link", name="Project", exact=True).click()
    typed = page.get_by_label(f"Type its name, {name}, to delete it")
    typed.fill("project")
    page.get_by_role("button", name="Delete project").click()
    expect(page.locator("#typed_name-error")).to_be_visible()
    typed.fill(name)
    page.get_by_role("button", name="Delete project").click()
    page.wait_for_url(f"{server.url}/projects")
    assert server.call("GET", f"/api/projects/{project}", token=server.owner_token).status == 403


def test_axe_finds_nothing_and_nothing_scrolls_sideways(person: Person) -> None:
    server = person.server
    made = server.call("POST", "/api/projects", token=server.owner_token, json={"name": _LONG})
    project = made.json["id"]
    token = {"name": "y" * 120, "project_ids": [project], "caller_role": _LONG, "machine_id": "m" * 64}
    assert server.call("POST", "/api/tokens", token=server.owner_token, json=token).status == 201
    invitations = f"/api/projects/{project}/invitations"
    url = server.call("POST", invitations, token=server.owner_token, json={"role": "viewer"}).json["url"]
    body = {"secret": url.partition("#")[2], "name": "x" * 120}
    assert server.call("POST", "/api/invitations/accept", token=None, json=body).status == 200
    server.call("POST", invitations, token=server.owner_token, json={"role": "member"})
    settings = f"/projects/{project}/settings"
    page = person.sign_in("/settings/tokens")
    looks: tuple[tuple[Literal["light", "dark"], int], ...] = (
        ("light", 1440),
        ("dark", 1024),
        ("light", 390),
        ("dark", 320),
    )
    for place in ("", "/members", "/invitations", "/audit", "/export", "/tokens"):
        page.goto(server.url + (f"/settings{place}" if place == "/tokens" else settings + place))
        for scheme, width in looks:
            page.set_viewport_size({"width": width, "height": 844})
            page.emulate_media(color_scheme=scheme)
            assert not person.sticks_out, (place, width)
            assert not person.axe(), (place, scheme, width)
