"""Cameras' clocks, and photos that are brought in from elsewhere."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0021"
branch_labels = None
depends_on = None

# Until now photos stood in galleries as if all cameras were set to UTC.
BY_THE_EVENTS_CLOCK = """
UPDATE photos SET shown_at = photos.taken_at AT TIME ZONE events.time_zone
  FROM events WHERE events.id = photos.event_id AND photos.taken_at IS NOT NULL
"""


def upgrade() -> None:
    """Apply this step."""
    op.add_column("photos", sa.Column("taken_offset_minutes", sa.SmallInteger()))
    op.add_column("photos", sa.Column("body", sa.LargeBinary(16)))
    op.create_table(
        "clocks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid()),
        sa.Column("camera", sa.String(120)),
        sa.Column("body", sa.LargeBinary(16)),
        sa.Column("shift_s", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clocks")),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_clocks_event_id_events"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_clocks_staff_id_staff"), ondelete="SET NULL"),
    )
    op.create_index("ix_clocks_camera", "clocks", ["event_id", "staff_id", "camera", "body"])
    op.create_index(op.f("ix_clocks_staff_id"), "clocks", ["staff_id"])
    op.execute(BY_THE_EVENTS_CLOCK)
