"""One's own account: password, address, other accounts, signed-in devices, access tokens."""

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from trouvaille.accounts import identity, links, own, service, sessions, tokens
from trouvaille.accounts.identity import AnyViewer, StaffViewer, ThesePasswords, lifetimes_of
from trouvaille.accounts.pages import label_of, landing_of
from trouvaille.accounts.service import Subject, Viewer
from trouvaille.core.errors import NotFound, Refused
from trouvaille.web import whose
from trouvaille.web.errors import retry_headers, status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.i18n import LANGUAGES
from trouvaille.web.render import go, page
from trouvaille.web.site import Session, ThisSite, address_of

router = APIRouter(include_in_schema=False, prefix="/account")
TOKEN_DAYS = (30, 90, 365)


@dataclass(frozen=True, slots=True)
class Frame:
    """What a page's head shows of a guest's event; this slice knows no more of it."""

    name: str
    code: str
    theme_url: str


def frame_of(subject: Subject) -> Frame | None:
    """The event around a guest's pages; staff have none."""
    code = subject.event_code
    return Frame(subject.detail, code, f"/e/{code}/theme.css") if code else None


async def _account(
    request: Request, session: Session, viewer: Viewer, form: Form, error: Refused | None = None
) -> Response:
    subject = await service.subject_of_viewer(session, viewer)
    present = {"display_name": subject.display_name, "locale": subject.locale, "email": subject.email}
    form.values = present | form.values
    others = [(str(who.id), label_of(who), who.display_name) for who in await sessions.others_of(session, viewer)]
    shown = page(
        request,
        "accounts/account.html",
        status=status_of(error) if error else 200,
        here="/account",
        event=frame_of(subject),
        subject=subject,
        others=others,
        wished=await own.wished(session, subject),
        languages=list(LANGUAGES.items()),
        form=form,
        done=request.query_params.get("done"),
    )
    shown.headers.update(retry_headers(error) if error else {})
    return shown


@router.get("")
async def account(request: Request, session: Session, viewer: AnyViewer) -> Response:
    return await _account(request, session, viewer, Form())


@router.post("/password")
async def change_password(
    request: Request, session: Session, site: ThisSite, viewer: AnyViewer, passwords: ThesePasswords
) -> Response:
    form = typed(await request.form(), "old_password", "new_password")
    subject = await service.subject_of_viewer(session, viewer)
    try:
        typed_old = form.value("old_password")
        await own.prove(site.sessions, session, site.vault, passwords, subject, typed_old, field="old_password")
        await links.change_password(session, passwords, viewer, subject, form.value("new_password"))
    except Refused as error:
        return await _account(request, session, viewer, form.refused(error), error)
    return go("/account?done=password")


@router.post("/name")
async def change_name(request: Request, session: Session, viewer: AnyViewer) -> Response:
    form = typed(await request.form(), "display_name", "locale")
    subject = await service.subject_of_viewer(session, viewer)
    try:
        await own.rename(session, subject, form.value("display_name"))
        await own.speak(session, subject, form.value("locale"))
    except Refused as error:
        return await _account(request, session, viewer, form.refused(error), error)
    return go("/account?done=name")


@router.post("/email")
async def change_email(
    request: Request, session: Session, site: ThisSite, viewer: AnyViewer, passwords: ThesePasswords
) -> Response:
    form = typed(await request.form(), "email", "password")
    subject = await service.subject_of_viewer(session, viewer)
    url, password = address_of(request) if site.sends_mail else None, form.value("password")
    around = (site.sessions, session, site.vault, passwords, subject)
    try:
        await own.prove(*around, password, field="password")
        done = await own.change_email(*around, email=form.value("email"), password=password, public_url=url)
    except Refused as error:
        return await _account(request, session, viewer, form.refused(error), error)
    return go(f"/account?done={'email' if done else 'wished'}")


@router.post("/confirm")
async def confirm_again(request: Request, session: Session, site: ThisSite, viewer: AnyViewer) -> Response:
    if site.sends_mail and not viewer.email_confirmed:
        subject = await service.subject_of_viewer(session, viewer)
        await own.ask_to_confirm(site.sessions, session, site.vault, subject, public_url=address_of(request))
    return go("/account?done=sent")


@router.post("/switch")
async def switch(request: Request, session: Session, viewer: AnyViewer) -> Response:
    chosen = typed(await request.form(), "to").value("to")
    others = {str(who.id): who for who in await sessions.others_of(session, viewer)}
    if chosen not in others:
        raise NotFound
    response = go(landing_of(others[chosen]))
    await identity.switch(request, session, response, viewer, others[chosen])
    return response


@router.get("/devices")
async def devices(request: Request, session: Session, site: ThisSite, viewer: AnyViewer) -> Response:
    return page(
        request,
        "accounts/devices.html",
        event=frame_of(await service.subject_of_viewer(session, viewer)),
        places=await sessions.places(session, viewer, lifetimes=lifetimes_of(site)),
        lifetimes=lifetimes_of(site),
        done=request.query_params.get("done"),
    )


@router.post("/devices/revoke-others")
async def revoke_others(session: Session, viewer: AnyViewer) -> Response:
    await sessions.revoke_others(session, viewer)
    return go("/account/devices?done=others")


@router.post("/devices/{session_id}/revoke")
async def revoke(request: Request, session: Session, viewer: AnyViewer, session_id: UUID) -> Response:
    await sessions.revoke(session, viewer, session_id)
    if session_id != viewer.session_id:
        return go("/account/devices?done=one")
    response = go("/sign-in")
    response.headers.update(whose.leaving(request))
    return response


async def _tokens(
    request: Request, session: Session, viewer: Viewer, form: Form, *, fresh: str | None = None, status: int = 200
) -> Response:
    chosen = form.value("scopes").split()
    return page(
        request,
        "accounts/tokens.html",
        status=status,
        here="/account/tokens",
        tokens=await tokens.of(session, viewer),
        scopes=[(scope.value, tokens.LABELS[scope], scope.value in chosen) for scope in tokens.on_offer(viewer)],
        labels={scope.value: label for scope, label in tokens.LABELS.items()},
        days=TOKEN_DAYS,
        fresh=fresh,
        form=form,
        done=request.query_params.get("done"),
    )


@router.get("/tokens")
async def token_list(request: Request, session: Session, viewer: StaffViewer) -> Response:
    return await _tokens(request, session, viewer, Form({"days": "90"}))


@router.post("/tokens")
async def make_token(request: Request, session: Session, viewer: StaffViewer) -> Response:
    posted = await request.form()
    form = typed(posted, "name", "days")
    scopes = [value for value in posted.getlist("scopes") if isinstance(value, str)]
    form.values["scopes"] = " ".join(scopes)[:500]
    days = next((days for days in TOKEN_DAYS if form.value("days") == str(days)), None)
    try:
        _, token = await tokens.make(session, viewer, name=form.value("name"), scopes=scopes, days=days)
    except Refused as error:
        return await _tokens(request, session, viewer, form.refused(error), status=status_of(error))
    return await _tokens(request, session, viewer, Form({"days": "90"}), fresh=token)


@router.post("/tokens/{token_id}/revoke")
async def revoke_token(session: Session, viewer: StaffViewer, token_id: UUID) -> Response:
    removed = await tokens.revoke(session, viewer, token_id)
    return go(f"/account/tokens?done=revoked&undo={removed}")
