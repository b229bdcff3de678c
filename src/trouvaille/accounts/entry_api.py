"""Signing in and out, and the links of letters, for programs that keep cookies as browsers do."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from trouvaille.accounts import entry, identity, letters, links, own, sessions
from trouvaille.accounts.entry import Attempt
from trouvaille.accounts.identity import AnyViewer, MaybeViewer, ThesePasswords
from trouvaille.accounts.pages import label_of
from trouvaille.accounts.service import Subject, clean_email
from trouvaille.core.errors import N_, Conflict, NotFound
from trouvaille.web.api import OF_BROWSERS, Text
from trouvaille.web.site import Session, ThisSite, sender_of

router = APIRouter(prefix="/api/v1", tags=["Signing in"])
Secret = Annotated[Text, Field(max_length=1000, examples=["correct horse battery"])]
Token = Annotated[Text, Field(max_length=100, description="What a letter’s link ends with.", examples=["Zk3p9w"])]


class NoMail(Conflict):
    """This server sends no letters."""

    message = N_("This server sends no mail. Ask whoever runs it for a link.")


class AccountOut(BaseModel):
    """An account that what was shown opens."""

    id: UUID
    kind: str = Field(description="`staff` or `guest`.", examples=["guest"])
    display_name: str = Field(examples=["Rose"])
    label: str = Field(description="What it is called among others: a guest’s event.", examples=["Lea & Tom"])
    event_code: str | None = Field(description="The event of a guest.", examples=["PARTY234"])


class SignIn(BaseModel):
    """A username or an address, and its password."""

    identifier: Text = Field(max_length=300, examples=["rose"])
    password: Secret
    event: Text | None = Field(None, max_length=100, description="Code of the event that is meant.")
    account: UUID | None = Field(None, description="Which of the `choices` of the answer before.")


class SignedIn(BaseModel):
    """Who is signed in now; nobody where several accounts fit and none was meant."""

    account: AccountOut | None
    choices: list[AccountOut] = Field(description="All that fit; a signed-in browser may switch between them.")


class Switch(BaseModel):
    """Which account to go on as."""

    id: UUID


class Accounts(BaseModel):
    """The other accounts that this browser may switch to."""

    items: list[AccountOut]


class Forgotten(BaseModel):
    """Whose password is forgotten."""

    email: Text = Field(max_length=300, examples=["rose@example.org"])


class Reset(BaseModel):
    """A new password, by the link of a letter."""

    token: Token
    password: Secret
    accounts: list[UUID] = Field(
        default_factory=list, max_length=100, description="For which, where the link is for several."
    )


class Confirmation(BaseModel):
    """The link of a letter that asks whether an address is its owner’s."""

    token: Token


class Confirmed(BaseModel):
    """The address that is confirmed now."""

    email: str = Field(examples=["rose@example.org"])


def shaped(who: Subject) -> AccountOut:
    """An account as answers show it."""
    return AccountOut(
        id=who.id, kind=who.kind, display_name=who.display_name, label=label_of(who), event_code=who.event_code
    )


@router.post("/sign-in")
async def sign_in(
    request: Request, response: Response, session: Session, site: ThisSite, passwords: ThesePasswords, body: SignIn
) -> SignedIn:
    """Sign in; the session comes as a cookie. 422 where nothing fits, without saying which part is wrong."""
    response.headers["Cache-Control"] = "no-store"
    browser = identity.known_browser(request)
    attempt = Attempt(body.identifier, body.password, sender_of(request), browser)
    fits = await entry.who_fits(site.sessions, site.vault, passwords, attempt)
    code = (body.event or "").strip().upper()
    meant = [who for who in fits if who.id == body.account or (code and who.event_code == code)]
    chosen = meant if len(meant) == 1 else fits
    choices = [shaped(who) for who in fits]
    if len(chosen) != 1:
        return SignedIn(account=None, choices=choices)
    await identity.sign_in(request, session, response, chosen[0], proved=fits)
    return SignedIn(account=shaped(chosen[0]), choices=choices)


@router.post("/sign-out", status_code=204, openapi_extra=OF_BROWSERS)
async def sign_out(request: Request, response: Response, session: Session, viewer: MaybeViewer) -> None:
    """End this browser’s session; without one, nothing happens."""
    await identity.sign_out(request, session, response, viewer)


@router.get("/me/accounts", openapi_extra=OF_BROWSERS)
async def other_accounts(response: Response, session: Session, viewer: AnyViewer) -> Accounts:
    """The other accounts that were opened when this browser signed in."""
    response.headers["Cache-Control"] = "no-store"
    return Accounts(items=[shaped(who) for who in await sessions.others_of(session, viewer)])


@router.post("/me/switch", openapi_extra=OF_BROWSERS)
async def switch(request: Request, response: Response, session: Session, viewer: AnyViewer, body: Switch) -> AccountOut:
    """Go on as another of one’s accounts, without a password; the session lasts no longer for it."""
    response.headers["Cache-Control"] = "no-store"
    chosen = next((who for who in await sessions.others_of(session, viewer) if who.id == body.id), None)
    if chosen is None:
        raise NotFound
    await identity.switch(request, session, response, viewer, chosen)
    return shaped(chosen)


@router.post("/forgot", status_code=202)
async def forgot(request: Request, session: Session, site: ThisSite, body: Forgotten) -> None:
    """Have a link for a new password sent; the answer does not tell whether there is an account."""
    if not site.sends_mail:
        raise NoMail
    email, sender = clean_email(body.email), sender_of(request)
    await letters.ask_for_reset(site.sessions, session, site.vault, email=email, address=sender)


@router.post("/reset")
async def reset(
    request: Request, response: Response, session: Session, site: ThisSite, passwords: ThesePasswords, body: Reset
) -> SignedIn:
    """Set a new password by link, and be signed in; all other sessions of these accounts end. 410 for an old link."""
    response.headers["Cache-Control"] = "no-store"
    chosen = [str(each) for each in body.accounts]
    changed = await links.reset(session, site.vault, passwords, body.token, password=body.password, chosen=chosen)
    await identity.sign_in(request, session, response, changed[0], proved=changed)
    return SignedIn(account=shaped(changed[0]), choices=[shaped(who) for who in changed])


@router.post("/confirm")
async def confirm(response: Response, session: Session, site: ThisSite, body: Confirmation) -> Confirmed:
    """Confirm an address by link; 410 for an old one."""
    response.headers["Cache-Control"] = "no-store"
    _, email = await own.confirm(session, site.vault, body.token)
    return Confirmed(email=email)
