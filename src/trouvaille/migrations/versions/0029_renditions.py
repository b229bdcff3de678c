"""Photos know their renditions and what guests don't get of their originals."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

# Until now every photo that was read had these two, at fixed places and with these longest sides.
OLD = """
UPDATE photos SET renditions = renditions || jsonb_build_object('{name}', jsonb_build_object(
  'file', '{name}.jpg',
  'width_px', greatest(1, round(width_px * least(1, {side}.0 / greatest(width_px, height_px)))),
  'height_px', greatest(1, round(height_px * least(1, {side}.0 / greatest(width_px, height_px))))))
WHERE state = 'ready' AND width_px IS NOT NULL AND height_px IS NOT NULL
"""
VEILED = """
UPDATE photos SET renditions = renditions || jsonb_build_object('veiled_{name}',
  renditions->'{name}' || jsonb_build_object('file', 'veiled/' || v.version || '-{name}.jpg'))
FROM veiled_photos v WHERE v.photo_id = photos.id AND renditions ? '{name}'
"""


def upgrade() -> None:
    """Apply this step."""
    op.add_column("photos", sa.Column("renditions", JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb")))
    op.add_column("photos", sa.Column("blanks", JSONB()))
    op.create_index(
        "ix_photos_unblanked", "photos", ["created_at"], postgresql_where=sa.text("blanks IS NULL AND state = 'ready'")
    )
    op.add_column("events", sa.Column("camera_data", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("events", "camera_data", server_default=None)
    for name, side in (("thumb", 480), ("view", 2048)):
        op.execute(OLD.format(name=name, side=side))
        op.execute(VEILED.format(name=name))
