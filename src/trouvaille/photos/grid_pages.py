"""The desk's grid as its script asks for it: light rows in their order, and what changed since.

A row is a list, since ten thousand of them go to a phone: id, file name, marks, faces, width and height in pixels,
moment, problem. The marks are letters (``MARKS``), none for a photo that is ready and shown to all; the moment is the
one that photos are ordered by, in microseconds; the problem is why a photo could not be read, or null.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from trouvaille.photos import changes, listing
from trouvaille.photos.listing import Sort
from trouvaille.photos.models import Photo, PhotoState, Standing
from trouvaille.photos.pages import ThisDesk, ThisFilter
from trouvaille.photos.reasons import reason_for
from trouvaille.web.i18n import gettext
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False, prefix="/studio/{event_id}/photos")
ROWS = 1_000
MARKS = {
    "w": "waiting",
    "f": "failed",
    "h": "held",
    "x": "hidden",
    "g": "not in the general gallery",
    "d": "in the bin",
}
_STATES = {PhotoState.WAITING: "w", PhotoState.FAILED: "f", PhotoState.READY: ""}
_STANDINGS = {Standing.HELD: "h", Standing.HIDDEN: "x", Standing.SHOWN: ""}
_START = datetime(1970, 1, 1, tzinfo=UTC)


def _microseconds(moment: datetime) -> int:
    passed = moment - _START
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def _row(photo: Photo, sort: Sort) -> list[Any]:
    marks = f"{_STATES[photo.state]}{_STANDINGS[photo.standing]}"
    marks += ("" if photo.in_general else "g") + ("d" if photo.deleted_at else "")
    moment = _microseconds(photo.created_at if sort is Sort.ADDED else photo.shown_at)
    problem = gettext(reason_for(photo.reason)) if photo.state is PhotoState.FAILED else None
    return [str(photo.id), photo.file_name, marks, photo.faces, photo.width_px, photo.height_px, moment, problem]


@router.get("")
async def rows(session: Session, desk: ThisDesk, wish: ThisFilter, after: UUID | None = None) -> JSONResponse:
    """Some photos in their order; ``next`` is what to give as ``after`` for those that follow."""
    wanted = wish.wanted(desk)
    seen = await changes.present(session)
    found = await listing.page_of(session, wanted, wish.sort, limit=ROWS, after=after)
    following = str(found.next_after) if found.next_after else None
    return JSONResponse(
        {"rows": [_row(photo, wish.sort) for photo in found.photos], "next": following, "seen": str(seen)}
    )


@router.get("/changes")
async def changed(session: Session, desk: ThisDesk, wish: ThisFilter, seen: int) -> JSONResponse:
    """What changed since ``seen``: ``rows`` that fit, the ids of ``others``, and how many each part has now."""
    wanted = wish.wanted(desk)
    found = await changes.since(session, wanted, seen)
    return JSONResponse(
        {
            "rows": [_row(photo, wish.sort) for photo in found.fitting],
            "others": [str(each) for each in found.others],
            "seen": str(found.seen),
            "anew": found.too_many,
            "tally": await listing.tally(session, wanted),
        }
    )
