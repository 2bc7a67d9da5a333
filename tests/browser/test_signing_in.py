"""Coming in each way, and one's own settings, in a real browser."""

from __future__ import annotations

from itertools import count
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import People, Person
from tests.serving import Server

pytestmark = pytest.mark.browser

PASSWORD = "a horse, a staple"
_NAMES = count(1)
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def invitation(server: Server) -> str:
    path = f"/api/projects/{server.project_id}/invitations"
    made = server.call("POST", path, token=server.owner_token, json={"role": "member"})
    assert made.status == 201, made.body
    return str(made.json["url"])


def join(person: Person, name: str) -> Page:
    """Come in by an invitation; the page that says so."""
    page = person.page
    page.goto(invitation(person.server))
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("You are in")
    return page


def set_both(page: Page) -> str:
    """Set address and password where that is offered; the address."""
    email = f"person-{next(_NAMES)}@example.com"
    page.get_by_role("textbox", name="E-mail").fill(email)
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Save both").click()
    expect(page.get_by_role("status")).to_contain_text("sign you in from now on")
    return email


def sign_out(page: Page) -> None:
    page.click(".bar-end summary")
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_who_was_invited_sets_a_password_and_comes_back_by_it(person: Person) -> None:
    page = join(person, "Bob")
    page.get_by_role("link", name="Set e-mail and password").click()
    email = set_both(page)
    sign_out(page)
    page.goto(f"{person.server.url}/settings/browsers")
    assert page.url.endswith("/sign-in?next=%2Fsettings%2Fbrowsers")
    # By keyboard alone.
    page.get_by_role("textbox", name="E-mail").focus()
    page.keyboard.type(email)
    page.keyboard.press("Tab")
    page.keyboard.type("not that one")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("No account has this e-mail address and this password. Check both.")
    expect(page.get_by_role("textbox", name="E-mail")).to_have_value(email)
    expect(page.locator("#password")).to_be_focused()
    person.complaints.clear()  # Chromium says so itself where a page is a 400.
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings/browsers")
    expect(page.get_by_role("row", name="This browser")).to_contain_text("by password")


def test_a_link_brings_back_who_lost_their_password(person: Person) -> None:
    page = person.sign_in("/settings")
    email = set_both(page)
    sign_out(page)
    page.goto(person.new_link())
    expect(page.get_by_role("textbox", name="E-mail")).to_be_hidden()
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("main.page")
    page.goto(f"{person.server.url}/settings")
    expect(page.get_by_label("Present password")).to_have_count(0)
    page.get_by_label("New password").fill("sunshine")
    page.get_by_role("button", name="Save password").click()
    expect(page.locator(".error")).to_have_text("It must be none of the 3 000 commonest, which are tried first.")
    person.complaints.clear()
    page.get_by_label("New password").fill("another horse")
    page.get_by_role("button", name="Save password").click()
    expect(page.get_by_role("status")).to_contain_text("Your password is saved.")
    sign_out(page)
    page.get_by_role("textbox", name="E-mail").fill(email.upper())
    page.locator("#password").fill("another horse")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_selector("main.page")


def test_a_browser_is_signed_out_from_another(people: People) -> None:
    here, there = people(), people(user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) Safari/604.1")
    page = join(here, "Vera")
    page.get_by_role("link", name="Set e-mail and password").click()
    email = set_both(page)
    far = there.page
    far.goto(f"{there.server.url}/sign-in")
    far.get_by_role("textbox", name="E-mail").fill(email)
    far.locator("#password").fill(PASSWORD)
    far.get_by_role("button", name="Sign in", exact=True).click()
    far.wait_for_selector("main.page")
    page.goto(f"{here.server.url}/settings/browsers")
    expect(page.get_by_role("row", name="This browser")).to_contain_text("Chrome on Linux")
    page.get_by_role("button", name="Sign out Safari on iPhone").click()
    expect(page.get_by_role("status")).to_have_text("That browser is signed out.")
    expect(page.get_by_text("Safari on iPhone")).to_have_count(0)
    far.reload()
    expect(far.get_by_role("heading", name="Sign in")).to_be_visible()


def test_all_of_it_works_without_script(people: People) -> None:
    person = people(java_script_enabled=False)
    page = person.page
    page.goto(f"{person.server.url}/join")
    page.get_by_label("Invitation").fill(invitation(person.server))
    page.get_by_label("Your name").fill("Charlie")
    page.get_by_role("button", name="Join").click()
    page.get_by_role("link", name="Set e-mail and password").click()
    email = set_both(page)
    page.get_by_role("link", name="Browsers").click()
    expect(page.get_by_role("row", name="This browser")).to_contain_text("by a one-time link")
    sign_out(page)
    page.get_by_role("textbox", name="E-mail").fill(email)
    page.locator("#password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_selector("main.page")


def test_nothing_is_wrong_with_the_pages_at_any_width_light_or_dark(people: People) -> None:
    person = people()
    page = join(person, "A person whose name takes more room than most names would ever take")
    found = looked_over(person, "joined")
    page.goto(f"{person.server.url}/settings")
    found += looked_over(person, "first profile")
    page.get_by_role("textbox", name="E-mail").fill("x@y")
    page.get_by_label("New password").fill("12345678")
    page.get_by_role("button", name="Save both").click()
    found += looked_over(person, "refused profile")
    set_both(page)
    found += looked_over(person, "profile")
    page.goto(f"{person.server.url}/settings/browsers")
    found += looked_over(person, "browsers")
    sign_out(page)
    found += looked_over(person, "sign-in")
    page.goto(person.new_link())
    found += looked_over(person, "opened link")
    assert not found, "\n".join(found)


def looked_over(person: Person, name: str) -> list[str]:
    """What axe finds and what sticks out, in light and dark, wide to narrow."""
    found = []
    for scheme in _SCHEMES:
        person.page.emulate_media(color_scheme=scheme)
        for width in (1440, 1024, 390):
            person.page.set_viewport_size({"width": width, "height": 900})
            found += [f"{name}, {scheme}, {width}: {each}" for each in person.axe()]
    for width in (390, 320):
        person.page.set_viewport_size({"width": width, "height": 900})
        found += [f"{name}, {width}: sticks out: {each}" for each in person.sticks_out]
    person.page.set_viewport_size({"width": 1440, "height": 900})
    return found
