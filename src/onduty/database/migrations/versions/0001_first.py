"""The first schema."""

import sqlalchemy as sa
from alembic import op

from onduty.database.dialect import ordered_text

revision = "0001"
down_revision = None


def upgrade() -> None:
    # why long: the tables of the first release, one after the other
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("act", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("token_id", sa.String(length=36), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("about_id", sa.String(length=36), nullable=True),
        sa.Column("about_user_id", sa.String(length=36), nullable=True),
        sa.Column("about_name", sa.String(length=120), nullable=True),
        sa.Column("about_role", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_index("ix_audit_entries_project_id_at_id", "audit_entries", ["project_id", "at", "id"], unique=False)
    op.create_table(
        "listening",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listening")),
    )
    op.create_table(
        "listening_gaps",
        sa.Column("began_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("began_at", name=op.f("pk_listening_gaps")),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_table(
        "agent_sessions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=True),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("token_id", sa.String(length=36), nullable=False),
        sa.Column("machine_id", sa.String(length=64), nullable=False),
        sa.Column("caller_origin", sa.String(length=120), nullable=True),
        sa.Column("caller_role", sa.String(length=120), nullable=True),
        sa.Column("client_version", sa.String(length=120), nullable=True),
        sa.Column("branch", sa.String(length=64), nullable=True),
        sa.Column("folder", sa.String(length=120), nullable=True),
        sa.Column("said", sa.String(length=120), nullable=True),
        sa.Column("ticket", sa.String(length=120), nullable=True),
        sa.Column("parent_session_id", sa.String(length=36), nullable=True),
        sa.Column("told_apart", sa.Boolean(), nullable=False),
        sa.Column("implicit_key", sa.String(length=320), nullable=True),
        sa.Column("connected_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_state", sa.String(length=8), nullable=True),
        sa.Column("life", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("call", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reopen_c", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reopen_t", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reopen_s", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("end_c_stamp", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("end_c_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("end_c_reason", ordered_text(16), server_default="", nullable=False),
        sa.Column("end_s_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("end_s_reason", ordered_text(16), server_default="", nullable=False),
        sa.Column("turn_open_stamp", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("turn_open_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("turn_end", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("prompt", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fresh", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("wait_stamp", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("wait_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("wait_tool_id", ordered_text(207), server_default="", nullable=False),
        sa.Column("wait_tool", ordered_text(120), server_default="", nullable=False),
        sa.Column("wait_question", ordered_text(200), server_default="", nullable=False),
        sa.Column("unwait", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("answered", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tool_end", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_agent_sessions_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_agent_sessions_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_sessions")),
        sa.UniqueConstraint("implicit_key", name=op.f("uq_agent_sessions_implicit_key")),
    )
    op.create_index(
        "ix_agent_sessions_live",
        "agent_sessions",
        ["id"],
        unique=False,
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_index("ix_agent_sessions_settled", "agent_sessions", ["project_id", "settled_at", "id"], unique=False)
    op.create_index("ix_agent_sessions_project", "agent_sessions", ["project_id", "id"], unique=False)
    op.create_index("ix_agent_sessions_parent", "agent_sessions", ["parent_session_id"], unique=False)
    op.create_index(
        "ix_agent_sessions_settled_state",
        "agent_sessions",
        ["project_id", "settled_state", "settled_at", "id"],
        unique=False,
    )
    op.create_index("ix_agent_sessions_user_settled", "agent_sessions", ["user_id", "settled_at", "id"], unique=False)
    op.create_index(
        "ix_agent_sessions_user_settled_state",
        "agent_sessions",
        ["user_id", "settled_state", "settled_at", "id"],
        unique=False,
    )
    op.create_table(
        "browser_sessions",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("by_password", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_browser_sessions_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_browser_sessions")),
        sa.UniqueConstraint("id", name=op.f("uq_browser_sessions_id")),
    )
    op.create_index("ix_browser_sessions_user_id", "browser_sessions", ["user_id"], unique=False)
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("invited_by", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invited_by"], ["users.id"], name=op.f("fk_invitations_invited_by_users"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_invitations_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("digest", name=op.f("uq_invitations_digest")),
    )
    op.create_index("ix_invitations_project_id", "invitations", ["project_id"], unique=False)
    op.create_table(
        "members",
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("joined_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_members_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_members_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("pk_members")),
    )
    op.create_index("ix_members_user_id", "members", ["user_id"], unique=False)
    op.create_table(
        "sign_in_links",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_sign_in_links_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sign_in_links")),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("public_id", sa.String(length=16), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("narrowed", sa.Boolean(), nullable=False),
        sa.Column("read_only", sa.Boolean(), nullable=False),
        sa.Column("metrics", sa.Boolean(), nullable=False),
        sa.Column("machine_id", sa.String(length=64), nullable=True),
        sa.Column("caller_role", sa.String(length=120), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tokens_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_tokens_digest")),
        sa.UniqueConstraint("public_id", name=op.f("uq_tokens_public_id")),
    )
    op.create_index("ix_tokens_user_id", "tokens", ["user_id"], unique=False)
    op.create_table(
        "agent_events",
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("tool", sa.String(length=120), nullable=True),
        sa.Column("tool_id", sa.String(length=200), nullable=True),
        sa.Column("subagent", sa.String(length=200), nullable=True),
        sa.Column("reason", sa.String(length=16), nullable=True),
        sa.Column("received_day", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["agent_sessions.id"],
            name=op.f("fk_agent_events_session_id_agent_sessions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_id", "event_id", name=op.f("pk_agent_events")),
    )
    op.create_index(op.f("ix_agent_events_received_day"), "agent_events", ["received_day"], unique=False)
    op.create_table(
        "chosen_projects",
        sa.Column("token_id", sa.String(length=36), nullable=False),
        sa.Column("machine_id", sa.String(length=64), nullable=False),
        sa.Column("client_name", sa.String(length=120), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_chosen_projects_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["token_id"], ["tokens.id"], name=op.f("fk_chosen_projects_token_id_tokens"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_id", "machine_id", "client_name", name=op.f("pk_chosen_projects")),
    )
    op.create_table(
        "session_aliases",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("machine_id", sa.String(length=64), nullable=False),
        sa.Column("alias", sa.String(length=200), nullable=False),
        sa.Column("project_key", sa.String(length=36), nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["agent_sessions.id"],
            name=op.f("fk_session_aliases_session_id_agent_sessions"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_session_aliases_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "machine_id", "alias", "project_key", name=op.f("pk_session_aliases")),
    )
    op.create_index(op.f("ix_session_aliases_session_id"), "session_aliases", ["session_id"], unique=False)
    op.create_table(
        "session_tools",
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("tool_id", sa.String(length=207), nullable=False),
        sa.Column("started_stamp", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("started_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("name", ordered_text(120), server_default="", nullable=False),
        sa.Column("ended", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["agent_sessions.id"],
            name=op.f("fk_session_tools_session_id_agent_sessions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_id", "tool_id", name=op.f("pk_session_tools")),
    )
    op.create_table(
        "token_projects",
        sa.Column("token_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_token_projects_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["token_id"], ["tokens.id"], name=op.f("fk_token_projects_token_id_tokens"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_id", "project_id", name=op.f("pk_token_projects")),
    )
    op.create_table(
        "wall_views",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("token_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["token_id"], ["tokens.id"], name=op.f("fk_wall_views_token_id_tokens"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_wall_views")),
    )
    op.create_table(
        "wire_ids",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("token_id", sa.String(length=36), nullable=False),
        sa.Column("machine_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=True),
        sa.Column("session_id", sa.String(length=36), nullable=True),
        sa.Column("client_name", sa.String(length=120), nullable=False),
        sa.Column("client_version", sa.String(length=120), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_request_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_wire_ids_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["agent_sessions.id"],
            name=op.f("fk_wire_ids_session_id_agent_sessions"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["token_id"], ["tokens.id"], name=op.f("fk_wire_ids_token_id_tokens"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wire_ids")),
    )
    op.create_index("ix_wire_ids_last_request_at", "wire_ids", ["last_request_at"], unique=False)
    op.create_index("ix_wire_ids_session_id", "wire_ids", ["session_id"], unique=False)
