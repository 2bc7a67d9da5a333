"""What holds for every page there is: axe finds nothing, nothing scrolls sideways, the keyboard reaches all of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import OF_COLOUR, axe_of, sticks_out_of
from tests.browser.walking import Walk, demonstration, sign_in

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def walk(browser: Browser) -> Iterator[Walk]:
    with demonstration("--still") as link:
        context = browser.new_context(timezone_id="Europe/Berlin", reduced_motion="reduce")
        yield Walk.begin(sign_in(context, link))
        context.close()


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_axe_finds_nothing_in_light_and_dark(walk: Walk, width: int) -> None:
    walk.page.set_viewport_size({"width": width, "height": 900})
    found: dict[str, list[str]] = {}
    for name in walk.paths:
        walk.go(name)
        for scheme in ("light", "dark"):
            walk.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            if wrong := axe_of(walk.page, OF_COLOUR if scheme == "dark" else None):
                found[f"{name}, {scheme}"] = wrong
    assert found == {}


def test_nothing_scrolls_sideways(walk: Walk) -> None:
    walk.page.set_viewport_size({"width": 320, "height": 700})
    found = {}
    for name in walk.paths:
        walk.go(name)
        found[name] = sticks_out_of(walk.page)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


# What can be pressed or filled in, as far as it is shown, each once: of a group of radio buttons the chosen one.
_REACHABLE = """() => [
    ...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]'),
].filter(e => e.checkVisibility() && !e.disabled && e.type !== "hidden")
    .filter(e => e.type !== "radio" || e.checked).length"""
_FOCUSED = """() => {
    const e = document.activeElement, shown = e.closest("label") ?? e;
    const style = getComputedStyle(shown), own = getComputedStyle(e), after = getComputedStyle(e, "::after");
    return e === document.body ? null : {
        name: e.outerHTML.slice(0, 120),
        ring: [style, own, after].some(s => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0),
    };
}"""


def test_the_keyboard_reaches_all_and_shows_where_it_is(walk: Walk) -> None:
    walk.page.set_viewport_size({"width": 1440, "height": 900})
    for name in walk.paths:
        walk.go(name)
        expected, reached, without_ring = walk.page.evaluate(_REACHABLE), 0, []
        walk.page.evaluate("document.activeElement.blur()")
        for _ in range(expected + 5):
            walk.page.keyboard.press("Tab")
            focused = walk.page.evaluate(_FOCUSED)
            if focused is None:
                break
            reached += 1
            if not focused["ring"]:
                without_ring.append(focused["name"])
        assert without_ring == [], name
        assert reached >= expected, name
