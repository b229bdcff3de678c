"""Where a photo came from, and whether it is to be seen."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

NEW = (
    ("photos", "source", sa.String(20), "browser"),
    ("photos", "standing", sa.String(20), "shown"),
    ("photos", "in_general", sa.Boolean(), sa.true()),
    ("events", "review", sa.Boolean(), sa.false()),
    ("events", "general", sa.Boolean(), sa.true()),
)


def upgrade() -> None:
    """Apply this step."""
    for table, name, kind, usual in NEW:
        op.add_column(table, sa.Column(name, kind, nullable=False, server_default=usual))
        op.alter_column(table, name, server_default=None)
    op.add_column("photos", sa.Column("deleted_at", sa.DateTime(timezone=True)))
    op.add_column("photos", sa.Column("camera", sa.String(120)))
    op.add_column("photos", sa.Column("placeholder", sa.LargeBinary()))
    op.create_index("ix_photos_deleted", "photos", ["deleted_at"], postgresql_where=sa.text("deleted_at IS NOT NULL"))
