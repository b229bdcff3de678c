"""Web push: browsers that are told of new photos; a mailbox that is not there ends mail alone."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.add_column("guest_news", sa.Column("bounced", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("guest_news", "bounced", server_default=None)
    op.execute("UPDATE guest_news SET bounced = true, stopped = NULL WHERE stopped = 'bounced'")
    op.create_table(
        "push_subscriptions",
        sa.Column("guest_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("service", sa.String(253), nullable=False),
        sa.Column("browser", sa.String(20)),
        sa.Column("system", sa.String(20)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_subscriptions")),
        sa.ForeignKeyConstraint(
            ["guest_id"], ["guests.id"], ondelete="CASCADE", name=op.f("fk_push_subscriptions_guest_id_guests")
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], ondelete="CASCADE", name=op.f("fk_push_subscriptions_event_id_events")
        ),
        sa.ForeignKeyConstraint(
            ["session_id", "guest_id"],
            ["session_proofs.session_id", "session_proofs.subject_id"],
            ondelete="CASCADE",
            name=op.f("fk_push_subscriptions_session_id_session_proofs"),
        ),
        sa.UniqueConstraint("endpoint_hash", "guest_id", name=op.f("uq_push_subscriptions_endpoint_hash_guest_id")),
        sa.UniqueConstraint("session_id", "guest_id", name=op.f("uq_push_subscriptions_session_id_guest_id")),
    )
    op.create_index(op.f("ix_push_subscriptions_guest_id"), "push_subscriptions", ["guest_id"])
    op.create_index(op.f("ix_push_subscriptions_event_id"), "push_subscriptions", ["event_id"])
