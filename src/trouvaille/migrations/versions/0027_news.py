"""Telling people by mail: invitations that wait for their letter, and answers to messages."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.add_column("guest_invitations", sa.Column("unsent", sa.LargeBinary()))
    op.add_column("guest_invitations", sa.Column("mailed_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_guest_invitations_unsent", "guest_invitations", ["event_id"], postgresql_where=sa.text("unsent IS NOT NULL")
    )
    op.add_column("messages", sa.Column("answer", sa.Text()))
    op.add_column("messages", sa.Column("answered_at", sa.DateTime(timezone=True)))
    op.add_column("messages", sa.Column("answered_by", sa.Uuid()))
