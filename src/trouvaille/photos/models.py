"""Tables of the photos slice."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    and_,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.clock import now
from trouvaille.core.db import Base, Identified, words

PUT_OFF: Final = "put_off"


class PhotoState(StrEnum):
    """How far a photo has come."""

    WAITING = "waiting"
    READY = "ready"
    FAILED = "failed"


class Source(StrEnum):
    """The way by which a photo came."""

    BROWSER = "browser"
    COMMAND = "command"
    CAMERA = "camera"
    IMPORT = "import"


class Standing(StrEnum):
    """Whether staff want a photo to be seen."""

    SHOWN = "shown"
    HELD = "held"
    """It waits until somebody has looked at it."""
    HIDDEN = "hidden"


class Photo(Identified, Base):
    """One photo of an event. The same bytes are in an event at most once."""

    __tablename__ = "photos"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    uploaded_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id", ondelete="SET NULL"), index=True)
    file_name: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str] = mapped_column(String(40))
    state: Mapped[PhotoState] = mapped_column(words(PhotoState), default=PhotoState.WAITING)
    # Why it failed; or ``PUT_OFF``, of a photo that is ready but whose faces can't be looked at yet.
    reason: Mapped[str | None] = mapped_column(String(40))
    source: Mapped[Source] = mapped_column(words(Source), default=Source.BROWSER)
    standing: Mapped[Standing] = mapped_column(words(Standing), default=Standing.SHOWN)
    # Whether it is among the photos that all may look through; who is in it sees it anyway.
    in_general: Mapped[bool] = mapped_column(default=True)
    # Deleted, and to be brought back until it is removed for good.
    deleted_at: Mapped[datetime | None]
    # Make and model.
    camera: Mapped[str | None] = mapped_column(String(120))
    # Stands for the body's serial number, which is kept nowhere: it tells two of one model apart within an event.
    body: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    # A WebP of some 100 bytes: what stands in the photo's place until its thumbnail is there.
    placeholder: Mapped[bytes | None] = mapped_column(LargeBinary)
    # The current set, by name: what `renditions.Stored` says of each. Only what stands here is ever served.
    renditions: Mapped[dict[str, dict[str, Any]]] = mapped_column(
        JSONB, default=dict, server_default=text("'{}'::jsonb")
    )
    # The set that ``renditions`` is of, as ``events.mark`` names it; NULL where nothing is drawn on them.
    mark: Mapped[str | None] = mapped_column(String(40))
    # What is covered in the original before a guest gets it (`blanks.kept`); NULL until a worker has looked.
    blanks: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    width_px: Mapped[int | None]
    height_px: Mapped[int | None]
    faces: Mapped[int] = mapped_column(default=0)
    engine: Mapped[str | None] = mapped_column(String(120))
    # The engine that was last asked to look at it anew, whatever came of it.
    asked_engine: Mapped[str | None] = mapped_column(String(120))
    # As the camera's clock said, which knows no time zone.
    taken_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=False))
    # East of UTC, where the camera knew its own time zone.
    taken_offset_minutes: Mapped[int | None] = mapped_column(SmallInteger)
    # As the file system had it that the file came from.
    modified_at: Mapped[datetime | None]
    # Its place in time, as ``clocks.moment`` says.
    shown_at: Mapped[datetime] = mapped_column(default=now)
    created_at: Mapped[datetime] = mapped_column(default=now)
    # The transaction that changed it last; a trigger keeps it. Times would not do: a transaction that began earlier
    # may be seen later.
    changed_in: Mapped[int] = mapped_column(BigInteger, server_default=text("((pg_current_xact_id())::text)::bigint"))

    __table_args__ = (
        Index("uq_photos_event_sha256", event_id, sha256, unique=True),
        # Galleries run from the newest photo to the oldest.
        Index("ix_photos_gallery", event_id, text("shown_at DESC"), text("id DESC")),
        # The same order within one photographer's photos.
        Index("ix_photos_by", event_id, uploaded_by, text("shown_at DESC"), text("id DESC")),
        Index("ix_photos_added", event_id, created_at, "id"),
        Index("ix_photos_name", event_id, file_name, "id"),
        Index("ix_photos_changed", event_id, "changed_in"),
        Index("ix_photos_faces", event_id, faces, "id"),
        Index("ix_photos_unshown", event_id, standing, postgresql_where=text("standing <> 'shown'")),
        Index("ix_photos_unfinished", event_id, state, postgresql_where=text("state <> 'ready'")),
        # Whether a file need not be sent again.
        Index("ix_photos_size", event_id, size_bytes),
        Index("ix_photos_deleted", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
        Index(
            "ix_photos_quota",
            event_id,
            uploaded_by,
            postgresql_include=["size_bytes"],
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("ix_photos_unblanked", created_at, postgresql_where=text("blanks IS NULL AND state = 'ready'")),
        Index("ix_photos_put_off", created_at, postgresql_where=text("reason = 'put_off'")),
    )

    @property
    def folder(self) -> str:
        """Where all bytes of this photo lie in the store."""
        return f"events/{self.event_id}/photos/{self.id}"

    @property
    def original_key(self) -> str:
        """The untouched file."""
        return f"{self.folder}/original"


class Clock(Identified, Base):
    """By how much the photos of one photographer's camera are moved, whose clock was wrong.

    A photographer who is gone leaves theirs behind, as they do their photos.
    """

    __tablename__ = "clocks"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    staff_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id", ondelete="SET NULL"), index=True)
    camera: Mapped[str | None] = mapped_column(String(120))
    body: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    shift_s: Mapped[int]

    __table_args__ = (Index("ix_clocks_camera", event_id, staff_id, camera, body),)


def shown() -> ColumnElement[bool]:
    """Photos that there is something to see of, and that staff want to be seen: the base of every guest's query."""
    return and_(Photo.state == PhotoState.READY, Photo.standing == Standing.SHOWN, Photo.deleted_at.is_(None))
