"""E-mail address and password sign a browser in, and whoever fails learns nothing of who has an account."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from onduty.identity import store
from onduty.identity.passwords import Hashing
from onduty.identity.service import secret_digest
from tests.identity.browsing import Browser, errors, leads_to, visit, words
from tests.inside import Inside, Still, Told

EMAIL, PASSWORD = "alice@example.com", "correct horse"
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


@dataclass
class Counted(Hashing):
    """Counts what it compares, and lets something happen before the answer is known."""

    compared: list[str | None] = field(default_factory=list)
    meanwhile: list[Browser] = field(default_factory=list)

    async def is_of(self, kept: str | None, password: str) -> bool:
        self.compared.append(kept)
        same = await super().is_of(kept, password)
        for browser in self.meanwhile:
            said = await browser.post("/settings", change="password", password="another horse")
            assert leads_to(said) == "/settings?saved=password"
        return same


async def settled(place: Inside, who: str = "Alice", email: str = EMAIL) -> Browser:
    """Somebody's browser, in by a link, after they set address and password."""
    browser = await Browser(place).come_by_link(who)
    said = await browser.post("/settings", change="both", email=email, password=PASSWORD)
    assert leads_to(said) == "/settings?saved=both"
    return browser


def test_the_address_in_any_case_and_the_password_sign_in(tmp_path: Path) -> None:
    async def story(place: Inside, _: Still) -> None:
        first = await settled(place, email="Älice@Example.COM ")
        second = Browser(place)
        said = await second.post("/sign-in", email=" äLICE@example.com", password=PASSWORD, next="/settings")
        assert leads_to(said) == "/settings"
        assert await second.is_in()
        assert await first.is_in()
        assert second.cookie != first.cookie
        assert "älice@example.com" in (await second.get("/settings")).body.decode()

    visit(tmp_path, story)


def test_whatever_does_not_fit_is_answered_the_same_after_the_same_work(tmp_path: Path) -> None:
    """A wrong password, an unknown address, one of somebody without a password: one answer, and one hash for each."""

    async def story(place: Inside, _: Still) -> None:
        await settled(place)
        counted = place.rooms.accounts.hashing = Counted()
        known = await Browser(place).come(EMAIL, "wrong horse")
        answers = [known]
        for number, (email, password) in enumerate(
            [("bob@example.com", PASSWORD), ("Vera", PASSWORD), ("", ""), ("x" * 3000, "y" * 3000), ("\0", "\0")], 2
        ):
            answers.append(await Browser(place).come(email, password))
            assert len(counted.compared) == number, "no hash was computed"
        for said in answers:
            assert said.status == 400
            assert not any(name == b"set-cookie" for name, _ in said.headers)
            assert _without_what_was_typed(said) == _without_what_was_typed(known)
            assert "No account has this e-mail address and this password." in words(said)

    visit(tmp_path, story)


def _without_what_was_typed(said: Told) -> str:
    return re.sub(r'(name="email"[^>]* value=")[^"]*"', r"\1", said.body.decode())


def test_what_was_typed_is_kept_but_for_the_password(tmp_path: Path) -> None:
    async def story(place: Inside, _: Still) -> None:
        said = await Browser(place).post("/sign-in", email='"><b>x', password="secret words", next="/settings")
        body = said.body.decode()
        assert 'value="&#34;&gt;&lt;b&gt;x"' in body
        assert 'name="next" value="/settings"' in body
        assert "secret words" not in body

    visit(tmp_path, story)


def test_ten_tries_a_minute_and_address_whichever_way(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story(place: Inside, clock: Still) -> None:
        await settled(place)
        browser = Browser(place)
        for number in range(10):
            fields = {"secret": "0" * 64} if number % 2 else {"email": EMAIL, "password": "wrong horse"}
            assert (await browser.post("/sign-in", **fields)).status == 400
        for refused in [await browser.come(EMAIL, PASSWORD) for _ in range(3)]:
            assert refused.status == 429
            assert dict(refused.headers)[b"retry-after"] == b"6"
            assert "Too many tries" in words(refused)
        lines = [each.getMessage() for each in caplog.records if "too many tries" in each.getMessage()]
        assert lines == [f"too many tries to sign in from {browser.address}: refused for now"]
        assert leads_to(await Browser(place).come(EMAIL, PASSWORD)) == "/"
        clock.instant += 6_000
        assert leads_to(await browser.come(EMAIL, PASSWORD)) == "/"

    with caplog.at_level(logging.WARNING):
        visit(tmp_path, story)


def test_guesses_on_a_signed_in_browser_are_counted_too(tmp_path: Path) -> None:
    async def story(place: Inside, _: Still) -> None:
        await settled(place)
        browser = Browser(place)
        await browser.come(EMAIL, PASSWORD)
        guess = {"change": "password", "password": "mine from now on", "present": "wrong horse"}
        statuses = [(await browser.post("/settings", **guess)).status for _ in range(10)]
        assert statuses == [400] * 9 + [429]

    visit(tmp_path, story)


def test_each_sign_in_is_a_new_session_and_ends_the_one_before(tmp_path: Path) -> None:
    """Nobody can have a session waiting for somebody else to fill it."""

    async def story(place: Inside, _: Still) -> None:
        await settled(place)
        browser = Browser(place, cookie="onduty=" + "0" * 64)
        await browser.come(EMAIL, PASSWORD)
        first = browser.cookie
        assert first != "onduty=" + "0" * 64
        await browser.come(EMAIL, PASSWORD)
        assert browser.cookie != first
        assert not await Browser(place, cookie=first).is_in()

    visit(tmp_path, story)


def test_a_password_that_is_changed_while_it_is_compared_lets_nobody_in(tmp_path: Path) -> None:
    async def story(place: Inside, _: Still) -> None:
        alice = await settled(place)
        place.rooms.accounts.hashing = Counted(meanwhile=[alice])
        thief = Browser(place)
        assert (await thief.come(EMAIL, PASSWORD)).status == 400
        assert not thief.cookie

    visit(tmp_path, story)


def test_a_password_that_was_hashed_by_other_parameters_is_hashed_again(tmp_path: Path) -> None:
    async def story(place: Inside, _: Still) -> None:
        await settled(place)
        old = PasswordHasher(1, 8 * 1024, 1).hash("caf\u00e9 cr\u00e8me")
        accounts = place.rooms.accounts
        before = await accounts.database.read(lambda reader: store.account_by_email(reader, EMAIL))
        assert before is not None
        await accounts.database.write(lambda writer: store.set_account(writer, before, EMAIL, old))
        for password in ("cafe\u0301 cre\u0300me", "caf\u00e9 cr\u00e8me"):
            assert leads_to(await Browser(place).come(EMAIL, password)) == "/"
        after = await accounts.database.read(lambda reader: store.account_by_email(reader, EMAIL))
        assert after is not None
        assert after.password_hash is not None
        assert not accounts.hashing.is_old(after.password_hash)

    visit(tmp_path, story)


@pytest.mark.parametrize(
    ("seen_every_ms", "times", "later_ms", "is_in"),
    [
        (0, 0, 14 * _DAY_MS, True),
        (0, 0, 14 * _DAY_MS + 1, False),
        (10 * _DAY_MS, 8, 10 * _DAY_MS, True),
        (10 * _DAY_MS, 8, 10 * _DAY_MS + 1, False),
    ],
)
def test_a_session_lasts_14_days_unseen_and_90_in_all(
    tmp_path: Path, seen_every_ms: int, times: int, later_ms: int, is_in: bool
) -> None:
    async def story(place: Inside, clock: Still) -> None:
        browser = await Browser(place).come_by_link()
        for _ in range(times):
            clock.instant += seen_every_ms
            assert await browser.is_in()
        clock.instant += later_ms
        assert await browser.is_in() is is_in
        # The database itself keeps no more than that once the same person signs in again.
        await Browser(place).come_by_link()
        digest = secret_digest(browser.cookie.partition("=")[2])
        kept = await place.rooms.database.read(lambda reader: store.browser(reader, digest))
        assert (kept is not None) is is_in

    visit(tmp_path, story)


def test_a_form_of_nothing_is_refused(tmp_path: Path) -> None:
    async def story(place: Inside, _: Still) -> None:
        alice = await settled(place)
        assert (await Browser(place).post("/sign-in")).status == 400
        assert (await alice.post("/settings")).status == 400
        assert (await alice.post("/settings", change="nothing")).status == 400
        assert errors(await alice.post("/settings", change="name")) == {
            "name-name": "Write a name of at most 120 characters, by which the others know you."
        }
        assert (await alice.post("/settings/browsers")).status == 404

    visit(tmp_path, story)
