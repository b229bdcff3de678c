"""Tables of the matching slice."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import REAL, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.clock import now
from trouvaille.core.db import Base, words


class Tier(StrEnum):
    """How certain a match is: shown at once, or asked about."""

    SURE = "sure"
    MAYBE = "maybe"


class Verdict(StrEnum):
    """What the guest says of a match; it is final and survives every new comparison."""

    YES = "yes"
    NO = "no"


class Match(Base):
    """A guest in a photo: at most one row for the two, by its most similar face."""

    __tablename__ = "matches"

    guest_id: Mapped[UUID] = mapped_column(ForeignKey("guests.id", ondelete="CASCADE"), primary_key=True)
    photo_id: Mapped[UUID] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True)
    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    # No foreign key: looking at a photo again gives its faces new ids, and a verdict outlives them.
    face_id: Mapped[UUID | None]
    similarity: Mapped[float] = mapped_column(REAL)
    tier: Mapped[Tier] = mapped_column(words(Tier))
    verdict: Mapped[Verdict | None] = mapped_column(words(Verdict))
    created_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (Index("ix_matches_photo_id", "photo_id"), Index("ix_matches_event_id", "event_id"))
