"""Tables of the events slice."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, BindParameter, ColumnElement, ForeignKey, Index, String, and_, func, or_, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.clock import now
from trouvaille.core.db import Base, Identified, words


class EventState(StrEnum):
    """How far an event is; ``states`` says what may follow what."""

    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"
    ARCHIVED = "archived"


class Gallery(StrEnum):
    """Who may browse all photos of an event; everybody always sees their own."""

    NOBODY = "nobody"
    GUESTS = "guests"
    EVERYONE = "everyone"


class Downloads(StrEnum):
    """What whoever sees a photo may take home: nothing, the size that pages show, or the untouched file."""

    NONE = "none"
    VIEW = "view"
    ORIGINAL = "original"


class Photographer(Base):
    """A member of staff who may add photos to an event that is not theirs."""

    __tablename__ = "event_photographers"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), primary_key=True, index=True)
    # How much they may add; None for the server's usual.
    quota_photos: Mapped[int | None]
    quota_bytes: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Handover(Base):
    """An event that its owner offers to another organiser, who has not answered yet."""

    __tablename__ = "event_handovers"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), primary_key=True)
    to_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime]


class Event(Identified, Base):
    """A wedding, a race, a conference: the border that no photo, face or guest crosses."""

    __tablename__ = "events"

    code: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(120))
    state: Mapped[EventState] = mapped_column(words(EventState), default=EventState.OPEN)
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    time_zone: Mapped[str] = mapped_column(String(64), default="UTC")
    place: Mapped[str] = mapped_column(String(160), default="")
    expires_at: Mapped[datetime | None]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), index=True)
    # The languages that guests are spoken to in, the preferred one first.
    locales: Mapped[list[str]] = mapped_column(ARRAY(String(5)), default=lambda: ["en"])
    accent: Mapped[str] = mapped_column(String(7))
    gallery: Mapped[Gallery] = mapped_column(words(Gallery), default=Gallery.GUESTS)
    downloads: Mapped[Downloads] = mapped_column(words(Downloads), default=Downloads.ORIGINAL)
    # What is drawn on the photos that guests get, as ``watermarks.Watermark`` keeps it; NULL for nothing.
    watermark: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    # Names the set of renditions that photos are to have because of it, and the one that all were last seen to have.
    mark: Mapped[str | None] = mapped_column(String(40))
    mark_made: Mapped[str | None] = mapped_column(String(40))
    # Whether originals that guests take home keep the position and the serial numbers that cameras write.
    camera_data: Mapped[bool] = mapped_column(default=False)
    # Whether a new photo waits until somebody has looked at it.
    review: Mapped[bool] = mapped_column(default=False)
    # Whether a new photo is among those that all may look through.
    general: Mapped[bool] = mapped_column(default=True)
    # Whether one may come in by name alone, without an account.
    guest_pass: Mapped[bool] = mapped_column(default=False)
    # How much all may add together; None for the server's usual.
    quota_photos: Mapped[int | None]
    quota_bytes: Mapped[int | None] = mapped_column(BigInteger)
    faces_attested_at: Mapped[datetime | None]
    # No foreign key: who said so stays on record when their account is gone.
    faces_attested_by: Mapped[UUID | None]
    faces_attestation_version: Mapped[str | None] = mapped_column(String(20))
    faces_attestation_locale: Mapped[str | None] = mapped_column(String(5))
    created_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (
        # Hyphens are for the eye: LEA-TOM and LEATOM are one code.
        Index("uq_events_code", func.replace(func.lower(code), text("'-'"), text("''")), unique=True),
        Index("ix_events_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        # The studio lists events by their first day.
        Index("ix_events_listed", text("COALESCE(starts_on, '0001-01-01'::date)"), "created_at", "id"),
    )

    @property
    def locale(self) -> str:
        """The language that its guests are spoken to in unless they prefer another of its languages."""
        return self.locales[0]

    @property
    def faces_on(self) -> bool:
        """Whether faces may be looked for: only once somebody attested that guests are told."""
        return self.faces_attested_at is not None

    @property
    def has_expired(self) -> bool:
        """Whether its last day is past."""
        return self.expires_at is not None and self.expires_at <= now()

    @property
    def is_over(self) -> bool:
        """Whether guests are locked out for good: past its last day, or archived."""
        return self.state is EventState.ARCHIVED or self.has_expired

    @property
    def is_open(self) -> bool:
        """Whether new guests may come in."""
        return self.state is EventState.OPEN and not self.has_expired

    @property
    def is_shown(self) -> bool:
        """Whether those who are guests already may look at it."""
        return self.state in (EventState.OPEN, EventState.CLOSED) and not self.has_expired

    @property
    def theme_url(self) -> str:
        """The style sheet with this event's accent colour."""
        return f"/e/{self.code}/theme.css"


def shown(moment: BindParameter[datetime] | None = None) -> ColumnElement[bool]:
    """``Event.is_shown`` as a condition.

    Args:
        moment: filled in later; the present one when None.
    """
    return and_(
        Event.state.in_((EventState.OPEN, EventState.CLOSED)),
        or_(Event.expires_at.is_(None), Event.expires_at > (now() if moment is None else moment)),
    )


class PictureKind(StrEnum):
    """The pictures of an event, which are no photos of it."""

    COVER = "cover"
    LOGO = "logo"
    WATERMARK = "watermark"
    """Drawn on photos; only staff see it by itself."""


class PictureState(StrEnum):
    """How far a picture has come."""

    WAITING = "waiting"
    READY = "ready"
    FAILED = "failed"


class EventPicture(Identified, Base):
    """A cover, a logo or a watermark. The newest that is ready is shown; a worker makes what pages show of it."""

    __tablename__ = "event_pictures"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), index=True)
    kind: Mapped[PictureKind] = mapped_column(words(PictureKind))
    state: Mapped[PictureState] = mapped_column(words(PictureState), default=PictureState.WAITING)
    reason: Mapped[str | None] = mapped_column(String(40))
    file_name: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(40))
    size_bytes: Mapped[int]
    # Of what pages show.
    shown_type: Mapped[str | None] = mapped_column(String(40))
    width_px: Mapped[int | None]
    height_px: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=now)

    @property
    def folder(self) -> str:
        """Where all bytes of this picture lie in the store."""
        return f"events/{self.event_id}/pictures/{self.id}"

    @property
    def original_key(self) -> str:
        """The untouched file."""
        return f"{self.folder}/original"

    @property
    def shown_key(self) -> str:
        """What pages show."""
        return f"{self.folder}/shown"


class Reminder(Identified, Base):
    """That an event's end was near, said once for each end and distance."""

    __tablename__ = "event_reminders"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime]
    days_before: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=now)
    dismissed_at: Mapped[datetime | None]

    __table_args__ = (Index("uq_event_reminders", "event_id", "expires_at", "days_before", unique=True),)
