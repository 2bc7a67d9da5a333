"""Wire ids, and the project that `use_project` named last."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table

from onduty.database.metadata import metadata

wire_ids = Table(
    "wire_ids",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("token_id", String(36), ForeignKey("tokens.id", ondelete="CASCADE"), nullable=False),
    Column("machine_id", String(64), nullable=False),
    Column("project_id", String(36), ForeignKey("projects.id", ondelete="CASCADE")),
    # It points to a session from the first tool call on.
    Column("session_id", String(36), ForeignKey("agent_sessions.id", ondelete="CASCADE")),
    Column("client_name", String(120), nullable=False),
    Column("client_version", String(120)),
    Column("created_at", BigInteger, nullable=False),
    Column("last_request_at", BigInteger, nullable=False),
    Index("ix_wire_ids_session_id", "session_id"),
    Index("ix_wire_ids_last_request_at", "last_request_at"),
)

chosen_projects = Table(
    "chosen_projects",
    metadata,
    Column("token_id", String(36), ForeignKey("tokens.id", ondelete="CASCADE"), primary_key=True),
    Column("machine_id", String(64), primary_key=True),
    Column("client_name", String(120), primary_key=True),
    Column("project_id", String(36), ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
)
