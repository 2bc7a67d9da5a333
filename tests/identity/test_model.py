"""Tokens: a typo is no token, a secret for links is none either, and an expiry counts from its very instant."""

import hashlib
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onduty.identity.model import RANDOM_BYTES, Principal, digest, new_secret, new_token, well_formed

RANDOM = st.binary(min_size=RANDOM_BYTES, max_size=64)
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@given(RANDOM)
def test_a_new_token_has_the_form_that_scanners_look_for(random: bytes) -> None:
    token = new_token(random)
    assert re.fullmatch(r"ody_[0-9A-Za-z]{36}", token)
    assert well_formed(token)


@given(RANDOM)
def test_its_end_is_the_checksum_of_all_before_it(random: bytes) -> None:
    """Computed here the other way round, as any other program would that checks a token."""
    token = new_token(random)
    number = 0
    for character in token[-6:]:
        number = number * 62 + DIGITS.index(character)
    assert number == zlib.crc32(token[:-6].encode())


@given(RANDOM, st.integers(4, 39), st.sampled_from(DIGITS))
def test_one_wrong_character_is_seen(random: bytes, place: int, character: str) -> None:
    token = new_token(random)
    typo = token[:place] + character + token[place + 1 :]
    assert well_formed(typo) == (typo == token)


@given(RANDOM, st.integers(4, 38))
def test_two_characters_swapped_are_seen(random: bytes, place: int) -> None:
    token = new_token(random)
    typo = token[:place] + token[place + 1] + token[place] + token[place + 2 :]
    assert well_formed(typo) == (typo == token)


@given(st.text())
def test_no_text_makes_the_check_fail(text: str) -> None:
    assert not well_formed(text)
    assert not well_formed("ody_" + text)


@pytest.mark.parametrize("change", [" {}", "{}\n", "{} ", "Bearer {}", "{}a", "\0{}"])
def test_nothing_may_stand_round_a_token(change: str) -> None:
    assert not well_formed(change.format(new_token(bytes(RANDOM_BYTES))))


def test_another_case_is_another_token() -> None:
    assert not well_formed(new_token(bytes(range(32))).lower())


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_different_random_bytes_make_different_secrets(one: bytes, other: bytes) -> None:
    assert (new_secret(one) == new_secret(other)) == (one == other)


def test_tokens_differ_wherever_the_random_bytes_do() -> None:
    """Every bit of the last 22 bytes (30 characters hold 178 bits) reaches the token."""
    tokens = {new_token((1 << bit).to_bytes(32, "big")) for bit in range(256)}
    assert len(tokens) == 256


@pytest.mark.parametrize("make", [new_token, new_secret])
def test_too_few_random_bytes_are_an_error(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match="32 random bytes"):
        make(bytes(31))


@given(RANDOM)
def test_a_secret_for_links_is_url_safe_and_no_token(random: bytes) -> None:
    secret = new_secret(random)
    assert re.fullmatch(r"[0-9a-f]{64,}", secret)
    assert not secret.startswith("ody_")


@given(st.text(st.characters(codec=None)))
def test_every_text_has_a_digest(secret: str) -> None:
    """Whatever arrives in a request, a lone surrogate too, is looked up and not found; it is no 500."""
    assert len(digest(secret)) == 32


def test_the_digest_is_sha_256() -> None:
    assert digest("ody_x") == hashlib.sha256(b"ody_x").digest()


def principal(**given: object) -> Principal:
    return Principal("t", "a1b2", "u", "laptop", **given)  # type: ignore[arg-type]


def test_a_token_is_taken_until_the_instant_of_its_expiry() -> None:
    assert not principal(expires_at=1000).expired(999)
    assert principal(expires_at=1000).expired(1000)
    assert principal(expires_at=1000).expired(1001)
    assert not principal().expired(2**62)


def test_a_request_without_a_machine_is_on_the_tokens_own_or_its_public_id() -> None:
    assert principal(machine_id="mac").machine == "mac"
    assert principal().machine == "token-a1b2"
