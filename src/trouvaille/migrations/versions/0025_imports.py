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
    op.create_table(
        "imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("started_by", sa.Uuid()),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("title", sa.String(400), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(400)),
        sa.Column("listed_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_imports_event_id_events"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["started_by"], ["staff.id"], name=op.f("fk_imports_started_by_staff"), ondelete="SET NULL"
        ),
    )
    op.create_index("ix_imports_event", "imports", ["event_id", "created_at"])
    op.create_index(op.f("ix_imports_started_by"), "imports", ["started_by"])
    op.create_index(
        "ix_imports_unfinished",
        "imports",
        ["touched_at"],
        postgresql_where=sa.text("state IN ('waiting', 'running')"),
    )
    op.create_table(
        "import_files",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(1000), nullable=False),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.Column("modified_at", sa.DateTime(timezone=True)),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(400)),
        sa.Column("params", sa.JSON()),
        sa.PrimaryKeyConstraint("import_id", "place", name=op.f("pk_import_files")),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_import_files_import_id_imports"), ondelete="CASCADE"
        ),
    )
    op.create_index("ix_import_files_state", "import_files", ["import_id", "state", "place"])
