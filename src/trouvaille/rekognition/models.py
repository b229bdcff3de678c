"""Tables of the rekognition slice: what of ours lies in the AWS account, and what was spent.

None has a foreign key: a row must outlive the photo, guest or event that it is about, until the account has been
cleaned of it.
"""

from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.clock import now
from trouvaille.core.db import Base, Identified


class RekognitionInstance(Base):
    """Who we are in the account: part of every collection's name, so that two instances never touch each other's."""

    __tablename__ = "rekognition_instance"

    only: Mapped[bool] = mapped_column(primary_key=True, default=True)
    id: Mapped[UUID] = mapped_column(default=uuid4)
    # What the service answered instead of working, until it works again.
    trouble: Mapped[str | None] = mapped_column(String(500))
    trouble_at: Mapped[datetime | None]


class RekognitionCollection(Base):
    """An event's collection, noted before it is made."""

    __tablename__ = "rekognition_collections"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    # Set once it was deleted with its event; it is deleted a second time when no call from before can still run.
    deleted_at: Mapped[datetime | None]


class RekognitionFace(Base):
    """A face in a collection, of a photo or of a selfie; one that belongs to neither is to be deleted."""

    __tablename__ = "rekognition_faces"

    face_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    photo_id: Mapped[UUID | None]
    guest_id: Mapped[UUID | None]
    enrolment_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (
        Index("ix_rekognition_faces_event_id", "event_id"),
        Index("ix_rekognition_faces_photo_id", "photo_id", postgresql_where=text("photo_id IS NOT NULL")),
        # New photos are searched for guests only where some are enrolled.
        Index("ix_rekognition_faces_selfies", "event_id", "guest_id", postgresql_where=text("guest_id IS NOT NULL")),
    )


class RekognitionPending(Identified, Base):
    """An indexing call that was begun and whose faces are not in the ledger yet.

    It is removed together with the writing of the ledger. One that stays belongs to a worker that died, or to an answer
    that got lost, and tells that the collection has to be compared with the ledger.
    """

    __tablename__ = "rekognition_pending"

    event_id: Mapped[UUID]
    photo_id: Mapped[UUID | None]
    guest_id: Mapped[UUID | None]
    enrolment_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)


class RekognitionCalls(Base):
    """How many calls of one operation were sent in one month (UTC, as AWS bills)."""

    __tablename__ = "rekognition_calls"

    month: Mapped[date] = mapped_column(primary_key=True)
    operation: Mapped[str] = mapped_column(String(40), primary_key=True)
    calls: Mapped[int] = mapped_column(BigInteger, default=0)
