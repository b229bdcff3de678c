"""All that guests have asked about photos of an event as one list, page by page."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import REAL, Select, String, cast, literal, null, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.paging import Key, Slice, slice_of
from trouvaille.delivery.models import Near, NearState, Report, ReportState, Veil, VeiledPhoto, VeilState
from trouvaille.guests.models import Guest
from trouvaille.photos.models import Photo

OPEN = {ReportState.OPEN.value, VeilState.ASKED.value, NearState.OPEN.value}


class Kind(StrEnum):
    """What a guest asks for."""

    REPORT = "report"
    """That somebody looks at a photo."""
    VEIL = "veil"
    """That others don't see their face in it."""
    NEAR = "near"
    """That somebody looks for them in the photos around it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Something that a guest asked. ``guest_id`` and ``guest`` are None for whoever has left, ``reason`` is a word of
    ``Reason`` for reports alone; ``in_force``: others don't see the face by now."""

    kind: Kind
    id: UUID
    photo_id: UUID
    guest_id: UUID | None
    reason: str | None
    text: str
    state: str
    box_xyxy: list[float] | None
    created_at: datetime
    decided_at: datetime | None
    file_name: str
    guest: str | None
    in_force: bool

    @property
    def is_open(self) -> bool:
        """Whether nobody has decided yet."""
        return self.state in OPEN


def _of(table: type[Report | Veil | Near], kind: Kind, event_id: UUID) -> Select[*tuple[Any, ...]]:
    reason = cast(Report.reason, String) if table is Report else cast(null(), String)
    box = Veil.box_xyxy if table is Veil else cast(null(), ARRAY(REAL))
    text = literal("") if table is Veil else table.text  # type: ignore[union-attr]
    return select(
        literal(kind.value).label("kind"),
        table.id.label("id"),
        table.photo_id.label("photo_id"),
        table.guest_id.label("guest_id"),
        reason.label("reason"),
        text.label("text"),
        cast(table.state, String).label("state"),
        box.label("box_xyxy"),
        table.created_at.label("created_at"),
        table.decided_at.label("decided_at"),
    ).where(table.event_id == event_id)


async def slice_of_event(
    session: AsyncSession, event_id: UUID, *, kind: Kind | None, only_open: bool, limit: int, cursor: str
) -> Slice[Wish]:
    """Some of what guests have asked, the newest first; what is about deleted photos is left out.

    Args:
        kind: None for all.
        only_open: those that nobody has decided yet.

    Raises:
        NoCursor
    """
    tables: dict[Kind, type[Report | Veil | Near]] = {Kind.REPORT: Report, Kind.VEIL: Veil, Kind.NEAR: Near}
    wanted = [_of(table, each, event_id) for each, table in tables.items() if kind in (None, each)]
    asked = union_all(*wanted).subquery("asked")
    in_force = VeiledPhoto.photo_id.is_not(None) & (asked.c.kind == Kind.VEIL.value)
    query = (
        select(*asked.c, Photo.file_name, Guest.display_name, in_force)
        .join(Photo, Photo.id == asked.c.photo_id)
        .outerjoin(Guest, Guest.id == asked.c.guest_id)
        .outerjoin(VeiledPhoto, VeiledPhoto.photo_id == asked.c.photo_id)
        .where(Photo.deleted_at.is_(None))
    )
    if only_open:
        query = query.where(asked.c.state.in_(OPEN))
    keys = (Key(asked.c.created_at, datetime), Key(asked.c.id, UUID))
    shown = await slice_of(session, query, keys, limit=limit, cursor=cursor, newest_first=True)
    return Slice([Wish(Kind(row[0]), *row[1:]) for row in shown.items], shown.cursor)
