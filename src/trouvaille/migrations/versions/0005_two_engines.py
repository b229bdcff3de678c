"""Faces and selfies whose templates lie elsewhere, when a guest was last searched for, and what troubles the service."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import HALFVEC

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.alter_column("faces", "template", existing_type=HALFVEC(), nullable=True)
    # A partition was a table of its own before it was attached, so it may keep the constraint of its own.
    partitions = sa.text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'faces'::regclass")
    for name in op.get_bind().scalars(partitions).all():
        op.execute(f"ALTER TABLE {name} ALTER COLUMN template DROP NOT NULL")
    op.alter_column("probes", "template", existing_type=HALFVEC(), nullable=True)
    op.add_column(
        "probes", sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
    )
    op.add_column("probes", sa.Column("searched_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("engines", "tail_offset", existing_type=sa.Double(), nullable=True)
    op.alter_column("engines", "tail_slope", existing_type=sa.Double(), nullable=True)
    op.create_index(
        "ix_photos_put_off", "photos", ["created_at"], unique=False, postgresql_where=sa.text("reason = 'put_off'")
    )
    op.add_column("rekognition_instance", sa.Column("trouble", sa.String(length=500), nullable=True))
    op.add_column("rekognition_instance", sa.Column("trouble_at", sa.DateTime(timezone=True), nullable=True))
