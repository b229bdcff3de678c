"""What changed at the desk since somebody looked, found by the transaction that changed it."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_NOW = "((pg_current_xact_id())::text)::bigint"


def upgrade() -> None:
    """Apply this step."""
    op.add_column("photos", sa.Column("changed_in", sa.BigInteger(), nullable=False, server_default="0"))
    op.alter_column("photos", "changed_in", server_default=sa.text(_NOW))
    op.execute(
        "CREATE FUNCTION photos_note_change() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN NEW.changed_in := {_NOW}; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER photos_note_change BEFORE UPDATE ON photos FOR EACH ROW EXECUTE FUNCTION photos_note_change()"
    )
    op.create_index("ix_photos_changed", "photos", ["event_id", "changed_in"])
