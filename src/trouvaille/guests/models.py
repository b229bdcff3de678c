"""Tables of the guests slice: guests of an event, what they agreed to, and their enrolments."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, func
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.accounts.models import LinkedIdentity
from trouvaille.core.clock import now
from trouvaille.core.db import Base, Identified, words


class Guest(Identified, Base):
    """An account that exists in one event alone; the same username or e-mail is free in every other."""

    __tablename__ = "guests"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    # None in a guest pass, which has a name and nothing else; PostgreSQL counts NULLs as different from each other.
    username: Mapped[str | None] = mapped_column(String(40))
    email: Mapped[str | None] = mapped_column(String(254))
    email_confirmed_at: Mapped[datetime | None]
    display_name: Mapped[str] = mapped_column(String(80))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    locale: Mapped[str] = mapped_column(String(5), default="en")
    created_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (
        Index("uq_guests_event_username", event_id, func.lower(username), unique=True),
        Index("uq_guests_event_email", event_id, func.lower(email), unique=True),
        CheckConstraint("(username IS NULL) = (email IS NULL)", name="names"),
        # Signing in looks across events.
        Index("ix_guests_username", func.lower(username)),
        Index("ix_guests_email", func.lower(email)),
        # The guest list runs from A to Z.
        Index("ix_guests_roster", event_id, func.lower(display_name), "id"),
    )

    @property
    def is_pass(self) -> bool:
        """Whether this is a guest pass, which has neither names nor password."""
        return self.username is None


class GuestIdentity(LinkedIdentity, Base):
    """An identity of a guest."""

    __tablename__ = "guest_identities"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("guests.id", ondelete="CASCADE"), index=True)

    __table_args__ = (UniqueConstraint("issuer", "subject", "account_id"),)


class Consent(Identified, Base):
    """One agreement to face finding: which text, in which language, from when to when."""

    __tablename__ = "consents"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), index=True)
    guest_id: Mapped[UUID] = mapped_column(ForeignKey("guests.id", ondelete="CASCADE"), index=True)
    text_version: Mapped[str] = mapped_column(String(20))
    locale: Mapped[str] = mapped_column(String(5))
    given_at: Mapped[datetime] = mapped_column(default=now)
    withdrawn_at: Mapped[datetime | None]


PUT_OFF: Final = "put_off"


class EnrolmentState(StrEnum):
    """How far a selfie has come."""

    WAITING = "waiting"
    CHOOSING = "choosing"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class Enrolment(Identified, Base):
    """One selfie and what became of it. The templates made of it are with ``matching``."""

    __tablename__ = "enrolments"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    guest_id: Mapped[UUID] = mapped_column(ForeignKey("guests.id", ondelete="CASCADE"))
    state: Mapped[EnrolmentState] = mapped_column(
        words(EnrolmentState),
        default=EnrolmentState.WAITING,
    )
    # Why it was refused; or ``PUT_OFF``, of a selfie that waits because its face can't be looked for yet.
    reason: Mapped[str | None] = mapped_column(String(40))
    # While the guest has to say which face is theirs: the picture's size and the faces' boxes, all in its pixels.
    candidates: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    chosen: Mapped[int | None]
    # The engine that was last asked to look at it anew, whatever came of it.
    asked_engine: Mapped[str | None] = mapped_column(String(120))
    created_at: Mapped[datetime] = mapped_column(default=now)
    decided_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_enrolments_guest", guest_id, created_at),
        Index("ix_enrolments_fresh", "decided_at", postgresql_where=sql("state = 'accepted'")),
        Index("uq_enrolments_accepted", guest_id, unique=True, postgresql_where=sql("state = 'accepted'")),
    )

    @property
    def folder(self) -> str:
        """Where the sealed pictures of the selfie lie in the store."""
        return f"events/{self.event_id}/selfies/{self.id}"

    def frame_key(self, number: int) -> str:
        """One of its pictures; the first, 0, is the best."""
        return f"{self.folder}/{number}"

    @property
    def choice_key(self) -> str:
        """The picture in which the guest has to say which face is theirs."""
        return f"{self.folder}/choice"


class InvitationState(StrEnum):
    """Whether somebody has come."""

    INVITED = "invited"
    JOINED = "joined"


class GuestInvitation(Identified, Base):
    """Somebody whom an organiser expects. Their link carries a token that the database knows as a hash only."""

    __tablename__ = "guest_invitations"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(80))
    email: Mapped[str] = mapped_column(String(254))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    # Whoever came with the link; an invitation goes with its guest.
    guest_id: Mapped[UUID | None] = mapped_column(ForeignKey("guests.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    # The token, sealed, until its letter is on the way: a draft's guests are written to once it opens.
    unsent: Mapped[bytes | None] = mapped_column(LargeBinary)
    mailed_at: Mapped[datetime | None]

    __table_args__ = (
        Index("uq_guest_invitations_event_email", event_id, func.lower(email), unique=True),
        Index("ix_guest_invitations_unsent", event_id, postgresql_where=sql("unsent IS NOT NULL")),
    )

    @property
    def state(self) -> InvitationState:
        """``joined`` once a guest registered with its link."""
        return InvitationState.JOINED if self.guest_id is not None else InvitationState.INVITED


class Message(Identified, Base):
    """What a guest wrote to the people who run their event."""

    __tablename__ = "messages"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    guest_id: Mapped[UUID] = mapped_column(ForeignKey("guests.id", ondelete="CASCADE"))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    read_at: Mapped[datetime | None]
    answer: Mapped[str | None] = mapped_column(Text)
    answered_at: Mapped[datetime | None]
    # No foreign key: the answer stays when whoever gave it is gone.
    answered_by: Mapped[UUID | None]

    __table_args__ = (
        Index("ix_messages_event", event_id, "created_at", "id"),
        Index("ix_messages_guest", guest_id, "created_at"),
        Index("ix_messages_unread", event_id, postgresql_where=sql("read_at IS NULL")),
    )
