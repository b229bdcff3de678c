"""Pages for administrators: the audit log, and links for people who forgot their password where no mail is sent."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from trouvaille.accounts import audit, links
from trouvaille.accounts.audit import Act
from trouvaille.accounts.identity import Administrator
from trouvaille.accounts.pages import label_of
from trouvaille.core.errors import N_, Invalid, Refused
from trouvaille.web.errors import status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import page
from trouvaille.web.site import Session, address_of

router = APIRouter(include_in_schema=False, prefix="/server")


@router.get("/audit")
async def audit_log(
    request: Request,
    session: Session,
    viewer: Administrator,
    act: str = "",
    about: Annotated[str, Query(max_length=100)] = "",
    after: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    form, wanted = Form({"act": act if act in set(Act) else "", "about": about}), None
    if about.strip():
        try:
            wanted = UUID(about.strip())
        except ValueError:
            wrong = Invalid(N_("This is no id. Copy one from a line below."), field="about")
            form = form.refused(wrong)
    shown = await audit.entries(session, act=form.value("act"), about=wanted, cursor=after)
    return page(
        request,
        "accounts/audit.html",
        status=422 if form.errors else 200,
        entries=shown.items,
        next_cursor=shown.cursor,
        labels=audit.LABELS,
        acts=list(audit.LABELS.items()),
        form=form,
    )


def _links(
    request: Request,
    form: Form,
    *,
    status: int = 200,
    link: str | None = None,
    accounts: Sequence[tuple[str, str]] = (),
) -> Response:
    return page(
        request,
        "accounts/reset_link.html",
        status=status,
        here="/server/reset-link",
        form=form,
        link=link,
        accounts=accounts,
    )


@router.get("/reset-link")
async def link_form(request: Request, viewer: Administrator) -> Response:
    return _links(request, Form())


@router.post("/reset-link")
async def make_link(request: Request, session: Session, viewer: Administrator) -> Response:
    form = typed(await request.form(), "email")
    try:
        token, subjects = await links.make_reset(session, form.value("email"), by=viewer)
    except Refused as error:
        return _links(request, form.refused(error), status=status_of(error))
    accounts = [(label_of(who), who.display_name) for who in subjects]
    return _links(request, Form(), link=f"{address_of(request)}/reset/{token}", accounts=accounts)
