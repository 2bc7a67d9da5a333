"""A project on a wall, in a real browser: opened by an address, live, and over when its token is revoked."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Person
from tests.browser.reporting import WITHIN_MS, new_project, register, tell

pytestmark = pytest.mark.browser


def test_a_wall_is_opened_by_its_address_lives_and_ends_with_its_token(person: Person) -> None:
    server, page = person.server, person.page
    project = new_project(server)
    first = register(server, project, caller_role="qa")
    body = {"name": "wall", "read_only": True, "project_ids": [project]}
    made = server.call("POST", "/api/tokens", token=server.owner_token, json=body).json
    page.goto(f"{server.url}/wall")
    assert person.axe() == []
    page.goto(f"{server.url}/wall#{made['token']}")
    expect(page.locator("h1")).to_have_text("1 on duty", use_inner_text=True)
    assert page.url == f"{server.url}/wall"
    assert made["token"] not in page.content()
    [cookie] = [each for each in person.context.cookies() if each["name"] != "onduty-zone"]
    assert (cookie["name"], cookie["httpOnly"]) == ("onduty-wall", True)
    assert page.locator("#on-duty :is(a[href], button, input, summary)").count() == 0
    session = register(server, project)
    expect(page.locator(f"#session-{session}")).to_be_visible(timeout=WITHIN_MS)
    tell(server, project, first, "waiting", tool="Bash", tool_id="t")
    expect(page.locator(f"#ask-{first}")).to_contain_text("Asks to use Bash", timeout=WITHIN_MS)
    assert page.locator("#on-duty a[href]").count() == 0
    assert person.axe() == []
    for width in (320, 1440, 3840):
        page.set_viewport_size({"width": width, "height": width * 9 // 16})
        assert not person.sticks_out
    assert server.call("DELETE", f"/api/tokens/{made['id']}", token=server.owner_token).status == 204
    expect(page.locator("body")).to_contain_text("This view has ended", timeout=15_000)
    person.complaints.clear()  # Chromium tells of each request that is answered 401.
