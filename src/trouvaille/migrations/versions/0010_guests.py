"""Guest passes: events that allow them, and guests who have a name and nothing else."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.add_column("events", sa.Column("guest_pass", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("events", "guest_pass", server_default=None)
    for name in ("username", "email", "password_hash"):
        op.alter_column("guests", name, nullable=True)
    op.create_check_constraint(op.f("ck_guests_names"), "guests", "(username IS NULL) = (email IS NULL)")
