"""Agent sessions with their registers (design.md 2.2), their tools, aliases and events, and when the server listened.

Registers are never NULL: absent is 0 or '', for SQLite's max(NULL, 5) is NULL. Instants are milliseconds since the
epoch on the server's line, stamps are the client's integers; the two are never compared.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, text

from onduty.database.dialect import ordered_text
from onduty.database.metadata import metadata


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def _word(name: str, length: int) -> Column[str]:
    return Column(name, ordered_text(length), nullable=False, server_default="")


agent_sessions = Table(
    "agent_sessions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(36), ForeignKey("projects.id", ondelete="CASCADE")),
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("token_id", String(36), nullable=False),
    Column("machine_id", String(64), nullable=False),
    Column("caller_origin", String(120)),
    Column("caller_role", String(120)),
    Column("client_version", String(120)),
    Column("branch", String(64)),
    Column("folder", String(120)),
    Column("said", String(120)),
    Column("ticket", String(120)),
    Column("parent_session_id", String(36)),
    Column("told_apart", Boolean, nullable=False),
    # Set while the row is the implicit session of its key and has not ended; unique, so two processes make one.
    Column("implicit_key", String(320), unique=True),
    Column("connected_at", BigInteger, nullable=False),
    # Its last activity and its state (lost or ended), once it has left memory; NULL while it is in memory.
    Column("settled_at", BigInteger),
    Column("settled_state", String(8)),
    _number("life"),
    _number("call"),
    _number("reopen_c"),
    _number("reopen_t"),
    _number("reopen_s"),
    _number("end_c_stamp"),
    _number("end_c_at"),
    _word("end_c_reason", 16),
    _number("end_s_at"),
    _word("end_s_reason", 16),
    _number("turn_open_stamp"),
    _number("turn_open_at"),
    _number("turn_end"),
    _number("prompt"),
    _number("fresh"),
    _number("wait_stamp"),
    _number("wait_at"),
    _word("wait_tool_id", 207),
    _word("wait_tool", 120),
    _word("wait_question", 200),
    _number("unwait"),
    _number("answered"),
    _number("tool_end"),
    # A start reads those that have not settled, however many have.
    Index(
        "ix_agent_sessions_live",
        "id",
        sqlite_where=text("settled_at IS NULL"),
        postgresql_where=text("settled_at IS NULL"),
    ),
    Index("ix_agent_sessions_settled", "project_id", "settled_at", "id"),
    Index("ix_agent_sessions_settled_state", "project_id", "settled_state", "settled_at", "id"),
    Index("ix_agent_sessions_user_settled", "user_id", "settled_at", "id"),
    Index("ix_agent_sessions_user_settled_state", "user_id", "settled_state", "settled_at", "id"),
    Index("ix_agent_sessions_project", "project_id", "id"),
    Index("ix_agent_sessions_parent", "parent_session_id"),
)

session_tools = Table(
    "session_tools",
    metadata,
    Column("session_id", String(36), ForeignKey("agent_sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("tool_id", String(207), primary_key=True),
    _number("started_stamp"),
    _number("started_at"),
    _word("name", 120),
    _number("ended"),
)

session_aliases = Table(
    "session_aliases",
    metadata,
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("machine_id", String(64), primary_key=True),
    # Before the project: it is looked up in all of them, too.
    Column("alias", String(200), primary_key=True),
    # '' where the session belongs to no project: NULLs are never equal in a key.
    Column("project_key", String(36), primary_key=True),
    Column("session_id", String(36), ForeignKey("agent_sessions.id", ondelete="CASCADE"), nullable=False, index=True),
)

agent_events = Table(
    "agent_events",
    metadata,
    Column("session_id", String(36), ForeignKey("agent_sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("event_id", String(200), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("stamp", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("tool", String(120)),
    Column("tool_id", String(200)),
    Column("subagent", String(200)),
    Column("reason", String(16)),
    # Days since the epoch at receipt, for retention.
    Column("received_day", Integer, nullable=False, index=True),
)

listening_gaps = Table(
    "listening_gaps",
    metadata,
    Column("began_at", BigInteger, primary_key=True, autoincrement=False),
    Column("ended_at", BigInteger, nullable=False),
)

listening = Table(
    "listening",
    metadata,
    # One row, 1: until when the server is known to have listened.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("until", BigInteger, nullable=False),
)
