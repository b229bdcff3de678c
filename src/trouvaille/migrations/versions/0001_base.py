"""The first tables, the vector extension, and the job queue's own schema."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import HALFVEC
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _create_queue() -> None:
    """Apply Procrastinate's schema, which can't be applied twice. It holds several statements and percent signs, so it
    goes to the driver as it is."""
    if op.get_bind().scalar(sa.text("SELECT to_regclass('procrastinate_jobs')")) is None:
        driver = op.get_bind().connection.driver_connection
        assert driver is not None
        driver.execute(SchemaManager.get_schema())


def upgrade() -> None:
    """Apply this step."""
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    _create_queue()
    op.create_table(
        "job_deaths",
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("deaths", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_job_deaths")),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sessions_token_hash")),
    )
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"], unique=False)
    op.create_index(op.f("ix_sessions_subject_id"), "sessions", ["subject_id"], unique=False)
    op.create_table(
        "staff",
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("display_name", sa.String(length=80), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column(
            "role", sa.Enum("administrator", "organiser", name="role", native_enum=False, length=20), nullable=False
        ),
        sa.Column("locale", sa.String(length=5), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
    )
    op.create_index("uq_staff_email", "staff", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "events",
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("locale", sa.String(length=5), nullable=False),
        sa.Column("accent", sa.String(length=7), nullable=False),
        sa.Column("gallery", sa.Enum("nobody", "guests", name="gallery", native_enum=False, length=20), nullable=False),
        sa.Column("downloads", sa.Boolean(), nullable=False),
        sa.Column("faces_attested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("faces_attested_by", sa.Uuid(), nullable=True),
        sa.Column("faces_attestation_version", sa.String(length=20), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["faces_attested_by"], ["staff.id"], name=op.f("fk_events_faces_attested_by_staff")),
        sa.ForeignKeyConstraint(["owner_id"], ["staff.id"], name=op.f("fk_events_owner_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index(op.f("ix_events_owner_id"), "events", ["owner_id"], unique=False)
    op.create_index("uq_events_code", "events", [sa.literal_column("lower(code)")], unique=True)
    op.create_table(
        "guests",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("username", sa.String(length=40), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("display_name", sa.String(length=80), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("locale", sa.String(length=5), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_guests_event_id_events"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guests")),
    )
    op.create_index("ix_guests_email", "guests", [sa.literal_column("lower(email)")], unique=False)
    op.create_index("ix_guests_username", "guests", [sa.literal_column("lower(username)")], unique=False)
    op.create_index("uq_guests_event_email", "guests", ["event_id", sa.literal_column("lower(email)")], unique=True)
    op.create_index(
        "uq_guests_event_username", "guests", ["event_id", sa.literal_column("lower(username)")], unique=True
    )
    op.create_table(
        "photos",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("uploaded_by", sa.Uuid(), nullable=True),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(length=40), nullable=False),
        sa.Column(
            "state",
            sa.Enum("waiting", "ready", "failed", name="photostate", native_enum=False, length=20),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("width_px", sa.Integer(), nullable=True),
        sa.Column("height_px", sa.Integer(), nullable=True),
        sa.Column("faces", sa.Integer(), nullable=False),
        sa.Column("engine", sa.String(length=120), nullable=True),
        sa.Column("taken_at", sa.DateTime(), nullable=True),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_photos_event_id_events"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["uploaded_by"], ["staff.id"], name=op.f("fk_photos_uploaded_by_staff"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photos")),
    )
    op.create_index(
        "ix_photos_gallery",
        "photos",
        ["event_id", sa.literal_column("shown_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_photos_unfinished",
        "photos",
        ["event_id", "state"],
        unique=False,
        postgresql_where=sa.text("state <> 'ready'"),
    )
    op.create_index("uq_photos_event_sha256", "photos", ["event_id", "sha256"], unique=True)
    op.create_table(
        "consents",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("guest_id", sa.Uuid(), nullable=False),
        sa.Column("text_version", sa.String(length=20), nullable=False),
        sa.Column("locale", sa.String(length=5), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_consents_event_id_events"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["guest_id"], ["guests.id"], name=op.f("fk_consents_guest_id_guests"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index(op.f("ix_consents_event_id"), "consents", ["event_id"], unique=False)
    op.create_index(op.f("ix_consents_guest_id"), "consents", ["guest_id"], unique=False)
    op.create_table(
        "enrolments",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("guest_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("waiting", "accepted", "refused", name="enrolmentstate", native_enum=False, length=20),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("template", HALFVEC(128), nullable=True),
        sa.Column("engine", sa.String(length=120), nullable=True),
        sa.Column("quality", sa.Double(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_enrolments_event_id_events"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["guest_id"], ["guests.id"], name=op.f("fk_enrolments_guest_id_guests"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrolments")),
    )
    op.create_index(
        "ix_enrolments_gallery",
        "enrolments",
        ["event_id"],
        unique=False,
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.create_index("ix_enrolments_guest", "enrolments", ["guest_id", "created_at"], unique=False)
    op.create_index(
        "uq_enrolments_accepted",
        "enrolments",
        ["guest_id"],
        unique=True,
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.create_table(
        "faces",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("photo_id", sa.Uuid(), nullable=False),
        sa.Column("box_xyxy", postgresql.ARRAY(sa.REAL()), nullable=False),
        sa.Column("score", sa.REAL(), nullable=False),
        sa.Column("quality", sa.REAL(), nullable=False),
        sa.Column("template", HALFVEC(128), nullable=False),
        sa.Column("engine", sa.String(length=120), nullable=False),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name=op.f("fk_faces_photo_id_photos"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("event_id", "id", name=op.f("pk_faces")),
        postgresql_partition_by="LIST (event_id)",
    )
    op.create_index("ix_faces_photo_id", "faces", ["photo_id"], unique=False)
    op.create_table(
        "matches",
        sa.Column("guest_id", sa.Uuid(), nullable=False),
        sa.Column("photo_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("face_id", sa.Uuid(), nullable=True),
        sa.Column("similarity", sa.REAL(), nullable=False),
        sa.Column("tier", sa.Enum("sure", "maybe", name="tier", native_enum=False, length=20), nullable=False),
        sa.Column("verdict", sa.Enum("yes", "no", name="verdict", native_enum=False, length=20), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_matches_event_id_events"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["guest_id"], ["guests.id"], name=op.f("fk_matches_guest_id_guests"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["photo_id"], ["photos.id"], name=op.f("fk_matches_photo_id_photos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("guest_id", "photo_id", name=op.f("pk_matches")),
    )
    op.create_index("ix_matches_event_id", "matches", ["event_id"], unique=False)
    op.create_index("ix_matches_photo_id", "matches", ["photo_id"], unique=False)
