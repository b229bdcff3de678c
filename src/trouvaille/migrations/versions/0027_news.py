"""Telling people by mail: invitations that wait for their letter, and answers to messages."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0025"
branch_labels = None
depends_on = None

KNOWN = """
INSERT INTO guest_news (guest_id, event_id, mail, known, counted, unanswered, check_at)
SELECT enrolments.guest_id, enrolments.event_id, true, count(matches.guest_id), count(matches.guest_id), 0, now()
  FROM enrolments
  LEFT JOIN matches ON matches.guest_id = enrolments.guest_id
       AND coalesce(matches.verdict = 'yes', matches.tier = 'sure')
 WHERE enrolments.state = 'accepted'
 GROUP BY enrolments.guest_id, enrolments.event_id
"""


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
    op.create_table(
        "guest_news",
        sa.Column("guest_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("mail", sa.Boolean(), nullable=False),
        sa.Column("known", sa.Integer(), nullable=False),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("pending_since", sa.DateTime(timezone=True)),
        sa.Column("changed_at", sa.DateTime(timezone=True)),
        sa.Column("seen_at", sa.DateTime(timezone=True)),
        sa.Column("told_at", sa.DateTime(timezone=True)),
        sa.Column("unanswered", sa.Integer(), nullable=False),
        sa.Column("stopped", sa.Enum("unseen", "bounced", name="stop", native_enum=False, length=20)),
        sa.Column("check_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("guest_id", name=op.f("pk_guest_news")),
        sa.ForeignKeyConstraint(
            ["guest_id"], ["guests.id"], ondelete="CASCADE", name=op.f("fk_guest_news_guest_id_guests")
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], ondelete="CASCADE", name=op.f("fk_guest_news_event_id_events")
        ),
    )
    op.create_index(op.f("ix_guest_news_event_id"), "guest_news", ["event_id"])
    op.create_index("ix_guest_news_check", "guest_news", ["check_at"], postgresql_where=sa.text("stopped IS NULL"))
    # Guests who have not been asked before are not told of photos that were there before.
    op.execute(KNOWN)
    op.create_index("ix_enrolments_fresh", "enrolments", ["decided_at"], postgresql_where=sa.text("state = 'accepted'"))
