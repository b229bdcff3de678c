"""Indexes for the orders and the rarer parts of the photographer's desk."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.create_index("ix_photos_added", "photos", ["event_id", "created_at", "id"])
    op.create_index("ix_photos_name", "photos", ["event_id", "file_name", "id"])
    op.create_index("ix_photos_faces", "photos", ["event_id", "faces", "id"])
    op.create_index(
        "ix_photos_unshown", "photos", ["event_id", "standing"], postgresql_where=sa.text("standing <> 'shown'")
    )
