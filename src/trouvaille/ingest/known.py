"""Which files of a folder an event has already, so that they need not be sent.

By name, size and date somebody learns of the photos that they work with, a photographer of their own. An exact hash
says yes for everybody's, without telling which photo it is: who has the very bytes would learn the same by sending
them, and nothing else of the photo.
"""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.service import Viewer
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.images import shown_name
from trouvaille.events import rights
from trouvaille.events.rights import Right
from trouvaille.photos.models import Photo

AT_MOST = 1_000
SAME_TIME_S = 2.0
"""Times of memory cards are even."""


class File(BaseModel):
    """A file as its owner's file system has it. ``modified`` is in milliseconds since 1970."""

    name: str = Field(max_length=1000)
    size: int = Field(ge=0, le=2**62)
    modified: float | None = Field(None, ge=0, le=8.64e15)
    sha256: str | None = Field(None, pattern="^[0-9a-fA-F]{64}$")


class Question(BaseModel):
    """Files that somebody could send."""

    files: list[File] = Field(max_length=AT_MOST)


async def look_up(sessions: Sessions, viewer: Viewer, event_id: UUID, files: list[File]) -> list[dict[str, Any]]:
    """For each file ``yes``, ``maybe`` or ``no``, in order; with the photo's id where the viewer works with it.

    A photo that was deleted is not known: its file, sent again, brings it back.

    Raises:
        NoSuchEvent, Archived
    """
    async with transaction(sessions) as session:
        event = await rights.to_change(session, viewer, event_id, Right.UPLOAD)
        by = await rights.uploader_shown(session, viewer, event)
        photos = await _photos(session, event_id, files)
    return [_said(file, photos, by) for file in files]


async def _photos(session: AsyncSession, event_id: UUID, files: list[File]) -> list[Photo]:
    digests = [bytes.fromhex(file.sha256) for file in files if file.sha256]
    names = [(shown_name(file.name), file.size) for file in files if not file.sha256]
    query = select(Photo).where(
        Photo.event_id == event_id,
        Photo.deleted_at.is_(None),
        or_(Photo.sha256.in_(digests), tuple_(Photo.file_name, Photo.size_bytes).in_(names)),
    )
    return list(await session.scalars(query))


def _said(file: File, photos: list[Photo], by: UUID | None) -> dict[str, Any]:
    for photo in photos:
        is_theirs = by is None or photo.uploaded_by == by
        if file.sha256:
            if photo.sha256 == bytes.fromhex(file.sha256):
                return {"known": "yes"} | ({"photo_id": str(photo.id)} if is_theirs else {})
        elif is_theirs and _fits(file, photo):
            return {"known": "maybe", "photo_id": str(photo.id)}
    return {"known": "no"}


def _fits(file: File, photo: Photo) -> bool:
    if (photo.file_name, photo.size_bytes) != (shown_name(file.name), file.size):
        return False
    if file.modified is None or photo.modified_at is None:
        return True
    return abs(photo.modified_at.timestamp() - file.modified / 1000) <= SAME_TIME_S
