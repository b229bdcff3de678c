"""Tables of the imports slice."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.clock import now
from trouvaille.core.db import Base, Identified, words


class ImportState(StrEnum):
    """How far an import is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Outcome(StrEnum):
    """What became of one file."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


class Import(Identified, Base):
    """A folder of the server whose photos are taken into an event."""

    __tablename__ = "imports"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    started_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id", ondelete="SET NULL"), index=True)
    # The folder that the settings allow, and what was chosen below it.
    root: Mapped[str] = mapped_column(Text)
    folder: Mapped[str] = mapped_column(Text)
    state: Mapped[ImportState] = mapped_column(words(ImportState), default=ImportState.WAITING)
    # Why it failed as a whole, in English; a key of the translation catalogue.
    reason: Mapped[str | None] = mapped_column(Text)
    # How many there are; None until they were counted.
    files: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_imports_event", event_id, created_at),)


class ImportResult(Base):
    """What became of one file of an import; a run that begins again skips what has one."""

    __tablename__ = "import_results"

    import_id: Mapped[UUID] = mapped_column(ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    outcome: Mapped[Outcome] = mapped_column(words(Outcome))
    reason: Mapped[str | None] = mapped_column(Text)
    params: Mapped[dict[str, Any] | None] = mapped_column(JSON)
