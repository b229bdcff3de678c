"""Events with states, places, dates of their own zone and pictures; invitations and messages of guests."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

CODE: sa.ColumnElement[str] = sa.literal_column("replace(lower(code), '-', '')")


def _widen_events() -> None:
    """What stood in the old columns goes on to mean the same."""
    add: tuple[sa.Column[Any], ...] = (
        sa.Column("state", sa.String(length=20), server_default="open", nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("time_zone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column("place", sa.String(length=160), server_default="", nullable=False),
        sa.Column("locales", sa.ARRAY(sa.String(length=5)), server_default="{en}", nullable=False),
        sa.Column("faces_attestation_locale", sa.String(length=5), nullable=True),
    )
    for column in add:
        op.add_column("events", column)
    # Guests of these events read whichever language they wanted.
    op.execute("UPDATE events SET locales = CASE WHEN locale = 'fr' THEN '{fr,en}' ELSE '{en,fr}' END::varchar(5)[]")
    op.drop_column("events", "locale")
    op.alter_column(
        "events",
        "downloads",
        type_=sa.String(length=20),
        existing_type=sa.Boolean(),
        existing_nullable=False,
        postgresql_using="CASE WHEN downloads THEN 'original' ELSE 'none' END",
    )
    for name in ("state", "time_zone", "place", "locales"):
        op.alter_column("events", name, server_default=None)
    op.drop_index("uq_events_code", "events")
    op.create_index("uq_events_code", "events", [CODE], unique=True)
    op.create_index(
        "ix_events_expires_at", "events", ["expires_at"], postgresql_where=sa.text("expires_at IS NOT NULL")
    )


def _dress_events() -> None:
    op.create_table(
        "event_pictures",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("media_type", sa.String(length=40), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("shown_type", sa.String(length=40), nullable=True),
        sa.Column("width_px", sa.Integer(), nullable=True),
        sa.Column("height_px", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_event_pictures_event_id_events"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_pictures")),
    )
    op.create_index(op.f("ix_event_pictures_event_id"), "event_pictures", ["event_id"])
    op.create_table(
        "event_reminders",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("days_before", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_event_reminders_event_id_events"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_reminders")),
    )
    op.create_index("uq_event_reminders", "event_reminders", ["event_id", "expires_at", "days_before"], unique=True)


def _invite_and_hear_guests() -> None:
    op.create_index("ix_guests_roster", "guests", ["event_id", sa.literal_column("lower(display_name)"), "id"])
    op.create_table(
        "guest_invitations",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("guest_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_guest_invitations_event_id_events"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["guest_id"], ["guests.id"], name=op.f("fk_guest_invitations_guest_id_guests"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guest_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_guest_invitations_token_hash")),
    )
    op.create_index(op.f("ix_guest_invitations_guest_id"), "guest_invitations", ["guest_id"])
    op.create_index(
        "uq_guest_invitations_event_email",
        "guest_invitations",
        ["event_id", sa.literal_column("lower(email)")],
        unique=True,
    )
    op.create_table(
        "messages",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("guest_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_messages_event_id_events"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["guest_id"], ["guests.id"], name=op.f("fk_messages_guest_id_guests"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    op.create_index("ix_messages_event", "messages", ["event_id", "created_at", "id"])
    op.create_index("ix_messages_guest", "messages", ["guest_id", "created_at"])
    op.create_index("ix_messages_unread", "messages", ["event_id"], postgresql_where=sa.text("read_at IS NULL"))


def upgrade() -> None:
    """Apply this step."""
    _widen_events()
    _dress_events()
    _invite_and_hear_guests()
