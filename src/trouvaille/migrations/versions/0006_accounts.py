"""Sessions that know their device and accounts, links by mail, access tokens, counted attempts, and the audit log."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Whoever holds the application's rights can add to the log and nothing else. The one exception is asked for by name in
# its own transaction, and takes old entries only.
GUARD = """
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND current_setting('trouvaille.audit_purge', true) = 'on'
     AND OLD.at < now() - interval '90 days' THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$
"""


def _columns(*columns: sa.Column[Any]) -> list[sa.Column[Any]]:
    return [*columns, sa.Column("id", sa.Uuid(), nullable=False)]


def _moment(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Apply this step."""
    _change_people()
    _make_links_and_tokens()
    _make_audit()
    op.create_table(
        "attempts",
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("level", sa.REAL(), nullable=False),
        _moment("at"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_at"), "attempts", ["at"], unique=False)
    op.create_table(
        "outgoing_mail",
        *_columns(sa.Column("sealed", sa.LargeBinary(), nullable=False), _moment("created_at")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outgoing_mail")),
    )


def _change_people() -> None:
    op.add_column("staff", _moment("email_confirmed_at", nullable=True))
    op.add_column("guests", _moment("email_confirmed_at", nullable=True))
    op.create_table(
        "password_recipes",
        *_columns(
            sa.Column("salt_key", sa.LargeBinary(length=32), nullable=False),
            sa.Column("memory_kib", sa.Integer(), nullable=False),
            sa.Column("passes", sa.Integer(), nullable=False),
            _moment("created_at"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_password_recipes")),
        sa.UniqueConstraint("memory_kib", "passes", name=op.f("uq_password_recipes_memory_kib_passes")),
    )
    op.add_column("sessions", sa.Column("browser", sa.String(length=20), nullable=True))
    op.add_column("sessions", sa.Column("system", sa.String(length=20), nullable=True))
    op.create_table(
        "session_proofs",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_session_proofs_session_id_sessions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_id", "subject_id", name=op.f("pk_session_proofs")),
    )
    op.create_index(op.f("ix_session_proofs_subject_id"), "session_proofs", ["subject_id"], unique=False)
    op.execute("INSERT INTO session_proofs (session_id, subject_id, kind) SELECT id, subject_id, kind FROM sessions")


def _make_links_and_tokens() -> None:
    op.create_table(
        "account_links",
        *_columns(
            sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
            sa.Column(
                "purpose", sa.Enum("reset", "confirm", name="purpose", native_enum=False, length=20), nullable=False
            ),
            sa.Column("subjects", postgresql.JSONB(), nullable=False),
            sa.Column("mailed", sa.Boolean(), nullable=False),
            _moment("expires_at"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_account_links_token_hash")),
    )
    op.create_index(op.f("ix_account_links_expires_at"), "account_links", ["expires_at"], unique=False)
    op.create_table(
        "api_tokens",
        *_columns(
            sa.Column("staff_id", sa.Uuid(), nullable=False),
            sa.Column("name", sa.String(length=80), nullable=False),
            sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
            sa.Column("scopes", postgresql.ARRAY(sa.String(length=40)), nullable=False),
            _moment("created_at"),
            _moment("last_used_at", nullable=True),
            _moment("expires_at", nullable=True),
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_api_tokens_staff_id_staff"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_index(op.f("ix_api_tokens_staff_id"), "api_tokens", ["staff_id"], unique=False)


def _make_audit() -> None:
    op.create_table(
        "audit",
        *_columns(
            _moment("at"),
            sa.Column("act", sa.String(length=40), nullable=False),
            sa.Column("actor_kind", sa.String(length=10), nullable=True),
            sa.Column("actor_id", sa.Uuid(), nullable=True),
            sa.Column("about_id", sa.Uuid(), nullable=True),
            sa.Column("event_id", sa.Uuid(), nullable=True),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_at", "audit", ["at", "id"], unique=False)
    op.create_index("ix_audit_act", "audit", ["act", "at", "id"], unique=False)
    op.execute(GUARD)
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit"
        " FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()"
    )
    op.execute(
        "CREATE TRIGGER never_emptied BEFORE TRUNCATE ON audit"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
    )
