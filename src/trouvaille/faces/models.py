"""Tables of the faces slice."""

from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import REAL, ForeignKey, Index, String
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from trouvaille.core.db import Base


class Face(Base):
    """A face in a photo. The table is partitioned by event: a search reads one partition from end to end."""

    __tablename__ = "faces"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    photo_id: Mapped[UUID] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"))
    # Left, top, right, bottom as fractions of the upright photo.
    box_xyxy: Mapped[list[float]] = mapped_column(ARRAY(REAL))
    score: Mapped[float] = mapped_column(REAL)
    quality: Mapped[float] = mapped_column(REAL)
    # Unit length; its size is the engine's. NULL where the engine keeps templates itself and knows the face by its id.
    template: Mapped[NDArray[np.float32] | None] = mapped_column(HALFVEC())
    # The template averaged with those of the same person in other photos; NULL until the event has been settled.
    refined: Mapped[NDArray[np.float32] | None] = mapped_column(HALFVEC())
    engine: Mapped[str] = mapped_column(String(120))

    __table_args__ = (
        Index("ix_faces_photo_id", "photo_id"),
        {"postgresql_partition_by": "LIST (event_id)"},
    )
