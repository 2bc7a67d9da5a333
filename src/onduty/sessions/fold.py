"""The fold of design.md 2.2: registers that only grow, so that order, repeats and number of processes cannot matter.

Stamps are a client's integers, instants milliseconds on the server's line; they are never compared with each other.
Absent is 0 or ''. Tuples are compared as rows, the stamp first.
"""

from dataclasses import dataclass, field, fields
from typing import Final, Literal, NamedTuple

from onduty.clock import Instant

Stamp = int
MAX_STAMP: Final = 2**63 - 1

Kind = Literal[
    "start",
    "prompt",
    "tool_started",
    "tool_ended",
    "waiting",
    "answered",
    "turn_ended",
    "subagent_started",
    "subagent_ended",
    "activity",
    "end",
]

CHANGES_OF_CONVERSATION: Final = frozenset({"clear", "resume", "compact"})
CLIENT_END_REASONS: Final = frozenset({"exit", "logout", "other"})


class Started(NamedTuple):
    stamp: Stamp = 0
    at: Instant = 0
    name: str = ""


class Tool(NamedTuple):
    started: Started = Started()
    ended: Stamp = 0


class ClientEnd(NamedTuple):
    stamp: Stamp = 0
    at: Instant = 0
    reason: str = ""


class ServerEnd(NamedTuple):
    at: Instant = 0
    reason: str = ""


class Opened(NamedTuple):
    stamp: Stamp = 0
    at: Instant = 0


class Wait(NamedTuple):
    stamp: Stamp = 0
    at: Instant = 0
    tool_id: str = ""
    tool: str = ""
    question: str = ""


@dataclass(slots=True)
class Registers:
    """What is known of a session; every field is a maximum over all that was ever said of it."""

    life: Instant = 0
    call: Instant = 0
    reopen_c: Stamp = 0
    reopen_t: Instant = 0
    reopen_s: Instant = 0
    end_c: ClientEnd = ClientEnd()
    end_s: ServerEnd = ServerEnd()
    turn_open: Opened = Opened()
    turn_end: Stamp = 0
    prompt: Stamp = 0
    fresh: Stamp = 0
    wait: Wait = Wait()
    unwait: Stamp = 0
    answered: Stamp = 0
    tool_end: Stamp = 0
    tools: dict[str, Tool] = field(default_factory=dict)


GROWING: Final = tuple(f.name for f in fields(Registers) if f.name != "tools")


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it is folded: `stamp` on the client's line, `at` already on the server's (design.md 2.1)."""

    id: str
    kind: Kind
    stamp: Stamp
    at: Instant
    tool: str = ""
    tool_id: str = ""
    subagent: str = ""
    reason: str = ""
    question: str = ""


def tool_key(tool_id: str, tool: str) -> str:
    """Under which a tool stands: its id, without one its name; never in the way of a sub-agent's `agent:<id>`."""
    key = tool_id or tool
    return f"tool:{key}" if key.startswith(("agent:", "tool:")) else key


def subagent_key(subagent: str) -> str:
    return f"agent:{subagent}"


def is_subagent(key: str) -> bool:
    return key.startswith("agent:")


def join(mine: Registers, other: Registers) -> None:
    """Raise `mine` to the field-wise maximum of both. Associative, commutative, idempotent."""
    for name in GROWING:
        theirs = getattr(other, name)
        if theirs > getattr(mine, name):
            setattr(mine, name, theirs)
    for key, tool in other.tools.items():
        _raise_tool(mine, key, tool.started, tool.ended)


def _raise_tool(registers: Registers, key: str, started: Started, ended: Stamp) -> None:
    if not key:
        return
    known = registers.tools.get(key, Tool())
    registers.tools[key] = Tool(max(known.started, started), max(known.ended, ended))


def fold(registers: Registers, event: Event) -> None:
    """Fold one event into the registers, in place. Its end is no sign of life; anything else of it is."""
    if event.kind == "end" and event.reason not in CHANGES_OF_CONVERSATION:
        if not event.subagent:
            reason = event.reason if event.reason in CLIENT_END_REASONS else "other"
            registers.end_c = max(registers.end_c, ClientEnd(event.stamp, event.at, reason))
        return
    registers.life = max(registers.life, event.at)
    if event.kind in ("subagent_started", "subagent_ended"):
        _fold_subagent(registers, event)
    elif event.subagent:
        _fold_of_subagent(registers, event)
    else:
        _fold_own(registers, event)


def _fold_subagent(registers: Registers, event: Event) -> None:
    key = subagent_key(event.subagent)
    if event.kind == "subagent_started":
        _raise_tool(registers, key, Started(event.stamp, event.at, event.tool), 0)
    else:
        _raise_tool(registers, key, Started(), event.stamp)


def _fold_of_subagent(registers: Registers, event: Event) -> None:
    if event.kind == "waiting":
        _fold_wait(registers, event)
    elif event.kind == "tool_ended":
        _raise_tool(registers, tool_key(event.tool_id, ""), Started(), event.stamp)


def _fold_wait(registers: Registers, event: Event) -> None:
    tool_id = tool_key(event.tool_id, "")
    registers.wait = max(registers.wait, Wait(event.stamp, event.at, tool_id, event.tool, event.question))


def _fold_own(registers: Registers, event: Event) -> None:
    stamp, at = event.stamp, event.at
    match event.kind:
        case "start":
            _reopen(registers, stamp, at)
            if event.reason != "compact":
                registers.fresh = max(registers.fresh, stamp)
        case "prompt":
            _reopen(registers, stamp, at)
            registers.prompt = max(registers.prompt, stamp)
            registers.turn_open = max(registers.turn_open, Opened(stamp, at))
        case "tool_started":
            registers.turn_open = max(registers.turn_open, Opened(stamp, at))
            registers.unwait = max(registers.unwait, stamp)
            _raise_tool(registers, tool_key(event.tool_id, event.tool), Started(stamp, at, event.tool), 0)
        case "tool_ended":
            registers.tool_end = max(registers.tool_end, stamp)
            _raise_tool(registers, tool_key(event.tool_id, event.tool), Started(), stamp)
        case "waiting":
            _fold_wait(registers, event)
        case "answered":
            registers.answered = max(registers.answered, stamp)
        case "turn_ended" | "end":
            registers.turn_end = max(registers.turn_end, stamp)


def _reopen(registers: Registers, stamp: Stamp, at: Instant) -> None:
    registers.reopen_c = max(registers.reopen_c, stamp)
    registers.reopen_t = max(registers.reopen_t, at)


def barrier(registers: Registers, key: str) -> Stamp:
    """Up to which stamp a tool's start no longer counts (design.md 2.2 rule 4)."""
    low = max(registers.fresh, registers.end_c.stamp)
    return low if is_subagent(key) else max(low, registers.turn_end, registers.prompt)


def forgettable(registers: Registers) -> list[str]:
    """Keys of the tools that lie wholly at or before their barrier; nothing shown, now or later, depends on them."""
    return [
        key for key, tool in registers.tools.items() if max(tool.started.stamp, tool.ended) <= barrier(registers, key)
    ]


def leave_future(registers: Registers, now: Instant) -> bool:
    """The clock was put back: instants in the future become now, in place; whether any was.

    An end that a start had overtaken stays one millisecond behind it, so that nothing ends or re-opens by this.
    """
    if max(_instants(registers)) <= now:
        return False
    server, client = registers.end_s, registers.end_c
    if server.at >= now:
        overtaken = max(registers.reopen_t, registers.reopen_s) > server.at
        registers.end_s = server._replace(at=now - overtaken)
    if client.at >= now:
        registers.end_c = client._replace(at=now - (registers.reopen_s > client.at))
    for name in ("life", "call", "reopen_t", "reopen_s"):
        setattr(registers, name, min(getattr(registers, name), now))
    registers.turn_open = registers.turn_open._replace(at=min(registers.turn_open.at, now))
    registers.wait = registers.wait._replace(at=min(registers.wait.at, now))
    for key, tool in registers.tools.items():
        registers.tools[key] = tool._replace(started=tool.started._replace(at=min(tool.started.at, now)))
    return True


def _instants(registers: Registers) -> list[Instant]:
    plain = [registers.life, registers.call, registers.reopen_t, registers.reopen_s]
    pairs = [registers.end_c.at, registers.end_s.at, registers.turn_open.at, registers.wait.at]
    return plain + pairs + [tool.started.at for tool in registers.tools.values()]


def registered(registers: Registers, now: Instant) -> Registers:
    """What a register raises: a sign of life that re-opens whatever end is there, one in this millisecond included."""
    ends = [end.at + 1 for end in (registers.end_c, registers.end_s) if end.at]
    return Registers(life=now, call=now, reopen_s=max(now, *ends) if ends else now)


def called(now: Instant) -> Registers:
    """What a tool call, an activity or a PATCH raises."""
    return Registers(life=now, call=now)


def ended_here(registers: Registers, now: Instant, reason: str) -> Registers:
    """What an end made at the server raises; where a start stands in the same millisecond the end wins."""
    return Registers(end_s=ServerEnd(max(now, registers.reopen_t, registers.reopen_s), reason))
