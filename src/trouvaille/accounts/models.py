"""Tables of the accounts slice: staff, everybody's sessions, and what guards the way in."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import REAL, ForeignKey, Index, LargeBinary, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.clock import now
from trouvaille.core.db import Base, Identified, words


class Role(StrEnum):
    """What a member of staff is here: whoever runs this server, has events of their own, or is invited to others'."""

    ADMINISTRATOR = "administrator"
    ORGANISER = "organiser"
    PHOTOGRAPHER = "photographer"


class Staff(Identified, Base):
    """A person who runs events on this server."""

    __tablename__ = "staff"

    email: Mapped[str] = mapped_column(String(254))
    email_confirmed_at: Mapped[datetime | None]
    display_name: Mapped[str] = mapped_column(String(80))
    password_hash: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(words(Role))
    locale: Mapped[str] = mapped_column(String(5), default="en")
    created_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (Index("uq_staff_email", func.lower(email), unique=True),)


class LinkedIdentity(Identified):
    """Somebody whom a provider of OpenID Connect knows, and the account here that they may enter by it.

    Each slice keeps those of its people, so that they go with the account. ``shown`` is what its owner tells them by.
    """

    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    shown: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime] = mapped_column(default=now)


class StaffIdentity(LinkedIdentity, Base):
    """An identity of a member of staff."""

    __tablename__ = "staff_identities"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)

    __table_args__ = (UniqueConstraint("issuer", "subject", "account_id"),)


class PasswordRecipe(Identified, Base):
    """How passwords are hashed: Argon2id's cost, and the key that turns a name into its salt.

    There is one for each cost that was ever set, and a sign-in computes one hash for each.
    """

    __tablename__ = "password_recipes"

    salt_key: Mapped[bytes] = mapped_column(LargeBinary(32))
    memory_kib: Mapped[int]
    passes: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (UniqueConstraint("memory_kib", "passes"),)


class SignedIn(Identified, Base):
    """One signed-in browser. The token itself is only in the browser's cookie."""

    __tablename__ = "sessions"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    kind: Mapped[str] = mapped_column(String(10))
    subject_id: Mapped[UUID] = mapped_column(index=True)
    browser: Mapped[str | None] = mapped_column(String(20))
    system: Mapped[str | None] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(default=now)
    last_seen_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Proof(Base):
    """An account whose password was shown when a session began, so that the browser may switch to it."""

    __tablename__ = "session_proofs"

    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)
    kind: Mapped[str] = mapped_column(String(10))


class Removed(Identified, Base):
    """Rows that somebody removed and may put back for a while, see ``undo``. Nothing else reads them."""

    __tablename__ = "removed"

    # The name of their table.
    what: Mapped[str] = mapped_column(String(40))
    rows: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    note: Mapped[dict[str, Any]] = mapped_column(JSONB)
    # Who may put them back. When their account goes, nobody may, and what else is to be erased still is.
    staff_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id", ondelete="SET NULL"), index=True)
    event_id: Mapped[UUID | None] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(default=now, index=True)


class Attempts(Base):
    """How often something was tried lately; ``throttle`` says what follows. The key is a keyed hash of what is counted.

    A table of our own: of the libraries that count attempts, none that we know keeps its counts in PostgreSQL, and a
    store in memory would forget at every restart and count for each web process apart.
    """

    __tablename__ = "attempts"

    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    level: Mapped[float] = mapped_column(REAL)
    at: Mapped[datetime] = mapped_column(index=True)


class Purpose(StrEnum):
    """What a link sent by mail is for."""

    RESET = "reset"
    CONFIRM = "confirm"
    RETURN = "return"


class Link(Identified, Base):
    """A link that works once. The token itself is only in the mail."""

    __tablename__ = "account_links"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    purpose: Mapped[Purpose] = mapped_column(words(Purpose))
    # Pairs of kind and id; ids only, so the row says nothing about anybody who is gone.
    subjects: Mapped[list[Any]] = mapped_column(JSONB)
    # A link that somebody handed over proves nothing about a mailbox.
    mailed: Mapped[bool]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    # Who asked for another address gets it by the link that was sent there, with what is kept of their password then:
    # that depends on the names one signs in with.
    email: Mapped[str | None] = mapped_column(String(254))
    password_hash: Mapped[str | None] = mapped_column(String(200))


class ApiToken(Identified, Base):
    """What lets a script act for a member of staff, within its scopes. The token itself is shown once."""

    __tablename__ = "api_tokens"

    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(40)))
    created_at: Mapped[datetime] = mapped_column(default=now)
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class AuditEntry(Identified, Base):
    """One act that matters for security. A trigger refuses every change; ids only, and no foreign key: it outlives all.

    ``about_id`` is whom or what the act was done to.
    """

    __tablename__ = "audit"

    at: Mapped[datetime] = mapped_column(default=now)
    act: Mapped[str] = mapped_column(String(40))
    actor_kind: Mapped[str | None] = mapped_column(String(10))
    actor_id: Mapped[UUID | None]
    about_id: Mapped[UUID | None]
    event_id: Mapped[UUID | None]

    __table_args__ = (
        Index("ix_audit_at", at, "id"),
        Index("ix_audit_act", act, at, "id"),
        # The log of one person or event; many entries name none.
        Index("ix_audit_actor_id", "actor_id", postgresql_where=text("actor_id IS NOT NULL")),
        Index("ix_audit_about_id", "about_id", postgresql_where=text("about_id IS NOT NULL")),
        Index("ix_audit_event_id", "event_id", postgresql_where=text("event_id IS NOT NULL")),
    )
