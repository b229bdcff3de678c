"""An index for the studio's list of events."""

from alembic import op
from sqlalchemy import text

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    day = text("COALESCE(starts_on, '0001-01-01'::date)")
    op.create_index("ix_events_listed", "events", [day, "created_at", "id"])
