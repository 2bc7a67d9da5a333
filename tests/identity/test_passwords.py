"""Which passwords may be chosen, and that finding out whose one is costs the same whoever it is."""

from __future__ import annotations

import asyncio

import pytest
from argon2 import Type, extract_parameters

from onduty.errors import Invalid
from onduty.identity.passwords import NOBODY, Hashing, _commonest, chosen


def _refused(password: str) -> str:
    with pytest.raises(Invalid) as refused:
        chosen(password)
    [(path, message)] = refused.value.fields
    assert path == "password"
    return message


def test_eight_characters_are_enough_and_256_the_most() -> None:
    assert "at least 8" in _refused("")
    assert "at least 8" in _refused("ö" * 7)
    assert chosen("ö" * 8) == "ö" * 8
    assert chosen("x y " * 64) == "x y " * 64
    assert "at most 256" in _refused("x y " * 64 + ".")


def test_the_3000_commonest_are_refused_however_they_are_written() -> None:
    assert len(_commonest()) == 3_000
    for password in _commonest():
        assert len(password) >= 8, "shorter ones are refused anyway"
        assert "commonest" in _refused(password)
        assert "commonest" in _refused(password.title())
    assert {"password", "12345678", "jennifer", "sunshine", "qwerty123"} <= _commonest()
    chosen("jennifer sunshine")


def test_it_is_kept_by_argon2id_of_19_mib_two_passes_one_lane() -> None:
    async def run() -> None:
        hashing = Hashing()
        first, second = await hashing.hashed("correct horse"), await hashing.hashed("correct horse")
        assert first != second, "each has a salt of its own"
        for kept in (first, second, NOBODY):
            kind = extract_parameters(kept)
            assert (kind.type, kind.memory_cost, kind.time_cost, kind.parallelism) == (Type.ID, 19 * 1024, 2, 1)
            assert not hashing.is_old(kept), "what nobody's password is compared with costs as much as anybody's"
        assert await hashing.is_of(first, "correct horse")
        assert not await hashing.is_of(first, "correct horse ")
        assert not await hashing.is_of(None, "correct horse")

    asyncio.run(run())


def test_the_same_text_is_the_same_password_from_any_keyboard() -> None:
    """One sends an accented letter as one character, another as two."""

    async def run() -> None:
        hashing = Hashing()
        kept = await hashing.hashed(chosen("caf\u00e9 cr\u00e8me"))
        assert await hashing.is_of(kept, "cafe\u0301 cre\u0300me")

    asyncio.run(run())
