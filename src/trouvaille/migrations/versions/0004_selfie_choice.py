"""A selfie with several people: what the guest is asked, and what they said."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.add_column("enrolments", sa.Column("candidates", postgresql.JSONB(), nullable=True))
    op.add_column("enrolments", sa.Column("chosen", sa.Integer(), nullable=True))
