"""Faces that others don't see: a guest asks, the organiser agrees, a worker makes renditions without them.

From the moment that those are there, nobody else gets the photo as it is, nor its original. Until then it stays as it
was, and it never goes back to plain by itself: new renditions replace older ones only once they are made.
"""

import hashlib
from uuid import UUID

from sqlalchemy import delete as delete_rows
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.accounts.service import Viewer
from trouvaille.core import live
from trouvaille.core.clock import now
from trouvaille.core.errors import N_, Conflict, NotFound
from trouvaille.core.jobs import PHOTOS, defer
from trouvaille.delivery.models import Veil, VeiledPhoto, VeilState
from trouvaille.photos.models import Photo

VEIL_JOB = "delivery.veil_photo"
VEIL_PRIORITY = 2
"""Above photos that come in: somebody waits for it."""


class NotFoundInPhoto(Conflict):
    """No face of the guest is known in this photo."""

    message = N_("We don’t know which face in this photo is yours.")


def for_guest(veiled: VeiledPhoto | None, guest_id: UUID | None) -> str | None:
    """The version of the renditions that somebody gets instead of the plain ones; None for the plain ones.

    Only who is the one face hidden sees the photo as it is; where several are hidden, each would see the others.
    """
    if veiled is None:
        return None
    return version_for_guest(veiled.version, veiled.guest_ids, veiled.faces, guest_id)


def version_for_guest(version: str, guest_ids: list[UUID], faces: int, guest_id: UUID | None) -> str | None:
    """``for_guest`` of the columns of a veiled photo."""
    alone = guest_id is not None and faces == 1 and guest_ids == [guest_id]
    return None if alone else version


async def version_for(session: AsyncSession, viewer: Viewer | None, photo: Photo, *, plain: bool) -> str | None:
    """``for_guest`` of one photo. ``plain``: the viewer works with it, as staff do."""
    if plain:
        return None
    return for_guest(await session.get(VeiledPhoto, photo.id), viewer.id if viewer is not None else None)


async def ask(session: AsyncSession, guest_id: UUID, photo: Photo, box_xyxy: list[float] | None) -> None:
    """Note that a guest wants their face hidden; asking again after a refusal changes nothing.

    Raises:
        NotFoundInPhoto
    """
    if box_xyxy is None:
        raise NotFoundInPhoto
    row = {"event_id": photo.event_id, "photo_id": photo.id, "guest_id": guest_id, "box_xyxy": box_xyxy}
    await session.execute(insert(Veil).values(row).on_conflict_do_nothing())
    await live.publish(session, f"event:{photo.event_id}", "requests")


async def take_back(session: AsyncSession, guest_id: UUID, photo: Photo) -> None:
    """Let others see the guest's face again."""
    gone = await session.execute(
        delete_rows(Veil).where(Veil.guest_id == guest_id, Veil.photo_id == photo.id).returning(Veil.state)
    )
    if VeilState.AGREED in gone.scalars().all():
        await ask_for_renditions(session, photo.event_id, photo.id)


async def decide(session: AsyncSession, event_id: UUID, veil_id: UUID, *, agree: bool) -> None:
    """Say whether a face is to be hidden; the last word counts.

    Raises:
        NotFound
    """
    state = VeilState.AGREED if agree else VeilState.DECLINED
    changed = await session.execute(
        update(Veil)
        .where(Veil.id == veil_id, Veil.event_id == event_id)
        .values(state=state, decided_at=now())
        .returning(Veil.photo_id)
    )
    photo_id = changed.scalar()
    if photo_id is None:
        raise NotFound
    await ask_for_renditions(session, event_id, photo_id)


async def ask_for_renditions(session: AsyncSession, event_id: UUID, photo_id: UUID) -> None:
    """Have the renditions of a photo made anew, without the faces that are to be hidden now."""
    await defer(
        session,
        VEIL_JOB,
        queue=PHOTOS,
        lock=f"veil:{photo_id}",
        priority=VEIL_PRIORITY,
        photo_id=photo_id,
        event_id=event_id,
    )


async def agreed(session: AsyncSession, photo_id: UUID) -> list[Veil]:
    """The faces that are to be hidden in a photo, in a fixed order."""
    query = select(Veil).where(Veil.photo_id == photo_id, Veil.state == VeilState.AGREED).order_by(Veil.id)
    return list(await session.scalars(query))


def version_of(veils: list[Veil], photo: Photo) -> str:
    """A name for the renditions in which exactly these faces are hidden, made of the view that the photo has now."""
    faces = b"".join(veil.id.bytes for veil in veils)
    return hashlib.sha256(faces + photo.renditions["view"]["file"].encode()).hexdigest()[:32]


async def put_in_force(session: AsyncSession, photo: Photo, veils: list[Veil], version: str | None) -> None:
    """Show the renditions that were made for these faces from now on; the plain ones when there are none."""
    if version is not None:
        row = {
            "version": version,
            "guest_ids": [veil.guest_id for veil in veils if veil.guest_id is not None],
            "faces": len(veils),
            "made_at": now(),
        }
        new = insert(VeiledPhoto).values(photo_id=photo.id, **row)
        await session.execute(new.on_conflict_do_update(index_elements=[VeiledPhoto.photo_id], set_=row))
    else:
        await session.execute(delete_rows(VeiledPhoto).where(VeiledPhoto.photo_id == photo.id))
    await live.publish(session, f"event:{photo.event_id}")
