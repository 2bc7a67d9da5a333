"""Who there is in the demonstration, and what each of its agents has done by now. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from onduty.clock import Instant
from onduty.sessions.fold import Kind

MINUTE_MS: Final = 60_000
VIEWER: Final = "Mara"
# Who owns them. The viewer is in all.
PROJECTS: Final = {"checkout": VIEWER, "storefront": VIEWER, "infra": "Tomás", "ledger": "Priya", "mobile-app": VIEWER}
COMMANDS: Final = ("git push --force-with-lease", "npm publish --dry-run", "docker compose up -d", "rm -r build")
_TOOLS: Final = ("Read", "Edit", "Bash", "Grep", "Read", "Edit", "WebFetch", "Write")


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent. `since` and `ago` are minutes: since when it is there, and when its last state began."""

    project: str
    person: str
    machine: str
    client: str
    version: str
    role: str | None
    branch: str
    said: str | None
    ticket: str | None
    since: float
    state: str
    ago: float
    tool: str = "Bash"
    started_by: int | None = None
    asks: str = ""

    @property
    def alias(self) -> str:
        """The client's own id."""
        return f"{self.client}-{self.machine}-{self.branch}-{self.since:g}"

    @property
    def folder(self) -> str:
        return self.project


def _agent(project: str, who: str, client: str, role: str | None, branch: str, *rest: object) -> Agent:
    person, machine = who.split("@")
    name, _, version = client.partition(" ")
    return Agent(project, person, machine, name, version, role, branch, *rest)  # type: ignore[arg-type]


_CLAUDE, _CODEX, _GEMINI = "claude-code 2.1.330", "codex 0.91.0", "gemini-cli 0.31.0"
AGENTS: Final = (
    # project, who, client, role, branch, says, ticket, since, state, ago, tool
    _agent("checkout", "Mara@mbp-mara", _CLAUDE, "backend", "feat/idempotency", "Idempotency keys for captures",
           "CHK-207", 380, "waiting", 4.2, "Bash", None, "alembic upgrade head"),
    _agent("checkout", "Jonas@forge", _CODEX, "qa", "test/refunds", "Replays last week's failed refunds", "CHK-198",
           52, "waiting", 11.6, "", None, "Do refunds of a cent count as failed?"),
    _agent("checkout", "Jonas@atlas", _CLAUDE, "backend", "feat/webhook-retries", "Webhook retries with jitter",
           "CHK-201", 211, "working", 6.1),
    _agent("checkout", "Priya@atlas", _CLAUDE, "reviewer", "review/231", "Reviews the pull request on rounding",
           None, 22, "working", 0.3, "Read"),
    _agent("checkout", "Mara@mbp-mara", _CLAUDE, "frontend", "feat/receipt-page", "Receipt page, third state",
           "CHK-188", 95, "working", 1.1, "Edit"),
    _agent("checkout", "Mara@ci-runner-07", _CODEX, "docs", "docs/refund-guide", None, None, 41, "idle", 3.4),
    _agent("checkout", "Priya@ci-runner-07", "opencode 1.4.2", "data", "fix/ledger-drift", "The drifting cent",
           "LED-12", 160, "working", 12.5),
    _agent("checkout", "Tomás@mbp-tomas", _GEMINI, "infra", "chore/terraform-16", None, "OPS-77", 74,
           "quiet", 9.2),
    _agent("checkout", "Tomás@forge", "copilot-cli 1.12.0", "backend", "feat/sepa", "SEPA mandate, second half",
           "CHK-179", 33, "working", 0.6, "Write"),
    _agent("checkout", "Aiko@forge", _CLAUDE, "security", "audit/tokens", "Reads every use of the payment token", None,
           128, "idle", 22.0),
    _agent("checkout", "Jonas@atlas", _CLAUDE, "qa", "feat/webhook-retries", "Tests for the retries", "CHK-201", 38,
           "working", 2.2, "Bash", 2),
    _agent("checkout", "Tomás@mbp-tomas", _CLAUDE, "frontend", "fix/safari-autofill", None, None, 96, "lost", 49.0),
    _agent("checkout", "Aiko@forge", _CODEX, "backend", "spike/ledger-v2", None, None, 190, "ended", 63.0),
    _agent("storefront", "Mara@mbp-mara", _CLAUDE, "frontend", "feat/search-facets", "Facets that say how many",
           "SHOP-44", 61, "working", 0.9, "Edit"),
    _agent("storefront", "Clara@mbp-clara", "cursor 2.8", "frontend", "feat/cart-drawer", None, "SHOP-51", 130,
           "idle", 2.3),
    _agent("storefront", "Clara@mbp-clara", _CLAUDE, "qa", "test/visual", "Compares 212 screens with yesterday's", None,
           47, "working", 7.7),
    _agent("storefront", "Jonas@atlas", _CODEX, "backend", "feat/price-rules", "Price rules by country", "SHOP-39", 88,
           "working", 3.0, "Read"),
    _agent("infra", "Tomás@forge", _CLAUDE, "infra", "upgrade/postgres-19", "Postgres 19 on staging", "OPS-81", 143,
           "working", 15.4),
    _agent("infra", "Aiko@vm-eu-1", _CODEX, "infra", "fix/backup-alarm", None, "OPS-83", 27, "working", 0.4, "Grep"),
    _agent("infra", "Tomás@vm-eu-1", "nightly-report", None, "main", None, None, 17, "idle", 6.0),
    _agent("ledger", "Priya@ci-runner-07", _CLAUDE, "data", "feat/close-of-month", "Close of month, dry run",
           "LED-15", 58, "idle", 21.1),
    _agent("ledger", "Priya@ci-runner-07", _CODEX, "qa", "feat/close-of-month", None, "LED-15", 12, "working", 0.7),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that an agent tells."""

    kind: Kind
    at: Instant
    tool: str = ""
    tool_id: str = ""
    subagent: str = ""
    reason: str = ""
    question: str = ""


def past_of(agent: Agent, now: Instant, random: Random) -> list[Moment]:
    """What the agent has told from its start until now, in order; then it is in its state."""
    at = now - int(agent.since * MINUTE_MS)
    last = now - int(agent.ago * MINUTE_MS)
    told, pause = [Moment("start", at, reason="startup")], 0
    while True:
        turn = list(_turn(agent, told[-1].at + pause + random.randint(20, 240) * 1_000, len(told), random))
        if turn[-1].at >= last - 5 * MINUTE_MS:
            break
        told += turn
        # At times nobody asks for a while, and now and then a turn just stops talking.
        pause = random.choice((0, 0, random.randint(4, 26) * MINUTE_MS))
        if random.random() < 0.05:
            told.pop()
    return [*told, *_now(agent, told[-1].at, last, now)]


def _turn(agent: Agent, at: Instant, number: int, random: Random) -> Iterator[Moment]:
    yield Moment("prompt", at)
    for step in range(random.randint(3, 14)):
        tool, tool_id = random.choice(_TOOLS), f"{number}-{step}"
        at += random.randint(1, 25) * 1_000
        yield Moment("tool_started", at, tool, tool_id)
        if tool == "Bash" and random.random() < 0.16:
            yield Moment("waiting", at + 300, tool, tool_id)
            at += random.randint(30, 420) * 1_000
        at += random.randint(1, 12) * 1_000 * (9 if tool == "Bash" else 1)
        yield Moment("tool_ended", at, tool, tool_id)
    if agent.client == "claude-code" and random.random() < 0.3:
        yield Moment("subagent_started", at + 500, "explore", subagent=f"s{number}")
        at += random.randint(30, 200) * 1_000
        yield Moment("subagent_ended", at, subagent=f"s{number}")
    yield Moment("turn_ended", at + 2_000)


def _now(agent: Agent, before: Instant, last: Instant, now: Instant) -> Iterator[Moment]:
    """What brings the agent into its state."""
    prompt = max(before + 1_000, last - 3 * MINUTE_MS)
    if agent.state == "ended":
        yield Moment("end", last, reason="exit")
        return
    if agent.state == "idle":
        yield from (Moment("prompt", prompt), Moment("turn_ended", last))
        return
    if agent.state in ("quiet", "lost"):
        yield Moment("prompt", last)
        return
    yield Moment("prompt", prompt)
    if agent.state == "waiting" and not agent.tool:
        yield Moment("waiting", last, question=agent.asks)
        return
    yield Moment("tool_started", last, agent.tool, "now")
    if agent.state == "waiting":
        yield Moment("waiting", last + 200, agent.tool, "now", question=agent.asks)
    elif agent.ago > 4 and agent.client == "claude-code":
        yield Moment("subagent_started", now - 70_000, "test-runner", subagent="now")
    else:
        yield Moment("activity", now - 9_000)
