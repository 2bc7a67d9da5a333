"""The sessions in memory: found by all that they are looked up by, and nothing of them kept once they left."""

from dataclasses import replace
from typing import Any

from hypothesis import given

from onduty.sessions.fold import ClientEnd, Registers, registered
from onduty.sessions.model import HOUR_MS, LEASE_MS, AgentSession
from onduty.sessions.registry import Registry, fits, group_of, implicit_key_of
from tests.sessions.histories import NOW, Item, any_history, copy, folded, session

ALIVE = Registers(life=NOW)


def made(session_id: str, **words: Any) -> AgentSession:
    return session(copy(ALIVE), id=session_id, **words)


def implicit(session_id: str, origin: str = "codex") -> AgentSession:
    key = implicit_key_of("token", "laptop", "p", origin)
    return made(session_id, told_apart=False, implicit_key=key, caller_origin=origin)


def told_by(registry: Registry) -> list[str]:
    """Ids of the sessions that listeners hear of, from now on."""
    heard: list[str] = []
    registry.on_touch.append(lambda one: heard.append(one.id))
    return heard


@given(any_history, any_history)
def test_adopting_rows_in_any_order_ends_in_the_same_registers(one: list[Item], other: list[Item]) -> None:
    """Two commits may be adopted in the other order; what memory knows beyond a row stays."""
    results = []
    for first, second in ((one, other), (other, one)):
        registry = Registry()
        registry.adopt(session(folded(first)))
        results.append(registry.adopt(session(folded(second))).registers)
    assert results[0] == results[1] == folded(one + other)


def test_activity_that_is_not_written_yet_survives_an_adopted_row() -> None:
    registry = Registry()
    one = registry.adopt(made("s"))
    registry.record_call(one, NOW + 500)
    registry.adopt(made("s", said="refactoring"))
    assert (one.registers.life, one.said) == (NOW + 500, "refactoring")
    assert registry.dirty == {"s"}


def test_activity_goes_back_for_nothing() -> None:
    registry = Registry()
    one = registry.adopt(made("s"))
    registry.record_call(one, NOW - 500)
    assert (one.registers.life, one.registers.call) == (NOW, NOW - 500)


def test_a_session_is_found_where_it_is_now_and_no_longer_where_it_was() -> None:
    registry = Registry()
    registry.adopt(made("s", project_id=None))
    one = registry.adopt(made("s", token_id="other"))
    assert list(registry.of_project(None)) == []
    assert list(registry.of_project("p")) == [one]
    assert registry.on_duty_in(("token", "laptop", None), NOW) == []
    assert registry.on_duty_in(group_of(one), NOW) == [one]


def test_what_leaves_memory_leaves_every_index() -> None:
    registry = Registry()
    rows = [registry.adopt(made("s")), registry.adopt(implicit("i"))]
    registry.record_call(rows[0], NOW)
    heard = told_by(registry)
    for row in rows:
        registry.drop(row)
    assert heard == ["s", "i", "i"]
    assert not registry.sessions
    assert not list(registry.of_project("p"))
    assert not registry.by_group
    assert not registry.implicit_in
    assert not registry.by_implicit_key
    assert not registry.dirty


def test_the_key_of_an_implicit_session_is_the_newest_ones_in_whatever_order_rows_come() -> None:
    """An ended one gives its key back; when its row is adopted late, the next one that holds the key keeps it."""
    registry = Registry()
    first, key = registry.adopt(implicit("first")), implicit("first").implicit_key or ""
    registry.adopt(implicit("second"))
    registry.adopt(replace(implicit("first"), implicit_key=None))
    assert registry.by_implicit_key == {key: "second"}
    assert first.implicit_key is None


def test_an_implicit_session_is_hidden_while_a_told_apart_one_of_its_key_is_on_duty() -> None:
    registry = Registry()
    hidden = registry.adopt(implicit("i"))
    assert registry.shown(hidden, NOW) == (True, None)
    hides = registry.adopt(made("s"))
    shown, until = registry.shown(hidden, NOW)
    assert not shown
    assert until is not None
    assert until > NOW
    assert registry.shown(hidden, NOW + 2 * HOUR_MS)[0] is False
    assert registry.shown(hidden, NOW + 2 * HOUR_MS + 1)[0] is True, "the other one is lost"
    registry.adopt(session(Registers(life=NOW, end_c=ClientEnd(1, NOW, "exit")), id="s"))
    assert registry.shown(hidden, NOW)[0]
    assert registry.shown(hides, NOW)[0], "an ended one is listed"


def test_an_implicit_session_is_hidden_by_none_of_another_client_token_machine_or_project() -> None:
    registry = Registry()
    mine = registry.adopt(implicit("i", "codex"))
    for number, words in enumerate(
        ({"caller_origin": "claude-code"}, {"token_id": "t2"}, {"machine_id": "desk"}, {"project_id": "q"})
    ):
        registry.adopt(made(f"s{number}", **words))
        assert registry.shown(mine, NOW)[0]
    registry.adopt(made("s", caller_origin="codex"))
    assert not registry.shown(mine, NOW)[0]


def test_of_whom_only_an_end_is_known_is_not_shown() -> None:
    registry = Registry()
    assert registry.shown(registry.adopt(session(Registers(end_c=ClientEnd(1, NOW, "exit")))), NOW) == (False, None)


def test_whoever_is_hidden_is_made_anew_when_the_one_that_hides_changes() -> None:
    """Also when that one goes to another token: then it hides somebody else."""
    registry = Registry()
    registry.adopt(implicit("i"))
    one = registry.adopt(made("s"))
    heard = told_by(registry)
    registry.record_call(one, NOW)
    assert set(heard) == {"s", "i"}
    heard.clear()
    registry.adopt(made("s", token_id="other"))
    assert set(heard) == {"s", "i"}


def test_a_stream_gives_the_first_sign_of_life_once_and_is_no_activity() -> None:
    registry = Registry()
    one = registry.adopt(session(Registers()))
    registry.lease(one, NOW, NOW + LEASE_MS)
    assert (one.registers.life, one.registers.call) == (NOW, 0)
    assert registry.dirty == {"s"}
    registry.lease(one, NOW + 30_000, NOW + 30_000 + LEASE_MS)
    assert (one.registers.life, one.lease_since, one.lease_until) == (NOW, NOW, NOW + 30_000 + LEASE_MS)
    registry.release(one, NOW + 31_000)
    assert one.lease_until == NOW + 31_000
    registry.lease(one, NOW + 40_000, NOW + 40_000 + LEASE_MS)
    assert (one.registers.life, one.lease_since) == (NOW, NOW + 40_000)


def test_a_register_in_memory_re_opens_what_an_end_had_closed() -> None:
    registry = Registry()
    ended = Registers(life=NOW, end_c=ClientEnd(7, NOW, "exit"))
    one = registry.adopt(session(ended))
    assert registry.on_duty_in(group_of(one), NOW) == []
    registry.adopt(session(registered(ended, NOW)))
    assert registry.on_duty_in(group_of(one), NOW) == [one]


def test_a_client_fits_a_row_of_its_own_origin_or_of_none() -> None:
    assert fits(made("s"), "codex")
    assert fits(made("s", caller_origin="codex"), "codex")
    assert not fits(made("s", caller_origin="codex"), "claude-code")
    assert not fits(made("s", caller_origin="codex"), None)
