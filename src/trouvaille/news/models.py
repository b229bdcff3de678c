"""Tables of the news slice: what guests know of their photos, and how they want to hear of more."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.clock import now
from trouvaille.core.db import Base, words


class Stop(StrEnum):
    """Why a guest is told nothing more although they never said so."""

    UNSEEN = "unseen"
    """They did not come after several times; coming ends it."""
    BOUNCED = "bounced"
    """There is no such mailbox; choosing mail again ends it."""


class News(Base):
    """What one guest was told and has seen of the photos that they are in.

    Counts instead of moments: a photo may become theirs, or be shown, long after it came (it was held for review, a
    *maybe* became *sure*), and one that is hidden or deleted must never be told of.
    """

    __tablename__ = "guest_news"

    guest_id: Mapped[UUID] = mapped_column(ForeignKey("guests.id", ondelete="CASCADE"), primary_key=True)
    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), index=True)
    mail: Mapped[bool] = mapped_column(default=True)
    # How many of their photos they have seen or been told of.
    known: Mapped[int] = mapped_column(default=0)
    # How many there were at the last look, since when there are more than known, and since when so many.
    counted: Mapped[int] = mapped_column(default=0)
    pending_since: Mapped[datetime | None]
    changed_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    # How often they were told since they last came.
    unanswered: Mapped[int] = mapped_column(default=0)
    stopped: Mapped[Stop | None] = mapped_column(words(Stop))
    check_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (Index("ix_guest_news_check", check_at, postgresql_where=sql("stopped IS NULL")),)
