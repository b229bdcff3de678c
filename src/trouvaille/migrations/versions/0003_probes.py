"""Templates of guests by engine, templates refined by their neighbours, engines, and how an event was settled."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import HALFVEC

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "probes",
        sa.Column("enrolment_id", sa.Uuid(), nullable=False),
        sa.Column("engine", sa.String(length=120), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("guest_id", sa.Uuid(), nullable=False),
        sa.Column("quality", sa.REAL(), nullable=False),
        sa.Column("template", HALFVEC(), nullable=False),
        sa.Column("refined", HALFVEC(), nullable=True),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolments.id"], name=op.f("fk_probes_enrolment_id_enrolments"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["guest_id"], ["guests.id"], name=op.f("fk_probes_guest_id_guests"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("enrolment_id", "engine", name=op.f("pk_probes")),
    )
    op.create_index("ix_probes_gallery", "probes", ["event_id", "engine"], unique=False)
    op.create_index("ix_probes_guest_id", "probes", ["guest_id"], unique=False)
    op.execute(
        "INSERT INTO probes (enrolment_id, engine, event_id, guest_id, quality, template)"
        " SELECT id, engine, event_id, guest_id, coalesce(quality, 1), template FROM enrolments"
        " WHERE state = 'accepted' AND template IS NOT NULL AND engine IS NOT NULL"
    )
    op.drop_index("ix_enrolments_gallery", table_name="enrolments")
    op.drop_column("enrolments", "template")
    op.drop_column("enrolments", "quality")
    op.drop_column("enrolments", "engine")
    op.alter_column("faces", "template", type_=HALFVEC(), existing_nullable=False)
    op.add_column("faces", sa.Column("refined", HALFVEC(), nullable=True))
    op.create_table(
        "engines",
        sa.Column("identity", sa.String(length=120), nullable=False),
        sa.Column("tail_offset", sa.Double(), nullable=False),
        sa.Column("tail_slope", sa.Double(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("identity", name=op.f("pk_engines")),
    )
    # Until now there was only SFace.
    op.execute(
        "INSERT INTO engines (identity, tail_offset, tail_slope, started_at)"
        " SELECT DISTINCT engine, 2.972, -20.845, now() FROM photos WHERE engine IS NOT NULL"
    )
    op.add_column("photos", sa.Column("asked_engine", sa.String(length=120), nullable=True))
    op.add_column("enrolments", sa.Column("asked_engine", sa.String(length=120), nullable=True))
    op.create_table(
        "settlements",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("engine", sa.String(length=120), nullable=False),
        sa.Column("refined_from", sa.LargeBinary(length=32), nullable=False),
        sa.Column("seconds", sa.REAL(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_settlements_event_id_events"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("event_id", "engine", name=op.f("pk_settlements")),
    )
