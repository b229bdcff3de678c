"""Pages around links that came by mail: a new password, and a confirmed address."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from trouvaille.accounts import identity, letters, links, own
from trouvaille.accounts.identity import MaybeViewer, ThesePasswords
from trouvaille.accounts.models import Purpose
from trouvaille.accounts.pages import label_of, landing_of
from trouvaille.accounts.service import clean_email
from trouvaille.core.errors import Gone, Refused
from trouvaille.web.errors import retry_headers, status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.render import go, page
from trouvaille.web.site import Session, ThisSite

router = APIRouter(include_in_schema=False)


def _forgot(
    request: Request, site: ThisSite, form: Form, error: Refused | None = None, *, sent: bool = False
) -> Response:
    shown = page(
        request,
        "accounts/forgot.html",
        status=status_of(error) if error else 200,
        here="/forgot",
        form=form,
        sent=sent,
        contact=site.operator_contact,
    )
    shown.headers.update(retry_headers(error) if error else {})
    return shown


@router.get("/forgot")
async def forgot_form(request: Request, site: ThisSite) -> Response:
    return _forgot(request, site, Form())


@router.post("/forgot")
async def forgot(request: Request, session: Session, site: ThisSite) -> Response:
    form = typed(await request.form(), "email")
    if not site.sends_mail:
        return _forgot(request, site, form)
    try:
        email = clean_email(form.value("email"))
        sender = request.client.host if request.client else ""
        await letters.ask_for_reset(site.sessions, session, site.vault, email=email, address=sender)
    except Refused as error:
        return _forgot(request, site, form.refused(error), error)
    return _forgot(request, site, form, sent=True)


async def _reset(request: Request, session: Session, token: str, form: Form, *, status: int = 200) -> Response:
    _, subjects = await links.opened(session, Purpose.RESET, token)
    chosen = form.value("account").split()
    return page(
        request,
        "accounts/reset.html",
        status=status,
        choices=[(str(who.id), label_of(who), who.display_name, str(who.id) in chosen) for who in subjects],
        form=form,
    )


@router.get("/reset/{token}")
async def reset_form(request: Request, session: Session, site: ThisSite, token: str) -> Response:
    try:
        _, subjects = await links.opened(session, Purpose.RESET, token)
    except Gone as error:
        return _forgot(request, site, Form().refused(error), error)
    return await _reset(request, session, token, Form({"account": " ".join(str(who.id) for who in subjects)}))


@router.post("/reset/{token}")
async def reset(request: Request, session: Session, site: ThisSite, passwords: ThesePasswords, token: str) -> Response:
    posted = await request.form()
    chosen = [value for value in posted.getlist("account") if isinstance(value, str)]
    form = typed(posted, "password")
    form.values["account"] = " ".join(chosen)[:5000]
    try:
        changed = await links.reset(
            session, site.vault, passwords, token, password=form.value("password"), chosen=chosen
        )
    except Gone as error:
        return _forgot(request, site, Form().refused(error), error)
    except Refused as error:
        return await _reset(request, session, token, form.refused(error), status=status_of(error))
    response = go(landing_of(changed[0]))
    await identity.sign_in(request, session, response, changed[0], proved=changed)
    return response


@router.get("/confirm/{token}")
async def confirm_form(request: Request, session: Session, token: str) -> Response:
    # Mail programs look at links by themselves, so looking changes nothing.
    row, (subject, *_) = await links.opened(session, Purpose.CONFIRM, token)
    return page(request, "accounts/confirm.html", email=row.email or subject.email, confirmed=False)


@router.post("/confirm/{token}")
async def confirm(request: Request, session: Session, site: ThisSite, viewer: MaybeViewer, token: str) -> Response:
    subject, email = await own.confirm(session, site.vault, token)
    if viewer is not None and viewer.id == subject.id:
        return go("/account?done=confirmed")
    return page(request, "accounts/confirm.html", here="/sign-in", email=email, confirmed=True)
