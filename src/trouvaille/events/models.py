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
    # Whether one may come in by name alone, without an account.
    guest_pass: Mapped[bool] = mapped_column(default=False)
    faces_attested_at: Mapped[datetime | None]
    faces_attested_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
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
