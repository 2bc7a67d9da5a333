"""Users, their tokens, and what signs a browser in. Here secrets are digests, passwords argon2id hashes."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, LargeBinary, String, Table

from onduty.database.metadata import metadata

users = Table(
    "users",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("email", String(254), unique=True),
    Column("password_hash", String(200)),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("public_id", String(16), nullable=False, unique=True),
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(120), nullable=False),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("narrowed", Boolean, nullable=False),
    Column("read_only", Boolean, nullable=False),
    Column("metrics", Boolean, nullable=False),
    Column("machine_id", String(64)),
    Column("caller_role", String(120)),
    Column("expires_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
    Index("ix_tokens_user_id", "user_id"),
)

token_projects = Table(
    "token_projects",
    metadata,
    Column("token_id", String(36), ForeignKey("tokens.id", ondelete="CASCADE"), primary_key=True),
    Column("project_id", String(36), ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
)

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

browser_sessions = Table(
    "browser_sessions",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),
    Column("id", String(36), nullable=False, unique=True),
    Column("browser", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("by_password", Boolean, nullable=False),
    Index("ix_browser_sessions_user_id", "user_id"),
)

# A browser that shows a project on a wall, by a token of its own.
wall_views = Table(
    "wall_views",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("token_id", String(36), ForeignKey("tokens.id", ondelete="CASCADE"), nullable=False),
)
