"""Being looked for by hand: the guest's word about a photo, and the organiser's page with the photos around it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from trouvaille.core.errors import Refused
from trouvaille.delivery import access, nearby
from trouvaille.delivery.keepsakes import ids_in
from trouvaille.delivery.models import Near
from trouvaille.delivery.pages import GuestViewer, ThisEvent
from trouvaille.delivery.request_pages import Managed, ask_page
from trouvaille.guests import messages
from trouvaille.guests.models import Guest
from trouvaille.web.errors import status_of
from trouvaille.web.forms import typed
from trouvaille.web.render import go, page, wants_json
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False)


@router.post("/e/{code}/photos/{photo_id}/near")
async def near(request: Request, session: Session, event: ThisEvent, guest: GuestViewer, photo_id: UUID) -> Response:
    form = typed(await request.form(), "near")
    seen = await access.one_photo(session, event, guest, photo_id)
    try:
        if seen.is_mine:
            raise nearby.AlreadyTheirs
        await nearby.ask(session, guest.id, seen.photo, form.value("near"))
    except Refused as error:
        if wants_json(request):
            raise
        return await ask_page(request, session, event, guest, photo_id, form.refused(error), status_of(error))
    if wants_json(request):
        return Response(status_code=204)
    return go(f"/e/{event.code}/photos/{photo_id}/ask?done=near")


async def _asked(session: Session, event: Managed, near_id: UUID) -> tuple[Near, Guest]:
    return await nearby.get(session, event.id, near_id)


Asked = Annotated[tuple[Near, Guest], Depends(_asked)]


@router.get("/studio/{event_id}/requests/near/{near_id}")
async def look_around(request: Request, session: Session, event: Managed, asked: Asked) -> Response:
    wish, guest = asked
    photos = await nearby.around(session, wish)
    return page(
        request,
        "delivery/near.html",
        event=event,
        wish=wish,
        guest=guest,
        photos=photos,
        unread=(await messages.unread(session, [event.id])).get(event.id, 0),
    )


@router.post("/studio/{event_id}/requests/near/{near_id}")
async def answer(request: Request, session: Session, event: Managed, asked: Asked) -> Response:
    wish, _ = asked
    chosen = ids_in(",".join(str(each) for each in (await request.form()).getlist("photo")))
    await nearby.answer(session, wish, chosen)
    return go(f"/studio/{event.id}/requests")
