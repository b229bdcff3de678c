"""Signing on elsewhere: the way there, the way back, and linking it to an account."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from trouvaille.accounts import entry, identities, service, sign_on, throttle
from trouvaille.accounts.account_pages import frame_of
from trouvaille.accounts.identity import AnyViewer, MaybeViewer, ThesePasswords
from trouvaille.accounts.pages import choose_among, enter
from trouvaille.accounts.service import Subject, Viewer
from trouvaille.accounts.sign_on import Proved, Wish
from trouvaille.core.db import transaction
from trouvaille.core.errors import N_, Invalid, Refused, SignInNeeded
from trouvaille.core.openid import Question, SignOnFailed
from trouvaille.web.errors import retry_headers, status_of
from trouvaille.web.forms import Form, typed
from trouvaille.web.i18n import say
from trouvaille.web.render import go, page
from trouvaille.web.site import Session, ThisSite

router = APIRouter(include_in_schema=False)
Short = Annotated[str, Query(max_length=500)]
Long = Annotated[str, Query(max_length=4000)]


@router.get("/sign-on/{key}")
async def begin(
    request: Request,
    viewer: MaybeViewer,
    key: str,
    event: Short = "",
    wish: Annotated[str, Query(alias="next", max_length=500)] = "",
    link: bool = False,
    invitation: Short = "",
) -> Response:
    provider = sign_on.provider_of(request, key)
    if link and viewer is None:
        raise SignInNeeded
    question = Question.fresh()
    response = go(await provider.address(question))
    session_id = str(viewer.session_id) if link and viewer else ""
    sign_on.ask(request, response, key, question, Wish(event[:40], wish, session_id, invitation))
    return response


@router.get("/sign-on/{key}/callback")
async def back(
    request: Request,
    site: ThisSite,
    viewer: MaybeViewer,
    key: str,
    state: Short = "",
    code: Long = "",
    iss: Short = "",
    error: Short = "",
) -> Response:
    provider = sign_on.provider_of(request, key)
    try:
        question, wish = sign_on.asked(request, key, state, iss)
        if error or not code:
            raise SignOnFailed
        # No transaction is open while the provider is asked.
        identity = await provider.identity(question, code)
    except Refused as refused:
        response: Response = page(
            request, "accounts/sign_on_failed.html", status=status_of(refused), here="/sign-in", reason=say(refused)
        )
    else:
        async with transaction(site.sessions) as session:
            proved = Proved(identity, provider.provider.name, "")
            response = await _arrive(request, session, viewer, proved, wish)
    sign_on.forget_question(request, response)
    return response


async def _arrive(request: Request, session: Session, viewer: Viewer | None, proved: Proved, wish: Wish) -> Response:
    """Where somebody goes who has just come back."""
    if wish.link:
        if viewer is None or str(viewer.session_id) != wish.link:
            raise SignInNeeded
        return _confirm_at("/account/sign-on", request, proved, f"link:{wish.link}")
    fits = await identities.who_has(session, proved.identity)
    if wish.invitation:
        return await _arrive_invited(request, session, fits, proved, wish.invitation)
    here = [who for who in fits if who.event_code and who.event_code == wish.event.upper()]
    if wish.event and not here and await service.event_name(session, wish.event) is not None:
        code = wish.event.upper()
        return _confirm_at(f"/e/{code}/sign-on", request, proved, f"guest:{code}")
    if not fits:
        return page(request, "accounts/sign_on_unknown.html", here="/sign-in", shown=proved.shown)
    if len(fits) > 1 and len(here) != 1:
        return choose_among(request, fits, wish.next)
    return await enter(request, session, (here or fits)[0], wish.next, fits)


async def _arrive_invited(
    request: Request, session: Session, fits: list[Subject], proved: Proved, invitation: str
) -> Response:
    """Who is staff already accepts as that; else the invitation's page makes the account."""
    landing, staff = f"/invitation/{invitation}", [who for who in fits if who.kind == "staff"]
    if staff:
        return await enter(request, session, staff[0], landing, staff)
    return _confirm_at(landing, request, proved, f"invitation:{invitation}")


def _confirm_at(address: str, request: Request, proved: Proved, purpose: str) -> Response:
    response = go(address)
    sign_on.keep(request, response, Proved(proved.identity, proved.where, purpose))
    return response


async def _subject(session: Session, viewer: Viewer) -> Subject:
    subject = await service.subject_of(session, viewer.kind, viewer.id)
    if subject is None:
        raise SignInNeeded
    return subject


async def _ways(
    request: Request, session: Session, viewer: Viewer, form: Form, error: Refused | None = None
) -> Response:
    subject = await _subject(session, viewer)
    shown = page(
        request,
        "accounts/sign_on.html",
        status=status_of(error) if error else 200,
        here="/account/sign-on",
        event=frame_of(subject),
        subject=subject,
        linked=await identities.of(session, subject),
        proved=sign_on.proved_for(request, f"link:{viewer.session_id}"),
        form=form,
        done=request.query_params.get("done"),
    )
    shown.headers.update(retry_headers(error) if error else {})
    return shown


@router.get("/account/sign-on")
async def ways_in(request: Request, session: Session, viewer: AnyViewer) -> Response:
    return await _ways(request, session, viewer, Form())


@router.post("/account/sign-on/link")
async def link(
    request: Request, session: Session, site: ThisSite, viewer: AnyViewer, passwords: ThesePasswords
) -> Response:
    form, proved = typed(await request.form(), "password"), sign_on.proved_for(request, f"link:{viewer.session_id}")
    if proved is None:
        return go("/account/sign-on")
    try:
        subject = await _subject(session, viewer)
        if subject.has_password:
            # Who finds a browser signed in must not be able to make a way in of their own.
            key = site.vault.fingerprint("attempts", f"own:{viewer.id}")
            await throttle.charge(site.sessions, {key: throttle.NAME})
            if not await entry.is_own_password(session, passwords, subject, form.value("password")):
                raise Invalid(N_("This is not your present password."), field="password")
            await throttle.clear(session, [key])
        await identities.link(session, subject, proved.identity, shown=proved.shown)
    except Refused as error:
        return await _ways(request, session, viewer, form.refused(error), error)
    response = go("/account/sign-on?done=linked")
    sign_on.forget(request, response)
    return response


@router.post("/account/sign-on/{identity_id}/unlink")
async def unlink(request: Request, session: Session, viewer: AnyViewer, identity_id: UUID) -> Response:
    try:
        await identities.unlink(session, await _subject(session, viewer), identity_id)
    except identities.LastWayIn as error:
        return await _ways(request, session, viewer, Form().refused(error), error)
    return go("/account/sign-on?done=unlinked")
