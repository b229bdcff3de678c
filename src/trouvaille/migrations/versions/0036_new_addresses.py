"""An address that somebody wants instead of theirs waits in the link that confirms it."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.add_column("account_links", sa.Column("email", sa.String(254)))
    op.add_column("account_links", sa.Column("password_hash", sa.String(200)))
