"""Tables of the news slice: what guests know of their photos, and how they want to hear of more."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.clock import now
from trouvaille.core.db import Base, Identified, words


class Stop(StrEnum):
    """Why a guest is told nothing more although they never said so."""

    UNSEEN = "unseen"
    """They did not come after several times; coming ends it."""


class News(Base):
    """What one guest was told and has seen of the photos that they are in.

    Counts instead of moments: a photo may become theirs, or be shown, long after it came (it was held for review, a
    *maybe* became *sure*), and one that is hidden or deleted must never be told of.
    """

    __tablename__ = "guest_news"

    guest_id: Mapped[UUID] = mapped_column(ForeignKey("guests.id", ondelete="CASCADE"), primary_key=True)
    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), index=True)
    mail: Mapped[bool] = mapped_column(default=True)
    # There is no such mailbox; choosing mail again ends it.
    bounced: Mapped[bool] = mapped_column(default=False)
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


class PushSubscription(Identified, Base):
    """One browser that is told of a guest's new photos, for as long as it is signed in as that guest.

    Whoever knows an endpoint and its keys, and ours, can send to that browser: all of it is sealed, and its address is
    looked up by its hash. ``service`` is the host that messages go through.
    """

    __tablename__ = "push_subscriptions"

    guest_id: Mapped[UUID] = mapped_column(ForeignKey("guests.id", ondelete="CASCADE"), index=True)
    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), index=True)
    session_id: Mapped[UUID]
    endpoint_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    service: Mapped[str] = mapped_column(String(253))
    browser: Mapped[str | None] = mapped_column(String(20))
    system: Mapped[str | None] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(default=now)
    # How often in a row it could not be told.
    failures: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        # Signing out of a browser, here or from afar, ends its proofs, and this with them.
        ForeignKeyConstraint(
            ["session_id", "guest_id"], ["session_proofs.session_id", "session_proofs.subject_id"], ondelete="CASCADE"
        ),
        UniqueConstraint("session_id", "guest_id"),
        # A browser has one endpoint for this server, and may be signed in as a guest of several events.
        UniqueConstraint("endpoint_hash", "guest_id"),
    )
