"""Selfies of guests: sent, looked at by a worker, accepted or refused, and erased."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import live
from trouvaille.core.clock import now
from trouvaille.core.erase import erase
from trouvaille.core.errors import N_, Conflict, Invalid, NotFound
from trouvaille.core.jobs import SELFIES, defer, unfinished
from trouvaille.core.secrets import Vault
from trouvaille.core.storage import Storage
from trouvaille.events.models import Event
from trouvaille.guests.consent import ConsentNeeded, agrees
from trouvaille.guests.models import PUT_OFF, Enrolment, EnrolmentState, Guest
from trouvaille.guests.queueing import TOPIC

ENROL_JOB = "matching.enrol"


class FacesOff(Conflict):
    """The organiser has not switched face finding on."""

    message = N_("Face finding is not switched on for this event.")


async def latest_enrolment(session: AsyncSession, guest: Guest) -> Enrolment | None:
    """The newest selfie, whatever became of it."""
    return await session.scalar(
        select(Enrolment).where(Enrolment.guest_id == guest.id).order_by(Enrolment.created_at.desc()).limit(1)
    )


async def accepted_enrolment(session: AsyncSession, guest_id: UUID) -> Enrolment | None:
    """The selfie that finds photos now."""
    return await session.scalar(
        select(Enrolment).where(Enrolment.guest_id == guest_id, Enrolment.state == EnrolmentState.ACCEPTED)
    )


async def check_may_send(session: AsyncSession, event: Event, guest: Guest) -> None:
    """Whether a selfie of this guest may be taken.

    Raises:
        FacesOff, ConsentNeeded
    """
    if not event.faces_on:
        raise FacesOff
    if not await agrees(session, guest.id):
        raise ConsentNeeded


async def hold(session: AsyncSession, guest: Guest) -> None:
    """Let sending a selfie and withdrawing consent happen one after the other."""
    await session.execute(select(Guest.id).where(Guest.id == guest.id).with_for_update(key_share=True))


async def submit_selfie(
    session: AsyncSession, storage: Storage, event: Event, guest: Guest, sealed: Sequence[bytes]
) -> Enrolment:
    """Keep a selfie and ask a worker to look at it. An older accepted one stays until this one is accepted.

    Args:
        sealed: one to four pictures of one moment, as the vault sealed them.

    Raises:
        FacesOff, ConsentNeeded
        Unavailable: the store is full or away.
    """
    await hold(session, guest)
    await check_may_send(session, event, guest)
    enrolment = Enrolment(event_id=event.id, guest_id=guest.id)
    session.add(enrolment)
    await session.flush()
    try:
        for number, picture in enumerate(sealed):
            await storage.put(enrolment.frame_key(number), picture)
        await _ask_to_look(session, enrolment)
    except BaseException:
        # The row goes with the transaction; nothing would ever lead to the pictures again.
        await storage.delete_under(enrolment.folder)
        raise
    return enrolment


async def _ask_to_look(session: AsyncSession, enrolment: Enrolment) -> None:
    await defer(
        session,
        ENROL_JOB,
        queue=SELFIES,
        lock=f"guest:{enrolment.guest_id}",
        enrolment_id=enrolment.id,
        guest_id=enrolment.guest_id,
        event_id=enrolment.event_id,
    )


async def frames_of(storage: Storage, enrolment: Enrolment) -> list[bytes]:
    """The sealed pictures of a selfie, the best first.

    Raises:
        NotFound: there are none any more.
    """
    numbers = sorted(
        int(name) for key in await storage.keys_under(enrolment.folder) if (name := key.rsplit("/", 1)[1]).isdigit()
    )
    if not numbers:
        raise NotFound
    return [await storage.get(enrolment.frame_key(number)) for number in numbers]


async def keep_frames(storage: Storage, enrolment: Enrolment, sealed: Sequence[bytes]) -> None:
    """Keep these pictures of a selfie, the best first, and no others."""
    for number, picture in enumerate(sealed):
        await storage.put(enrolment.frame_key(number), picture)
    kept = {enrolment.frame_key(number) for number in range(len(sealed))} | {enrolment.choice_key}
    await storage.delete([key for key in await storage.keys_under(enrolment.folder) if key not in kept])


async def ask_who(
    session: AsyncSession,
    enrolment: Enrolment,
    *,
    size_wh: tuple[int, int],
    boxes_xyxy: Sequence[tuple[float, float, float, float]],
) -> None:
    """Have the guest say which face is theirs. The picture lies in the store already.

    Args:
        size_wh: of the picture, pixels.
        boxes_xyxy: the faces in question, from left to right, as fractions of the picture.
    """
    enrolment.state = EnrolmentState.CHOOSING
    enrolment.candidates = {"size_wh": list(size_wh), "boxes_xyxy": [list(box) for box in boxes_xyxy]}
    await session.flush()
    await tell(session, enrolment)


async def choose(session: AsyncSession, guest: Guest, face: int) -> None:
    """The guest says which face is theirs; a worker looks at the selfie again. Saying it twice changes nothing.

    Args:
        face: its place among the candidates.

    Raises:
        ConsentNeeded: withdrawn meanwhile.
        Invalid: there is no such face.
    """
    await hold(session, guest)
    if not await agrees(session, guest.id):
        raise ConsentNeeded
    enrolment = await latest_enrolment(session, guest)
    if enrolment is None or enrolment.state is not EnrolmentState.CHOOSING or enrolment.candidates is None:
        return
    if not 0 <= face < len(enrolment.candidates["boxes_xyxy"]):
        raise Invalid(N_("Choose one of the faces."), field="face")
    enrolment.state, enrolment.chosen = EnrolmentState.WAITING, face
    await session.flush()
    await _ask_to_look(session, enrolment)


async def choice_picture(session: AsyncSession, storage: Storage, vault: Vault, guest: Guest) -> bytes:
    """The picture in which the guest has to say which face is theirs, JPEG.

    Raises:
        NotFound: nothing is asked.
    """
    enrolment = await latest_enrolment(session, guest)
    if enrolment is None or enrolment.state is not EnrolmentState.CHOOSING:
        raise NotFound
    return vault.unseal(await storage.get(enrolment.choice_key))


async def forget_undecided(session: AsyncSession, *, older_than_s: float = 24 * 3600) -> int:
    """Erase selfies whose guest did not say which face is theirs; returns how many."""
    undecided = await session.scalars(
        select(Enrolment)
        .where(
            Enrolment.state == EnrolmentState.CHOOSING,
            Enrolment.created_at < now() - timedelta(seconds=older_than_s),
        )
        .limit(500)
        .with_for_update(skip_locked=True)
    )
    rows = list(undecided)
    for enrolment in rows:
        await refuse(session, enrolment, "several_faces")
    return len(rows)


async def put_off(session: AsyncSession, enrolment: Enrolment) -> None:
    """Leave a selfie waiting, and tell its guest that nothing is lost; ``resume_put_off`` goes on with it."""
    enrolment.reason = PUT_OFF
    await session.flush()
    await tell(session, enrolment)


async def resume_put_off(session: AsyncSession, *, most: int) -> int:
    """Ask again for selfies whose face could not be looked for when their turn came; returns for how many."""
    query = select(Enrolment).where(Enrolment.state == EnrolmentState.WAITING, Enrolment.reason == PUT_OFF)
    waiting = list(await session.scalars(query.order_by(Enrolment.created_at).limit(most)))
    busy = await unfinished(session, ENROL_JOB, key="enrolment_id", values=[each.id for each in waiting])
    left = [each for each in waiting if each.id not in busy]
    for enrolment in left:
        await _ask_to_look(session, enrolment)
    return len(left)


async def refuse(session: AsyncSession, enrolment: Enrolment, reason: str) -> None:
    """Turn a selfie down, erase it and tell the open page."""
    enrolment.state = EnrolmentState.REFUSED
    enrolment.reason = reason
    enrolment.decided_at = now()
    await session.flush()
    await erase(session, prefix=enrolment.folder)
    await tell(session, enrolment)


async def tell(session: AsyncSession, enrolment: Enrolment) -> None:
    """Tell the guest's open pages what became of a selfie."""
    await live.publish(session, f"guest:{enrolment.guest_id}", "enrolment", state=enrolment.state.value)
    await live.publish(session, TOPIC, live.PLACE)  # everybody behind it moves up


async def forget_other_enrolments(session: AsyncSession, keep: Enrolment) -> None:
    """Remove every other decided selfie of this guest, so that exactly one finds photos."""
    rows = await session.scalars(
        select(Enrolment).where(
            Enrolment.guest_id == keep.guest_id,
            Enrolment.id != keep.id,
            or_(
                Enrolment.state.in_((EnrolmentState.ACCEPTED, EnrolmentState.REFUSED)),
                Enrolment.created_at < keep.created_at,
            ),
        )
    )
    await remove(session, list(rows))


async def remove(session: AsyncSession, enrolments: Sequence[Enrolment]) -> None:
    """Remove selfies and everything of them."""
    if enrolments:
        await session.execute(delete(Enrolment).where(Enrolment.id.in_([enrolment.id for enrolment in enrolments])))
        for enrolment in enrolments:
            await erase(session, prefix=enrolment.folder)


async def selfie_of(session: AsyncSession, storage: Storage, vault: Vault, guest: Guest) -> bytes:
    """The guest's own accepted selfie, JPEG.

    Raises:
        NotFound: there is none.
    """
    enrolment = await accepted_enrolment(session, guest.id)
    if enrolment is None:
        raise NotFound
    return vault.unseal((await frames_of(storage, enrolment))[0])
