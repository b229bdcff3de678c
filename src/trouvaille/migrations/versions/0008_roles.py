"""Photographers of events, invitations, events that are being handed over, and identities of other places."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ROLES = sa.Enum("administrator", "organiser", "photographer", name="role", native_enum=False, length=20)


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _key(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    """Apply this step."""
    # Who attested stays on record when their account is gone.
    op.drop_constraint("fk_events_faces_attested_by_staff", "events", type_="foreignkey")
    _make_photographers_and_handovers()
    _make_invitations()
    _make_identities("staff_identities", "staff")
    _make_identities("guest_identities", "guests")


def _make_photographers_and_handovers() -> None:
    op.create_table(
        "event_photographers",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        _moment("created_at"),
        _key("event_photographers", "event_id", "events"),
        _key("event_photographers", "staff_id", "staff"),
        sa.PrimaryKeyConstraint("event_id", "staff_id", name=op.f("pk_event_photographers")),
    )
    op.create_index(op.f("ix_event_photographers_staff_id"), "event_photographers", ["staff_id"], unique=False)
    op.create_table(
        "event_handovers",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("to_id", sa.Uuid(), nullable=False),
        _moment("expires_at"),
        _key("event_handovers", "event_id", "events"),
        _key("event_handovers", "to_id", "staff"),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_event_handovers")),
    )
    op.create_index(op.f("ix_event_handovers_to_id"), "event_handovers", ["to_id"], unique=False)


def _make_invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("role", ROLES, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("invited_by", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        _moment("created_at"),
        _moment("expires_at"),
        sa.Column("id", sa.Uuid(), nullable=False),
        _key("invitations", "event_id", "events"),
        _key("invitations", "invited_by", "staff"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
    )
    for column in ("event_id", "invited_by", "expires_at"):
        op.create_index(op.f(f"ix_invitations_{column}"), "invitations", [column], unique=False)
    op.create_index(op.f("ix_photos_uploaded_by"), "photos", ["uploaded_by"], unique=False)


def _make_identities(table: str, accounts: str) -> None:
    op.create_table(
        table,
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("shown", sa.String(length=254), nullable=False),
        _moment("created_at"),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        _key(table, "account_id", accounts),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("issuer", "subject", "account_id", name=op.f(f"uq_{table}_issuer_subject_account_id")),
    )
    op.create_index(op.f(f"ix_{table}_account_id"), table, ["account_id"], unique=False)
