"""Favourites, selections, what goes into ZIPs, reports, and faces hidden from others."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def _id(
    name: str, target: str, *, primary: bool = False, nullable: bool = False, gone: str = "CASCADE"
) -> sa.Column[Any]:
    key = sa.ForeignKey(f"{target}.id", ondelete=gone)
    return sa.Column(name, sa.Uuid(), key, primary_key=primary, nullable=nullable)


def _at(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "favourites",
        _id("guest_id", "guests", primary=True),
        _id("photo_id", "photos", primary=True),
        _at("created_at"),
    )
    op.create_index("ix_favourites_photo_id", "favourites", ["photo_id"])
    op.create_table(
        "selections",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _id("event_id", "events"),
        _id("guest_id", "guests", nullable=True),
        sa.Column("photo_ids", ARRAY(sa.Uuid()), nullable=False),
        _at("created_at"),
    )
    for column in ("event_id", "guest_id", "created_at"):
        op.create_index(f"ix_selections_{column}", "selections", [column])
    op.create_table(
        "file_sums",
        _id("photo_id", "photos", primary=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("crc32", sa.BigInteger()),
    )
    _requests()
    op.create_index("ix_photos_by", "photos", ["event_id", "uploaded_by", sa.text("shown_at DESC"), sa.text("id DESC")])


def _requests() -> None:
    op.create_table(
        "reports",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _id("event_id", "events"),
        _id("photo_id", "photos"),
        _id("guest_id", "guests"),
        sa.Column("reason", sa.String(20), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        _at("created_at"),
        _at("decided_at", nullable=True),
    )
    op.create_index("ix_reports_event", "reports", ["event_id", "created_at", "id"])
    op.create_index("ix_reports_photo_id", "reports", ["photo_id"])
    still_open = sa.text("state = 'open'")
    op.create_index("uq_reports_open", "reports", ["guest_id", "photo_id"], unique=True, postgresql_where=still_open)
    op.create_table(
        "veils",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _id("event_id", "events"),
        _id("photo_id", "photos"),
        _id("guest_id", "guests", nullable=True, gone="SET NULL"),
        sa.Column("box_xyxy", ARRAY(sa.REAL()), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        _at("created_at"),
        _at("decided_at", nullable=True),
        sa.UniqueConstraint("guest_id", "photo_id", name="uq_veils_guest_id_photo_id"),
    )
    op.create_index("ix_veils_event", "veils", ["event_id", "created_at", "id"])
    op.create_index("ix_veils_photo_id", "veils", ["photo_id"])
    op.create_table(
        "veiled_photos",
        _id("photo_id", "photos", primary=True),
        sa.Column("version", sa.String(40), nullable=False),
        sa.Column("guest_ids", ARRAY(sa.Uuid()), nullable=False),
        sa.Column("faces", sa.Integer(), nullable=False),
        _at("made_at"),
    )
