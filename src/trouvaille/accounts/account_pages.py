"""One's own account: password, address, other accounts, signed-in devices, access tokens."""

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from trouvaille.accounts import entry, identity, letters, links, service, sessions, throttle, tokens
from trouvaille.accounts.identity import AnyViewer, StaffViewer, ThesePasswords, lifetimes_of
from trouvaille.accounts.pages import label_of, landing_of
from trouvaille.accounts.service import Subject, Viewer
from trouvaille.accounts.tokens import Scope
from trouvaille.core.errors import N_, Invalid, NotFound, Refused, SignInNeeded
from trouvaille.web.errors import retry_headers, status_of
from trouvaille.web.forms import Form, typed
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


async def _subject(session: Session, viewer: Viewer) -> Subject:
    subject = await service.subject_of(session, viewer.kind, viewer.id)
    if subject is None:
        raise SignInNeeded
    return subject


async def _account(
    request: Request, session: Session, viewer: Viewer, form: Form, error: Refused | None = None
) -> Response:
    subject = await _subject(session, viewer)
    others = [(str(who.id), label_of(who), who.display_name) for who in await sessions.others_of(session, viewer)]
    shown = page(
        request,
        "accounts/account.html",
        status=status_of(error) if error else 200,
        here="/account",
        event=frame_of(subject),
        subject=subject,
        others=others,
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
    # Who finds a browser signed in must not be able to try passwords in it.
    key = site.vault.fingerprint("attempts", f"own:{viewer.id}")
    try:
        await throttle.charge(site.sessions, {key: throttle.NAME})
        subject = await _subject(session, viewer)
        if not await entry.is_own_password(session, passwords, subject, form.value("old_password")):
            raise Invalid(N_("This is not your present password."), field="old_password")
        await links.change_password(session, passwords, viewer, subject, form.value("new_password"))
    except Refused as error:
        return await _account(request, session, viewer, form.refused(error), error)
    await throttle.clear(session, [key])
    return go("/account?done=password")


@router.post("/confirm")
async def confirm_again(request: Request, session: Session, site: ThisSite, viewer: AnyViewer) -> Response:
    if site.sends_mail and not viewer.email_confirmed:
        key = site.vault.fingerprint("attempts", f"confirming:{viewer.id}")
        await throttle.charge(site.sessions, {key: throttle.LETTERS})
        subject = await _subject(session, viewer)
        await letters.send_confirmation(session, site.vault, subject, public_url=address_of(request))
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
        event=frame_of(await _subject(session, viewer)),
        places=await sessions.places(session, viewer, lifetimes=lifetimes_of(site)),
        lifetimes=lifetimes_of(site),
        done=request.query_params.get("done"),
    )


@router.post("/devices/revoke-others")
async def revoke_others(session: Session, viewer: AnyViewer) -> Response:
    await sessions.revoke_others(session, viewer)
    return go("/account/devices?done=others")


@router.post("/devices/{session_id}/revoke")
async def revoke(session: Session, viewer: AnyViewer, session_id: UUID) -> Response:
    await sessions.revoke(session, viewer, session_id)
    return go("/sign-in" if session_id == viewer.session_id else "/account/devices?done=one")


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
        scopes=[(scope.value, tokens.LABELS[scope], scope.value in chosen) for scope in Scope],
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
    await tokens.revoke(session, viewer, token_id)
    return go("/account/tokens?done=revoked")
