"""Guests who are looked for by hand, and photos that the organiser gave them."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.add_column("matches", sa.Column("given_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "near_requests",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("photo_id", sa.Uuid(), nullable=False),
        sa.Column("guest_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], ondelete="CASCADE", name=op.f("fk_near_requests_event_id_events")
        ),
        sa.ForeignKeyConstraint(
            ["guest_id"], ["guests.id"], ondelete="CASCADE", name=op.f("fk_near_requests_guest_id_guests")
        ),
        sa.ForeignKeyConstraint(
            ["photo_id"], ["photos.id"], ondelete="CASCADE", name=op.f("fk_near_requests_photo_id_photos")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_near_requests")),
        sa.UniqueConstraint("guest_id", "photo_id", name=op.f("uq_near_requests_guest_id_photo_id")),
    )
    op.create_index("ix_near_requests_event", "near_requests", ["event_id", "created_at", "id"])
    op.create_index(op.f("ix_near_requests_photo_id"), "near_requests", ["photo_id"])
