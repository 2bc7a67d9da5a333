"""The audit log: entries are added and, with their project, removed; never changed."""

from sqlalchemy import BigInteger, Column, Index, String, Table

from onduty.database.metadata import metadata

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("id", String(36), primary_key=True),
    # No foreign keys: what is noted a moment late must not fail, and who is gone was there when they acted.
    Column("project_id", String(36), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("act", String(32), nullable=False),
    # Who did it, through which token.
    Column("user_id", String(36)),
    Column("token_id", String(36)),
    Column("address", String(64)),
    Column("about_id", String(36)),
    Column("about_user_id", String(36)),
    Column("about_name", String(120)),
    Column("about_role", String(16)),
    Index("ix_audit_entries_project_id_at_id", "project_id", "at", "id"),
)
