"""One's own settings: the name, the address and password, and which browsers are signed in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from onduty.clock import Clock
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.errors import Conflict, Invalid
from onduty.identity.accounts import Accounts, Change
from onduty.identity.model import Place as At
from onduty.identity.model import Principal, browser_name
from onduty.identity.service import Identity, new_link, new_user
from tests.database.places import Place, prepared
from tests.identity.browsing import FIREFOX, Browser, errors, leads_to, visit, words
from tests.identity.test_signing_in import EMAIL, PASSWORD, settled
from tests.inside import Inside, Still
from tests.people import EVERYBODY

_HOUR_MS = 3_600_000
PAGES = ("/settings", "/settings/browsers")


def test_a_link_lets_both_be_set_for_an_hour_and_not_longer(tmp_path: Path) -> None:
    async def story(place: Inside, clock: Still) -> None:
        browser = await Browser(place).come_by_link()
        clock.instant += _HOUR_MS
        assert "Save both" in words(await browser.get("/settings"))
        clock.instant += 1
        assert "sign in again by a new link" in words(await browser.get("/settings"))
        said = await browser.post("/settings", change="both", email=EMAIL, password=PASSWORD)
        assert said.status == 403
        assert (await Browser(place).come(EMAIL, PASSWORD)).status == 400
        await browser.come_by_link()
        assert leads_to(await browser.post("/settings", change="both", email=EMAIL, password=PASSWORD))

    visit(tmp_path, story)


def test_one_without_the_other_is_refused_at_each_field(tmp_path: Path) -> None:
    async def story(place: Inside, _: Still) -> None:
        browser = await Browser(place).come_by_link()
        for change in ("both", "email", "password"):
            said = await browser.post("/settings", change=change, email="no address", password="sunshine")
            assert said.status == 400
        said = await browser.post("/settings", change="both", email="no address", password="sunshine")
        assert errors(said) == {
            "both-email": "It must be an e-mail address, like name@example.com.",
            "both-password": "It must be none of the 3 000 commonest, which are tried first.",
        }
        assert 'value="no address"' in said.body.decode()
        assert "sunshine" not in said.body.decode()
        said = await browser.post("/settings", change="both", email=f"{'x' * 251}@x.y", password=PASSWORD)
        assert list(errors(said)) == ["both-email"]

    visit(tmp_path, story)


def test_the_present_password_is_asked_for_before_either_is_changed(tmp_path: Path) -> None:
    async def story(place: Inside, _: Still) -> None:
        await settled(place)
        browser = Browser(place)
        await browser.come(EMAIL, PASSWORD)
        for change in (
            {"change": "email", "email": "new@example.com"},
            {"change": "password", "password": "new horse"},
        ):
            for present in ("", "wrong horse"):
                said = await browser.post("/settings", **change, present=present)
                assert said.status == 400
                assert errors(said) == {f"{change['change']}-present": "It must be your present password."}
            said = await browser.post("/settings", **change)
            assert said.status == 400
        assert leads_to(await Browser(place).come(EMAIL, PASSWORD)) == "/"
        said = await browser.post("/settings", change="email", email="New@example.com", present=PASSWORD)
        assert leads_to(said) == "/settings?saved=email"
        said = await browser.post("/settings", change="password", password="new horse", present=PASSWORD)
        assert leads_to(said) == "/settings?saved=password"
        assert (await Browser(place).come(EMAIL, "new horse")).status == 400
        assert (await Browser(place).come("new@example.com", PASSWORD)).status == 400
        assert leads_to(await Browser(place).come("new@example.com", "new horse")) == "/"

    visit(tmp_path, story)


def test_an_hour_after_a_link_the_password_is_asked_for_again(tmp_path: Path) -> None:
    async def story(place: Inside, clock: Still) -> None:
        browser = await settled(place)
        assert "Present password" not in words(await browser.get("/settings"))
        assert leads_to(await browser.post("/settings", change="password", password="new horse"))
        clock.instant += _HOUR_MS + 1
        assert "Present password" in words(await browser.get("/settings"))
        said = await browser.post("/settings", change="password", password="newer horse")
        assert list(errors(said)) == ["password-present"]

    visit(tmp_path, story)


def test_a_lost_password_is_set_anew_by_a_link(tmp_path: Path) -> None:
    async def story(place: Inside, _: Still) -> None:
        await settled(place)
        browser = await Browser(place).come_by_link()
        assert leads_to(await browser.post("/settings", change="password", password="new horse"))
        assert leads_to(await Browser(place).come(EMAIL, "new horse")) == "/"

    visit(tmp_path, story)


def test_a_new_password_ends_all_other_browsers_and_their_streams(tmp_path: Path) -> None:
    async def story(place: Inside, _: Still) -> None:
        alice, bob = await settled(place), await settled(place, "Bob", "bob@example.com")
        others = [Browser(place), Browser(place)]
        for other in others:
            await other.come(EMAIL, PASSWORD)
        ended: list[bytes] = []
        place.rooms.identity.on_sign_out.append(ended.append)
        await alice.post("/settings", change="email", email="new@example.com")
        assert [await each.is_in() for each in others] == [True, True]
        assert not ended
        await alice.post("/settings", change="password", password="new horse")
        assert [await each.is_in() for each in (alice, bob, *others)] == [True, True, False, False]
        assert len(set(ended)) == 2, "what they have open is told"

    visit(tmp_path, story)


def test_an_address_belongs_to_one_and_whose_it_is_is_not_told(tmp_path: Path) -> None:
    async def story(place: Inside, _: Still) -> None:
        await settled(place)
        bob = await settled(place, "Bob", "bob@example.com")
        said = await bob.post("/settings", change="email", email="ALICE@example.com")
        assert errors(said) == {"email-email": "It must be another one: this cannot be used here."}
        assert "Alice" not in words(said)
        assert leads_to(await Browser(place).come("bob@example.com", PASSWORD)) == "/"
        assert leads_to(await bob.post("/settings", change="email", email="Bob@example.com")) == "/settings?saved=email"

    visit(tmp_path, story)


def test_the_others_know_one_by_the_new_name(tmp_path: Path) -> None:
    async def story(place: Inside, _: Still) -> None:
        bob = await Browser(place).come_by_link("Bob")
        assert leads_to(await bob.post("/settings", change="name", name=" Bob \u202eB. ")) == "/settings?saved=name"
        assert "Your name is saved." in words(await bob.get("/settings?saved=name"))
        members = (await place.call("Alice", "GET", f"/api/projects/{place.project_id}/members")).json["members"]
        assert "Bob B." in {each["name"] for each in members}
        assert (await place.call("Bob", "GET", "/api/me")).json["name"] == "Bob B."
        for wrong in ("", "\u200b", "x" * 121):
            said = await bob.post("/settings", change="name", name=wrong)
            assert (said.status, list(errors(said))) == (400, ["name-name"])
        await place.rooms.identity.load()
        assert (await place.call("Bob", "GET", "/api/me")).json["name"] == "Bob B.", "it is kept"

    visit(tmp_path, story)


def test_browsers_are_seen_with_where_and_since_when(tmp_path: Path) -> None:
    async def story(place: Inside, clock: Still) -> None:
        here = await settled(place)
        phone = Browser(
            place, "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) Version/26.0 Mobile Safari/604.1"
        )
        await phone.come(EMAIL, PASSWORD)
        odd = Browser(place, "<script>alert(1)</script>\u202e evil")
        await odd.come(EMAIL, PASSWORD)
        clock.instant += 5 * 60_000
        phone.address = "198.51.100.200"
        await phone.get("/projects")
        said = await here.get("/settings/browsers")
        shown = words(said)
        assert "Firefox on Linux This browser Signed in: 5 min ago by a one-time link Last seen: 0 s ago" in shown
        assert (
            "Safari on iPhone Signed in: 5 min ago by password Last seen: 0 s ago from 198.51.100.200 Sign out" in shown
        )
        assert f"Another browser Signed in: 5 min ago by password Last seen: 5 min ago from {odd.address}" in shown
        assert "evil" not in said.body.decode()
        assert shown.index("Firefox") < shown.index("Safari") < shown.index("Another browser")

    visit(tmp_path, story)


def test_one_browser_or_all_others_are_ended_from_their_next_request_on(tmp_path: Path) -> None:
    async def story(place: Inside, _: Still) -> None:
        here = await settled(place)
        first, second, third = Browser(place), Browser(place), Browser(place)
        for each in (first, second, third):
            await each.come(EMAIL, PASSWORD)
        ids = {browser: await _id(place, here, browser) for browser in (here, first, second)}
        ended: list[bytes] = []
        place.rooms.identity.on_sign_out.append(ended.append)
        assert leads_to(await here.post("/settings/browsers", end=ids[first])) == "/settings/browsers?ended=one"
        assert [await each.is_in() for each in (here, first, second, third)] == [True, False, True, True]
        assert len(ended) == 1
        assert (await here.post("/settings/browsers", end=ids[first])).status == 404
        assert leads_to(await here.post("/settings/browsers", end="others")) == "/settings/browsers?ended=others"
        assert [await each.is_in() for each in (here, second, third)] == [True, False, False]
        assert len(set(ended)) == 3
        assert leads_to(await first.post("/settings/browsers", end="others")) == "/sign-in"
        # Ending one's own is signing out.
        assert leads_to(await here.post("/settings/browsers", end=ids[here]))
        assert not await here.is_in()

    visit(tmp_path, story)


async def _id(place: Inside, asking: Browser, meant: Browser) -> str:
    principal = await place.rooms.identity.browser(meant.cookie.partition("=")[2], place.rooms.clock.now())
    assert principal is not None
    assert principal.browser_id is not None
    return principal.browser_id


def test_everybody_sees_and_changes_their_own_alone(tmp_path: Path) -> None:
    async def story(place: Inside, _: Still) -> None:
        browsers = {
            each.name: await settled(place, each.name, f"{each.name}@example.com".lower()) for each in EVERYBODY
        }
        theirs = {name: await _id(place, browser, browser) for name, browser in browsers.items()}
        for name, browser in browsers.items():
            page, listed = [await browser.get(path) for path in PAGES]
            others = set(browsers) - {name}
            assert f"{name}@example.com".lower() in page.body.decode()
            assert not any(f"{other}@example.com".lower() in page.body.decode() for other in others)
            assert browser.address in words(listed)
            assert not any(browsers[other].address in words(listed) for other in others)
            for other in others:
                assert (await browser.post("/settings/browsers", end=theirs[other])).status == 404
            await browser.post("/settings/browsers", end="others")
        assert all([await browser.is_in() for browser in browsers.values()])

    visit(tmp_path, story)


def test_nobody_is_sent_to_sign_in_and_changes_nothing(tmp_path: Path) -> None:
    async def story(place: Inside, _: Still) -> None:
        alice, nobody = await settled(place), Browser(place)
        for path in PAGES:
            assert leads_to(await nobody.get(path)).startswith("/sign-in?next=%2Fsettings")
        for path in PAGES:
            assert leads_to(await nobody.post(path, change="name", name="Eve", end="others")) == "/sign-in"
        assert await alice.is_in()
        assert 'value="Alice"' in (await alice.get("/settings")).body.decode()

    visit(tmp_path, story)


def test_what_a_person_does_stands_in_their_projects_audit_logs(tmp_path: Path) -> None:
    async def story(place: Inside, _: Still) -> None:
        bob = await settled(place, "Bob", "bob@example.com")
        again = Browser(place)
        await again.come("bob@example.com", PASSWORD)
        await again.come("bob@example.com", "wrong horse")
        await bob.post("/settings", change="name", name="Robert")
        await bob.post("/settings/browsers", end="others")
        entries: list[dict[str, Any]] = (
            await place.call("Alice", "GET", f"/api/projects/{place.project_id}/audit")
        ).json["entries"]
        told = [(each["act"], each["name"], each["address"], each["about_name"]) for each in reversed(entries)]
        assert told[-6:] == [
            ("signed_in_by_link", "Robert", bob.address, "Firefox on Linux"),
            ("email_changed", "Robert", bob.address, None),
            ("password_changed", "Robert", bob.address, None),
            ("signed_in_by_password", "Robert", again.address, "Firefox on Linux"),
            ("member_renamed", "Robert", bob.address, "Robert"),
            ("browser_ended", "Robert", bob.address, "Firefox on Linux"),
        ]
        assert all(each["token_id"] is None for each in entries[:6])

    visit(tmp_path, story)


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/150.0 Safari/537.36 Edg/150.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/150.0.0.0 Safari/537.36", "Chrome on macOS"),
        ("Mozilla/5.0 (Linux; Android 16) Chrome/150.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (X11; CrOS x86_64) Chrome/150.0 Safari/537.36 OPR/130", "Opera on ChromeOS"),
        ("Mozilla/5.0 (iPad; CPU OS 26_0 like Mac OS X) CriOS/150.0 Mobile Safari/604.1", "Chrome on iPad"),
        ("curl/8.14", "Another browser"),
        ("", "Another browser"),
    ],
)
def test_a_browser_has_a_name_of_ours(agent: str, name: str) -> None:
    assert browser_name(agent) == name


def test_on_either_database_one_person_has_an_address_and_one_change_wins(place: Place) -> None:
    """Two who take one address at once, and two changes of one account: the store decides, not what was read before."""

    async def run(accounts: Accounts, people: list[Principal], now: Callable[[], int]) -> None:
        taken = await asyncio.gather(
            *(accounts.change(each, Change(EMAIL, PASSWORD), now()) for each in people), return_exceptions=True
        )
        assert sorted(type(each).__name__ for each in taken) == ["Invalid", "NoneType"]
        [winner, loser] = sorted(people, key=lambda each: taken[people.index(each)] is not None)
        with pytest.raises(Invalid):
            await accounts.change(loser, Change(EMAIL.upper(), PASSWORD), now())
        changes = [accounts.change(winner, Change(password=f"horse number {n}"), now()) for n in range(2)]
        done = await asyncio.gather(*changes, return_exceptions=True)
        assert [each for each in done if each is not None and not isinstance(each, Conflict)] == []
        cookies = [
            await accounts.sign_in(EMAIL, f"horse number {n}", At("x", "y")) for n in range(2) if done[n] is None
        ]
        assert len(cookies) == 1
        assert await accounts.identity.browser(cookies[0], now()) is not None

    asyncio.run(_with_two_people(place, run))


def _link_of_a_new_one(name: str, writer: Writer) -> str:
    return new_link(writer, new_user(writer, name))


async def _with_two_people(place: Place, story: Any) -> None:
    clock = Clock()
    prepared(place)
    database = Database.open(place, clock)
    try:
        identity = Identity(database)
        people = []
        for name in ("Alice", "Bob"):
            link = await database.write(partial(_link_of_a_new_one, name))
            principal = await identity.browser(await identity.sign_in_by_link(link, At("x", "y")), clock.now())
            assert principal is not None
            people.append(principal)
        await story(Accounts(database, identity), people, clock.now)
    finally:
        await database.close()
