"""Events say what is drawn on the photos that guests get, and photos know what is drawn on theirs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.add_column("events", sa.Column("watermark", JSONB(), nullable=True))
    op.add_column("events", sa.Column("mark", sa.String(40), nullable=True))
    op.add_column("events", sa.Column("mark_made", sa.String(40), nullable=True))
    op.add_column("photos", sa.Column("mark", sa.String(40), nullable=True))
