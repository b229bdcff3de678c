"""The page where cameras' clocks are set right."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from trouvaille.accounts.identity import StaffViewer
from trouvaille.core.errors import N_, Invalid, Refused
from trouvaille.events import rights
from trouvaille.events.rights import Right
from trouvaille.guests import messages
from trouvaille.photos import clocks, service
from trouvaille.photos.clocks import Camera
from trouvaille.photos.pages import Desk
from trouvaille.web import errors
from trouvaille.web.forms import Form, typed
from trouvaille.web.i18n import gettext
from trouvaille.web.render import go, page
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False, prefix="/studio/{event_id}/clocks")
FIELDS = ("how", "way", "hours", "minutes", "seconds", "photo", "at", "shift_s")


async def _desk(session: Session, viewer: StaffViewer, event_id: UUID) -> Desk:
    return await Desk.of(session, viewer, event_id)


async def _changeable(session: Session, viewer: StaffViewer, event_id: UUID) -> Desk:
    await rights.to_change(session, viewer, event_id, Right.UPLOAD)
    return await Desk.of(session, viewer, event_id)


ThisDesk = Annotated[Desk, Depends(_desk)]
ChangeableDesk = Annotated[Desk, Depends(_changeable)]


def in_words(shift_s: int) -> str:
    """An hour later; 2 d 3 h earlier; as the clock was."""
    if not shift_s:
        return gettext("As the camera said")
    rest, parts = abs(shift_s), []
    for size, sign in ((86_400, N_("d")), (3600, N_("h")), (60, N_("min")), (1, N_("s"))):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {gettext(sign)}")
    moved = N_("%(much)s later") if shift_s > 0 else N_("%(much)s earlier")
    return gettext(moved) % {"much": " ".join(parts)}


def _card(camera: Camera, form: Form) -> dict[str, object]:
    hours, rest = divmod(abs(camera.shift_s), 3600)
    proposed = {
        "way": "earlier" if camera.shift_s < 0 else "later",
        "hours": str(hours),
        "minutes": str(rest // 60),
        "seconds": str(rest % 60),
    }
    return {
        "camera": camera,
        "shift": in_words(camera.shift_s),
        "form": Form(proposed | form.values, form.errors),
        "first": camera.first + timedelta(seconds=camera.shift_s),
        "last": camera.last + timedelta(seconds=camera.shift_s),
    }


async def _page(
    request: Request, session: Session, desk: Desk, *, wrong: dict[str, Form] | None = None, status: int = 200
) -> Response:
    event, by = desk.event, desk.by
    found = await clocks.cameras(session, event, by=by)
    cards = [_card(each, (wrong or {}).get(each.key, Form())) for each in found]
    asked = request.query_params
    done = next((card for card in cards if card["camera"].key == asked.get("done")), None)  # type: ignore[attr-defined]
    return page(
        request,
        "photos/clocks.html",
        status=status,
        here=f"/studio/{event.id}/clocks",
        event=event,
        manages=by is None,
        unread=(await messages.unread(session, [event.id])).get(event.id, 0) if by is None else 0,
        cards=cards,
        done=done if not wrong else None,
        was=_number(asked.get("was", "")),
        moved=_number(asked.get("moved", "")) or 0,
        without_time=await clocks.without_time(session, event, by=by),
    )


def _number(text: str) -> int | None:
    try:
        return int(text) if len(text) <= 12 else None
    except ValueError:
        return None


@router.get("")
async def cameras_clocks(request: Request, session: Session, desk: ThisDesk) -> Response:
    return await _page(request, session, desk)


@router.post("/{key}")
async def set_clock(request: Request, session: Session, desk: ChangeableDesk, key: str) -> Response:
    camera = await clocks.camera(session, desk.event, key, by=desk.by)
    form = typed(await request.form(), *FIELDS)
    try:
        shift_s = await _shift(session, desk, camera, form)
        moved = await clocks.set_clock(session, desk.event, camera, shift_s)
    except Invalid as error:
        status = errors.status_of(error)
        return await _page(request, session, desk, wrong={key: form.refused(error)}, status=status)
    return go(f"/studio/{desk.event.id}/clocks?done={key}&was={camera.shift_s}&moved={moved}#c-{key}")


async def _shift(session: Session, desk: Desk, camera: Camera, form: Form) -> int:
    """The shift that a form asks for.

    Raises:
        Invalid
    """
    if form.value("how") == "back":
        back = _number(form.value("shift_s"))
        if back is None:
            raise Invalid
        return back
    if form.value("how") == "photo":
        return await _by_photo(session, desk, camera, form)
    parts = {}
    for name, most in (("hours", 263_520), ("minutes", 59), ("seconds", 59)):
        number = _number(form.value(name) or "0")
        if number is None or not 0 <= number <= most:
            raise Invalid(N_("Please enter a number from 0 to %(most)s."), field=name, most=most)
        parts[name] = number
    shift = timedelta(**parts)
    return round(shift.total_seconds()) * (-1 if form.value("way") == "earlier" else 1)


async def _by_photo(session: Session, desk: Desk, camera: Camera, form: Form) -> int:
    try:
        photo = await service.get(session, desk.event.id, UUID(form.value("photo")), by=desk.by)
    except (ValueError, Refused) as error:
        raise Invalid(N_("Please choose a photo."), field="photo") from error
    if (photo.uploaded_by, photo.camera, photo.body) != (camera.staff_id, camera.name, camera.body):
        raise Invalid(N_("Please choose a photo."), field="photo")
    try:
        at = datetime.fromisoformat(form.value("at"))
        if at.tzinfo is not None or photo.taken_at is None:
            raise ValueError
        return clocks.shift_to(desk.event, photo, at)
    except (ValueError, OverflowError) as error:
        raise Invalid(N_("Please enter the day and the time."), field="at") from error
