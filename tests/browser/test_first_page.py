"""Signing in, in a real browser against a real server."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Person

pytestmark = pytest.mark.browser


def test_a_link_signs_in_once(person: Person) -> None:
    page, link = person.page, person.new_link()
    page.goto(person.server.url)
    expect(page.locator("body")).to_contain_text("onduty sign-in")
    page.goto(link)
    expect(page.get_by_label("Sign-in link")).to_be_hidden()
    assert "#" not in page.url
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{person.server.url}/projects**")
    assert "#" not in page.url
    [cookie] = [each for each in person.context.cookies() if each["name"] == "onduty"]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
    assert cookie["value"] not in page.content()
    page.click(".bar-end summary")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert not person.complaints
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("it was used")
    person.complaints.clear()  # Chromium says so itself where a page is a 400.


def test_axe_finds_what_is_wrong(person: Person) -> None:
    """Else it would find nothing on any page."""
    page = person.sign_in("/projects")
    assert person.axe() == []
    page.evaluate("document.querySelector('main').append(document.createElement('img'))")
    assert [line.partition(":")[0] for line in person.axe()] == ["image-alt"]
