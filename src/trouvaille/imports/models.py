"""Tables of the imports slice."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.clock import now
from trouvaille.core.db import Base, Identified, words


class Kind(StrEnum):
    """Where files are brought in from."""

    FOLDER = "folder"
    ARCHIVE = "archive"
    REMOTE = "remote"


class ImportState(StrEnum):
    """How far an import is."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


UNFINISHED = (ImportState.WAITING, ImportState.RUNNING, ImportState.PAUSED)


class FileState(StrEnum):
    """What became of one file."""

    WAITING = "waiting"
    ADDED = "added"
    KNOWN = "known"
    REFUSED = "refused"
    LEFT_OUT = "left_out"
    """It does not look like a photo by its name, and was never opened."""


class Import(Identified, Base):
    """One source of files that becomes photos of an event, file by file."""

    __tablename__ = "imports"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    started_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id", ondelete="SET NULL"), index=True)
    kind: Mapped[Kind] = mapped_column(words(Kind))
    # As people know it: a path, a file's name, an address. Never a secret.
    title: Mapped[str] = mapped_column(String(400))
    # Where it is and how to get in, sealed; gone when the import ends.
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[ImportState] = mapped_column(words(ImportState), default=ImportState.WAITING)
    # Why it failed or waits: a sentence of the catalogue.
    reason: Mapped[str | None] = mapped_column(String(400))
    # When all of its files were known by name.
    listed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    # When somebody last worked on it.
    touched_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_imports_event", event_id, created_at),
        Index("ix_imports_unfinished", touched_at, postgresql_where=text("state IN ('waiting', 'running')")),
    )

    @property
    def archive_key(self) -> str:
        """Where a ZIP lies in the store that somebody sent."""
        return f"events/{self.event_id}/imports/{self.id}"


class ImportFile(Base):
    """One file of an import. ``place`` is its number in the order in which they are taken."""

    __tablename__ = "import_files"

    import_id: Mapped[UUID] = mapped_column(ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(1000))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    modified_at: Mapped[datetime | None]
    state: Mapped[FileState] = mapped_column(words(FileState), default=FileState.WAITING)
    # Why it was refused: a sentence of the catalogue, and what fills its places.
    reason: Mapped[str | None] = mapped_column(String(400))
    params: Mapped[dict[str, Any] | None] = mapped_column(JSON)

    __table_args__ = (Index("ix_import_files_state", import_id, state, place),)
