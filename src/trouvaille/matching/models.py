"""Tables of the matching slice."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import REAL, ForeignKey, Index, LargeBinary, String, func
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


class Probe(Base):
    """An accepted selfie as one engine knows it.

    While photos are read anew by another engine, a guest has one of each, so that no photo is lost sight of.
    """

    __tablename__ = "probes"

    enrolment_id: Mapped[UUID] = mapped_column(ForeignKey("enrolments.id", ondelete="CASCADE"), primary_key=True)
    engine: Mapped[str] = mapped_column(String(120), primary_key=True)
    event_id: Mapped[UUID]
    guest_id: Mapped[UUID] = mapped_column(ForeignKey("guests.id", ondelete="CASCADE"), index=True)
    quality: Mapped[float] = mapped_column(REAL)
    # (d,) unit length; NULL where the engine keeps it.
    template: Mapped[NDArray[np.float32] | None] = mapped_column(HALFVEC())
    # The template improved by the guest's own answers; NULL until there are some.
    refined: Mapped[NDArray[np.float32] | None] = mapped_column(HALFVEC())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    # When an engine that keeps templates was last asked for the guest's photos.
    searched_at: Mapped[datetime | None]

    # A new photo is compared with everybody enrolled in its event.
    __table_args__ = (Index("ix_probes_gallery", "event_id", "engine"),)


class KnownEngine(Base):
    """An engine that workers have used. The one that was started last is the instance's."""

    __tablename__ = "engines"

    identity: Mapped[str] = mapped_column(String(120), primary_key=True)
    # NULL where the engine compares faces itself.
    tail_offset: Mapped[float | None]
    tail_slope: Mapped[float | None]
    started_at: Mapped[datetime] = mapped_column(default=now)


class Settlement(Base):
    """How an event was last settled, for the faces of one engine."""

    __tablename__ = "settlements"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), primary_key=True)
    engine: Mapped[str] = mapped_column(String(120), primary_key=True)
    # A digest of the faces that were refined: the same ones need not be refined again.
    refined_from: Mapped[bytes] = mapped_column(LargeBinary(32))
    # Of how many people these faces are, about.
    people: Mapped[float] = mapped_column(REAL)
    seconds: Mapped[float] = mapped_column(REAL)


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
    # Since when the organiser says so, where they found the guest by hand; without a face_id no face was compared.
    given_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (Index("ix_matches_photo_id", "photo_id"), Index("ix_matches_event_id", "event_id"))
