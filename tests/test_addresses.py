"""Whose address counts: the rightmost hop that is not trusted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onduty.addresses import caller_address, networks

PROXIES = networks(("10.0.0.0/8", "::1", "127.0.0.1"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.5", [b"198.51.100.1"], "203.0.113.5"),  # who is not trusted says what it wants
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b""], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", [b"1.2.3.4, 198.51.100.1"], "198.51.100.1"),  # the left one is only the client's word
        ("10.0.0.1", [b"1.2.3.4, 198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        ("10.0.0.1", [b"1.2.3.4", b"198.51.100.1 , 10.9.9.9"], "198.51.100.1"),  # several headers are one list
        ("10.0.0.1", [b"10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        ("10.0.0.1", [b"198.51.100.1, rubbish, 10.2.2.2"], "10.2.2.2"),
        ("10.0.0.1", [b"198.51.100.1,"], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", [b"[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.0.0.1", [b"2001:DB8::7"], "2001:db8::7"),
        ("::1", [b"198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", [b"::ffff:198.51.100.1"], "198.51.100.1"),
        ("::ffff:203.0.113.5", [], "203.0.113.5"),
        ("", [b"198.51.100.1"], ""),
        ("testclient", [b"198.51.100.1"], "testclient"),
    ],
)
def test_the_rightmost_hop_that_is_not_trusted(peer: str, forwarded: list[bytes], expected: str) -> None:
    assert caller_address(peer, forwarded, PROXIES) == expected


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_without_trust_headers_say_nothing(forwarded: list[bytes]) -> None:
    assert caller_address("203.0.113.5", forwarded, ()) == "203.0.113.5"
    assert caller_address("203.0.113.5", forwarded, PROXIES) == "203.0.113.5"


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_what_stands_left_of_an_untrusted_hop_changes_nothing(left: list[bytes]) -> None:
    assert caller_address("10.0.0.1", [*left, b"198.51.100.1"], PROXIES) == "198.51.100.1"
