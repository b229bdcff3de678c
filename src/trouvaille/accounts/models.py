"""Tables of the accounts slice: staff, and everybody's signed-in sessions."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, LargeBinary, String, func
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.clock import now
from trouvaille.core.db import Base, Identified, words


class Role(StrEnum):
    """What a member of staff may do: everything, or whatever concerns their own events."""

    ADMINISTRATOR = "administrator"
    ORGANISER = "organiser"


class Staff(Identified, Base):
    """A person who runs events on this server."""

    __tablename__ = "staff"

    email: Mapped[str] = mapped_column(String(254))
    display_name: Mapped[str] = mapped_column(String(80))
    password_hash: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(words(Role))
    locale: Mapped[str] = mapped_column(String(5), default="en")
    created_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (Index("uq_staff_email", func.lower(email), unique=True),)


class SignedIn(Identified, Base):
    """One signed-in browser. The token itself is only in the browser's cookie."""

    __tablename__ = "sessions"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    kind: Mapped[str] = mapped_column(String(10))
    subject_id: Mapped[UUID] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    last_seen_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
