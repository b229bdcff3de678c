"""Tables of the ingest slice."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.clock import now
from trouvaille.core.db import Base, Identified, words
from trouvaille.photos.models import Source


class Outcome(StrEnum):
    """What became of a file that arrived whole."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"


class Upload(Identified, Base):
    """A file that somebody is sending, or sent lately. The photo that it becomes has the same id.

    The row says who may touch the file and what it is to be; how much of it is there, only the file itself knows.
    """

    __tablename__ = "uploads"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), index=True)
    uploaded_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    # The staging folder that holds the file: another machine has another one.
    folder_id: Mapped[UUID]
    file_name: Mapped[str | None] = mapped_column(String(255))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    # As the sender's file system had it.
    modified_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # As the sender said; None where they said nothing.
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    source: Mapped[Source] = mapped_column(words(Source), default=Source.BROWSER)
    created_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]
    outcome: Mapped[Outcome | None] = mapped_column(words(Outcome))
    # No foreign key: what was answered stays answered when the photo is deleted.
    photo_id: Mapped[UUID | None]

    __table_args__ = (Index("ix_uploads_folder", "folder_id", "finished_at", "created_at"),)
