"""Tables of the cameras slice."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.clock import now
from trouvaille.core.db import Base, Identified


class CameraCredential(Identified, Base):
    """The name and password under which the cameras of one photographer send photos to one event."""

    __tablename__ = "camera_credentials"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    user_name: Mapped[str] = mapped_column(String(20), unique=True)
    # A keyed fingerprint of the password: the database alone can't tell it.
    secret_print: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[datetime] = mapped_column(default=now)
    last_used_at: Mapped[datetime | None]

    __table_args__ = (Index("uq_camera_credentials", "event_id", "staff_id", unique=True),)
