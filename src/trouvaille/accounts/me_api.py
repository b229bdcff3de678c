"""Whoever asks, for scripts: who they are, and their name, language, address and password."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from trouvaille.accounts import links, own, service
from trouvaille.accounts.identity import AnyViewer, ThesePasswords
from trouvaille.accounts.models import Role
from trouvaille.accounts.service import Viewer
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.core.errors import N_, Conflict
from trouvaille.web.api import Text
from trouvaille.web.site import Session, ThisSite, address_of

router = APIRouter(prefix="/api/v1/me", tags=["Account"])
READ, WRITE = wants(Scope.ACCOUNT_READ), wants(Scope.ACCOUNT_WRITE)
Secret = Annotated[Text, Field(max_length=1000, examples=["correct horse battery"])]


class NothingToConfirm(Conflict):
    """The address is confirmed, or this server sends no mail."""

    message = N_("There is no address to confirm.")


class Me(BaseModel):
    """Whoever asks."""

    kind: str = Field(description="`staff` or `guest`.", examples=["staff"])
    id: UUID
    display_name: str = Field(examples=["Ada"])
    locale: str = Field(description="The language of letters.", examples=["en"])
    email: str | None = Field(description="Null in a guest pass.", examples=["ada@example.org"])
    email_confirmed: bool
    new_email: str | None = Field(description="An address that they asked for, and have not confirmed yet.")
    role: Role | None = Field(description="What a member of staff is; null for guests.", examples=["organiser"])
    event_id: UUID | None = Field(description="The event of a guest.")


class MeChange(BaseModel):
    """What to change; what is left out stays."""

    display_name: Annotated[Text, Field(max_length=1000)] | None = Field(None, examples=["Ada"])
    locale: Literal["en", "fr"] | None = Field(None, examples=["fr"])


class NewEmail(BaseModel):
    """Another address, and the present password to show that it is you."""

    email: Annotated[Text, Field(max_length=300, examples=["ada@example.org"])]
    password: Secret


class NewPassword(BaseModel):
    """Another password, and the present one to show that it is you."""

    old_password: Secret
    new_password: Secret


async def _shaped(response: Response, session: Session, viewer: Viewer) -> Me:
    response.headers["Cache-Control"] = "no-store"
    subject = await service.subject_of_viewer(session, viewer)
    return Me(
        kind=subject.kind,
        id=subject.id,
        display_name=subject.display_name,
        locale=subject.locale,
        email=subject.email or None,
        email_confirmed=bool(subject.email) and subject.email_confirmed,
        new_email=await own.wished(session, subject),
        role=subject.role,
        event_id=subject.event_id,
    )


@router.get("", openapi_extra=READ)
async def get_me(response: Response, session: Session, viewer: AnyViewer) -> Me:
    """Who you are."""
    return await _shaped(response, session, viewer)


@router.patch("", openapi_extra=WRITE)
async def change_me(response: Response, session: Session, viewer: AnyViewer, body: MeChange) -> Me:
    """Change your name, or the language of your letters."""
    subject = await service.subject_of_viewer(session, viewer)
    if body.display_name is not None:
        await own.rename(session, subject, body.display_name)
    if body.locale is not None:
        await own.speak(session, subject, body.locale)
    session.expire_all()
    return await _shaped(response, session, viewer)


@router.put("/email", openapi_extra=WRITE)
async def change_email(
    request: Request,
    response: Response,
    session: Session,
    site: ThisSite,
    viewer: AnyViewer,
    passwords: ThesePasswords,
    body: NewEmail,
) -> Me:
    """Have another address: a link goes there, and it counts once the link is followed (`new_email` until then).

    Where this server sends no mail, it changes at once.
    """
    subject = await service.subject_of_viewer(session, viewer)
    around = (site.sessions, session, site.vault, passwords, subject)
    await own.prove(*around, body.password, field="password")
    url = address_of(request) if site.sends_mail else None
    await own.change_email(*around, email=body.email, password=body.password, public_url=url)
    session.expire_all()
    return await _shaped(response, session, viewer)


@router.post("/email/confirmation", status_code=204, openapi_extra=WRITE)
async def send_confirmation(request: Request, session: Session, site: ThisSite, viewer: AnyViewer) -> None:
    """Have the letter that confirms your present address sent once more."""
    if viewer.email_confirmed or not site.sends_mail:
        raise NothingToConfirm
    subject = await service.subject_of_viewer(session, viewer)
    await own.ask_to_confirm(site.sessions, session, site.vault, subject, public_url=address_of(request))


@router.put("/password", status_code=204, openapi_extra=WRITE)
async def change_password(
    session: Session, site: ThisSite, viewer: AnyViewer, passwords: ThesePasswords, body: NewPassword
) -> None:
    """Have another password; all your browsers but the one that asks are signed out. Tokens stay good."""
    subject = await service.subject_of_viewer(session, viewer)
    around = (site.sessions, session, site.vault, passwords, subject)
    await own.prove(*around, body.old_password, field="old_password")
    await links.change_password(session, passwords, viewer, subject, body.new_password)
