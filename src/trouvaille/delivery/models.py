"""Tables of the delivery slice: what guests keep, take home, and ask of the organiser."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, REAL, BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, Uuid
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.clock import now
from trouvaille.core.db import Base, Identified, words


class Favourite(Base):
    """A photo that a guest likes."""

    __tablename__ = "favourites"

    guest_id: Mapped[UUID] = mapped_column(ForeignKey("guests.id", ondelete="CASCADE"), primary_key=True)
    photo_id: Mapped[UUID] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True, index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Selection(Identified, Base):
    """Photos that somebody has marked to take home; their browser fetches them a moment later."""

    __tablename__ = "selections"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), index=True)
    # NULL where everyone with the link may look.
    guest_id: Mapped[UUID | None] = mapped_column(ForeignKey("guests.id", ondelete="CASCADE"), index=True)
    photo_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)


class FileSum(Base):
    """Length and CRC-32 of one file of a photo, noted the first time that it goes into a ZIP."""

    __tablename__ = "file_sums"

    photo_id: Mapped[UUID] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    crc32: Mapped[int | None] = mapped_column(BigInteger)


class WallShows(StrEnum):
    """Which photos a big screen shows."""

    GENERAL = "general"
    ALL = "all"


class Wall(Base):
    """The slideshow of an event. Whoever has its link sees it, and its link opens nothing else."""

    __tablename__ = "walls"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    # So that the organiser can see the link again, and who has the database alone can't.
    sealed_token: Mapped[bytes]
    shows: Mapped[WallShows] = mapped_column(words(WallShows), default=WallShows.GENERAL)
    seconds: Mapped[int] = mapped_column(default=7)
    # Name and QR code in a corner, for guests who have not come in yet.
    shows_code: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Reason(StrEnum):
    """Why a guest speaks up about a photo."""

    HIDE = "hide"
    """I am in it and don't want it shown."""
    UNKIND = "unkind"
    WRONG = "wrong"
    """It does not belong to this event."""
    OTHER = "other"


class ReportState(StrEnum):
    """What became of a report."""

    OPEN = "open"
    HIDDEN = "hidden"
    DISMISSED = "dismissed"


class Report(Identified, Base):
    """A guest's wish that the organiser looks at a photo."""

    __tablename__ = "reports"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    photo_id: Mapped[UUID] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), index=True)
    guest_id: Mapped[UUID] = mapped_column(ForeignKey("guests.id", ondelete="CASCADE"))
    reason: Mapped[Reason] = mapped_column(words(Reason))
    text: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[ReportState] = mapped_column(words(ReportState), default=ReportState.OPEN)
    created_at: Mapped[datetime] = mapped_column(default=now)
    decided_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_reports_event", event_id, "created_at", "id"),
        # Saying it twice changes nothing until somebody has looked.
        Index("uq_reports_open", guest_id, photo_id, unique=True, postgresql_where=sql("state = 'open'")),
    )


class NearState(StrEnum):
    """What became of a guest's wish to be looked for by hand."""

    OPEN = "open"
    ANSWERED = "answered"
    DISMISSED = "dismissed"


class Near(Identified, Base):
    """A guest's word that they were near when a photo was taken: somebody may look for them in the photos around it."""

    __tablename__ = "near_requests"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    photo_id: Mapped[UUID] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), index=True)
    guest_id: Mapped[UUID] = mapped_column(ForeignKey("guests.id", ondelete="CASCADE"))
    text: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[NearState] = mapped_column(words(NearState), default=NearState.OPEN)
    created_at: Mapped[datetime] = mapped_column(default=now)
    decided_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("guest_id", "photo_id"),
        Index("ix_near_requests_event", event_id, "created_at", "id"),
    )


class VeilState(StrEnum):
    """How far a wish to be hidden in a photo has come."""

    ASKED = "asked"
    AGREED = "agreed"
    DECLINED = "declined"


class Veil(Identified, Base):
    """One person's wish that others don't see their face in a photo.

    It outlives its guest: whoever was hidden stays hidden, and the box names nobody.
    """

    __tablename__ = "veils"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    photo_id: Mapped[UUID] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), index=True)
    guest_id: Mapped[UUID | None] = mapped_column(ForeignKey("guests.id", ondelete="SET NULL"))
    # Left, top, right, bottom as fractions of the upright photo; kept, since faces change when a photo is read anew.
    box_xyxy: Mapped[list[float]] = mapped_column(ARRAY(REAL))
    state: Mapped[VeilState] = mapped_column(words(VeilState), default=VeilState.ASKED)
    created_at: Mapped[datetime] = mapped_column(default=now)
    decided_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("guest_id", "photo_id"), Index("ix_veils_event", event_id, "created_at", "id"))


class VeiledPhoto(Base):
    """That a photo has renditions in which faces are hidden. From then on others get these, and no original."""

    __tablename__ = "veiled_photos"

    photo_id: Mapped[UUID] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True)
    # Names the renditions; new faces make new ones.
    version: Mapped[str] = mapped_column(String(40))
    # Whose faces are hidden in them: the only one may see the photo as it is.
    guest_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    # Faces hidden, which may be more than guests: some have left.
    faces: Mapped[int]
    made_at: Mapped[datetime] = mapped_column(default=now)
