"""How much may be added, and cameras that send by FTP."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    for table in ("events", "event_photographers"):
        op.add_column(table, sa.Column("quota_photos", sa.Integer()))
        op.add_column(table, sa.Column("quota_bytes", sa.BigInteger()))
    # What a quota counts, read from the index alone.
    op.create_index(
        "ix_photos_quota",
        "photos",
        ["event_id", "uploaded_by"],
        postgresql_include=["size_bytes"],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "camera_credentials",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("event_id", sa.Uuid(), sa.ForeignKey("events.id", ondelete="CASCADE"), nullable=False),
        sa.Column("staff_id", sa.Uuid(), sa.ForeignKey("staff.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("user_name", sa.String(20), nullable=False, unique=True),
        sa.Column("secret_print", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
    )
    op.create_index("uq_camera_credentials", "camera_credentials", ["event_id", "staff_id"], unique=True)
