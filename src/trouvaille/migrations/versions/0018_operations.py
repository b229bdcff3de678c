"""Figures of all processes, and when the last backup was."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "process_metrics",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("queues", sa.String(100), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("samples", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_process_metrics"),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_process_metrics_at", "process_metrics", ["at"])
    op.create_table(
        "metric_minutes",
        sa.Column("minute", moment, nullable=False),
        sa.Column("figures", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("minute", name="pk_metric_minutes"),
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "marks",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_marks"),
    )
    # Jobs that were given up are kept for the operator; those that wait are found by the queue's own indexes.
    op.execute("CREATE INDEX ix_procrastinate_jobs_failed ON procrastinate_jobs (task_name) WHERE status = 'failed'")
    for column in ("actor_id", "about_id", "event_id"):
        named = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_audit_{column}", "audit", [column], postgresql_where=named)
