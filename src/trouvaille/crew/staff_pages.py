"""Administrators' page of the staff: who there is, inviting organisers, roles, and deleting somebody."""

from functools import partial
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from trouvaille.accounts.identity import Administrator
from trouvaille.accounts.models import Role
from trouvaille.accounts.service import problems_of
from trouvaille.core.errors import N_, Invalid, InvalidForm, NotFound, Refused
from trouvaille.crew import invitations, inviting, service
from trouvaille.crew.inviting import Sent
from trouvaille.crew.service import Estate, Will
from trouvaille.events.models import Event
from trouvaille.web.errors import retry_headers, status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go, page
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False, prefix="/server/staff")


async def _list(
    request: Request, session: Session, form: Form, *, error: Refused | None = None, sent: Sent | None = None
) -> Response:
    shown = page(
        request,
        "crew/staff.html",
        status=status_of(error) if error else 200,
        here="/server/staff",
        members=await service.members(session),
        roles=[(role.value, label) for role, label in service.ROLES.items()],
        invitations=await invitations.standing(session, None),
        form=form,
        sent=sent,
        done=request.query_params.get("done"),
    )
    shown.headers.update(retry_headers(error) if error else {})
    return shown


@router.get("")
async def staff(request: Request, session: Session, viewer: Administrator) -> Response:
    return await _list(request, session, Form())


@router.post("/invite")
async def invite(request: Request, session: Session, viewer: Administrator) -> Response:
    form = typed(await request.form(), "email")
    try:
        sent = await inviting.send(request, session, None, email=form.value("email"), by=viewer)
    except Refused as error:
        return await _list(request, session, form.refused(error), error=error)
    return await _list(request, session, Form(), sent=sent)


@router.post("/invitations/{invitation_id}/revoke")
async def revoke(session: Session, viewer: Administrator, invitation_id: UUID) -> Response:
    removed = await invitations.revoke(session, invitation_id, None, by=viewer)
    return go(f"/server/staff?done=revoked&undo={removed}")


@router.post("/{staff_id}/role")
async def change_role(request: Request, session: Session, viewer: Administrator, staff_id: UUID) -> Response:
    form = typed(await request.form(), "role")
    if form.value("role") not in set(Role):
        raise Invalid(field="role")
    try:
        await service.change_role(session, staff_id, Role(form.value("role")), by=viewer)
    except NotFound:
        raise
    except Refused as error:
        return await _list(request, session, form.refused(error), error=error)
    stays = staff_id != viewer.id or form.value("role") == Role.ADMINISTRATOR
    return go("/server/staff?done=role" if stays else "/studio")


def _leaving(request: Request, estate: Estate, form: Form, *, error: Refused | None = None) -> Response:
    return page(
        request,
        "crew/leaving.html",
        status=status_of(error) if error else 200,
        here=f"/server/staff/{estate.staff.id}/delete",
        estate=estate,
        form=form,
    )


@router.get("/{staff_id}/delete")
async def leaving(request: Request, session: Session, viewer: Administrator, staff_id: UUID) -> Response:
    return _leaving(request, await service.estate_of(session, staff_id), Form({"uploads": "keep"}))


@router.post("/{staff_id}/delete")
async def delete(request: Request, session: Session, viewer: Administrator, staff_id: UUID) -> Response:
    estate = await service.estate_of(session, staff_id)
    fields = [f"{kind}-{event.id}" for event, _, _ in estate.events for kind in ("event", "name")]
    posted = await request.form()
    form = typed(posted, "uploads", "confirm", *fields)
    seen = {name for name in posted if name.startswith("event-")}
    try:
        if seen != {f"event-{event.id}" for event, _, _ in estate.events}:
            raise service.Changed
        await service.remove(session, staff_id, _will(estate, form), by=viewer)
    except Refused as error:
        present = await service.estate_of(session, staff_id)
        return _leaving(request, present, form.refused(error), error=error)
    return go("/" if staff_id == viewer.id else "/server/staff?done=deleted")


def _will(estate: Estate, form: Form) -> Will:
    """What was decided of somebody's events and photos.

    Raises:
        InvalidForm: something is left open, or a name to confirm by is another.
    """
    own = [event for event, _, _ in estate.events]
    problems = problems_of(
        *(partial(_heir, estate, form, event) for event in own),
        lambda: _check_uploads(estate, form),
        lambda: _check_confirmed(estate, form),
    )
    if problems:
        raise InvalidForm(*problems)
    return Will({event.id: _heir(estate, form, event) for event in own}, form.value("uploads") == "delete")


def _heir(estate: Estate, form: Form, event: Event) -> UUID | None:
    wish = form.value(f"event-{event.id}")
    if wish == "delete":
        service.check_name(event, form.value(f"name-{event.id}"), field=f"name-{event.id}")
        return None
    heir = next((heir.id for heir in estate.heirs if str(heir.id) == wish), None)
    if heir is None:
        raise Invalid(N_("Please decide."), field=f"event-{event.id}")
    return heir


def _check_uploads(estate: Estate, form: Form) -> None:
    if estate.uploads and form.value("uploads") not in ("keep", "delete"):
        raise Invalid(N_("Please decide."), field="uploads")


def _check_confirmed(estate: Estate, form: Form) -> None:
    if form.value("confirm").strip().lower() != estate.staff.email.lower():
        raise Invalid(N_("Type their e-mail address exactly to confirm."), field="confirm")
