"""Tables of the crew slice."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.accounts.models import Role
from trouvaille.core.clock import now
from trouvaille.core.db import Base, Identified, words


class Invitation(Identified, Base):
    """A way to become a member of staff, good for one person. The token itself is only in the link.

    It makes an organiser, or, where ``event_id`` is set, a photographer of that event.
    """

    __tablename__ = "invitations"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    role: Mapped[Role] = mapped_column(words(Role))
    event_id: Mapped[UUID | None] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), index=True)
    invited_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    # Where the link was sent; None for one that was handed over, which proves nothing about a mailbox.
    email: Mapped[str | None] = mapped_column(String(254))
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
