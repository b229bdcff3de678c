"""Tables of the events slice."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, func
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.clock import now
from trouvaille.core.db import Base, Identified, words


class Gallery(StrEnum):
    """Who may browse all photos of an event; everybody always sees their own."""

    NOBODY = "nobody"
    GUESTS = "guests"


class Photographer(Base):
    """A member of staff who may add photos to an event that is not theirs."""

    __tablename__ = "event_photographers"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), primary_key=True, index=True)
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
    starts_on: Mapped[date | None]
    expires_at: Mapped[datetime | None]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), index=True)
    locale: Mapped[str] = mapped_column(String(5), default="en")
    accent: Mapped[str] = mapped_column(String(7))
    gallery: Mapped[Gallery] = mapped_column(words(Gallery), default=Gallery.GUESTS)
    downloads: Mapped[bool] = mapped_column(default=True)
    faces_attested_at: Mapped[datetime | None]
    # No foreign key: who said so stays on record when their account is gone.
    faces_attested_by: Mapped[UUID | None]
    faces_attestation_version: Mapped[str | None] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (Index("uq_events_code", func.lower(code), unique=True),)

    @property
    def faces_on(self) -> bool:
        """Whether faces may be looked for: only once somebody attested that guests are told."""
        return self.faces_attested_at is not None

    @property
    def is_open(self) -> bool:
        """Whether guests may come in."""
        return self.expires_at is None or self.expires_at > now()

    @property
    def theme_url(self) -> str:
        """The style sheet with this event's accent colour."""
        return f"/e/{self.code}/theme.css"
