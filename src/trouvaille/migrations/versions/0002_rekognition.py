"""What of ours lies in the AWS account of the second engine, and what its calls cost."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "rekognition_instance",
        sa.Column("only", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("only", name=op.f("pk_rekognition_instance")),
    )
    op.create_table(
        "rekognition_collections",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_rekognition_collections")),
    )
    op.create_table(
        "rekognition_faces",
        sa.Column("face_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("photo_id", sa.Uuid(), nullable=True),
        sa.Column("guest_id", sa.Uuid(), nullable=True),
        sa.Column("enrolment_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("face_id", name=op.f("pk_rekognition_faces")),
    )
    op.create_index("ix_rekognition_faces_event_id", "rekognition_faces", ["event_id"], unique=False)
    op.create_index(
        "ix_rekognition_faces_photo_id",
        "rekognition_faces",
        ["photo_id"],
        unique=False,
        postgresql_where=sa.text("photo_id IS NOT NULL"),
    )
    op.create_index(
        "ix_rekognition_faces_selfies",
        "rekognition_faces",
        ["event_id", "guest_id"],
        unique=False,
        postgresql_where=sa.text("guest_id IS NOT NULL"),
    )
    op.create_table(
        "rekognition_pending",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("photo_id", sa.Uuid(), nullable=True),
        sa.Column("guest_id", sa.Uuid(), nullable=True),
        sa.Column("enrolment_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rekognition_pending")),
    )
    op.create_index(op.f("ix_rekognition_pending_created_at"), "rekognition_pending", ["created_at"], unique=False)
    op.create_table(
        "rekognition_calls",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("operation", sa.String(length=40), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("month", "operation", name=op.f("pk_rekognition_calls")),
    )
