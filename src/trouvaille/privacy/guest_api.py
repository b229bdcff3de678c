"""What a guest decides about themselves, for programs: consent, letters, their data, and leaving."""

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from trouvaille.core.errors import N_, Changed
from trouvaille.guests import consent
from trouvaille.guests import service as guests
from trouvaille.guests.selfies import FacesOff
from trouvaille.guests.signed_in import AnyGuest, ThisEvent, ThisGuest
from trouvaille.news import service as news
from trouvaille.privacy import keeping, service
from trouvaille.privacy.pages import Parts
from trouvaille.web import i18n
from trouvaille.web.api import OF_GUESTS, Text
from trouvaille.web.site import Session, ThisSite

router = APIRouter(prefix="/api/v1/guest", tags=["Guest"])


class OtherText(Changed):
    """The text that somebody agreed to is not the present one."""

    message = N_("The text has changed since you read it. Please read it again.")


class ConsentOut(BaseModel):
    """What guests agree to before any selfie, and whether you have."""

    version: str = Field(examples=[consent.VERSION])
    paragraphs: list[str]
    agrees: bool = Field(description="Whether a consent stands that covers the present text’s way of comparing.")
    given_at: datetime | None
    selfie: str = Field(description="`none`, `waiting`, `choosing`, `refused` or `accepted`.", examples=["none"])


class Agreement(BaseModel):
    """That you agree to the text of this version, explicitly and freely."""

    version: Text = Field(max_length=20, examples=[consent.VERSION])


class Erased(BaseModel):
    """How many of each kind of thing were erased."""

    erased: dict[str, int] = Field(examples=[{"selfies": 1, "matches": 12}])


class NewsOut(BaseModel):
    """Whether you are told by mail when there are more photos of you."""

    mail: bool
    can_mail: bool = Field(description="Whether this server sends mail and your address is confirmed.")


class NewsIn(BaseModel):
    """Whether to be told by mail."""

    mail: bool = Field(examples=[False])


@router.get("/consent", openapi_extra=OF_GUESTS)
async def get_consent(response: Response, session: Session, site: ThisSite, guest: AnyGuest) -> ConsentOut:
    """The text in your language, and where you stand."""
    response.headers["Cache-Control"] = "no-store"
    text, state = consent.shown(site.legal.region), await guests.face_state(session, guest)
    return ConsentOut(
        version=text.version,
        paragraphs=text.paragraphs,
        agrees=state.agrees,
        given_at=state.consent_given_at,
        selfie=state.state,
    )


@router.put("/consent", status_code=204, openapi_extra=OF_GUESTS)
async def give_consent(session: Session, site: ThisSite, event: ThisEvent, guest: ThisGuest, body: Agreement) -> None:
    """Agree to face finding; 412 where the text is another one by now. A selfie is taken on the page."""
    if not event.faces_on:
        raise FacesOff
    if body.version != consent.shown(site.legal.region).version:
        raise OtherText(field="version")
    await consent.give_consent(session, guest, locale=i18n.current())


@router.delete("/consent", openapi_extra=OF_GUESTS)
async def withdraw_consent(response: Response, session: Session, guest: AnyGuest, parts: Parts) -> Erased:
    """Withdraw, and erase your selfie, template and matches at once; without a consent nothing happens."""
    response.headers["Cache-Control"] = "no-store"
    before = await keeping.counts(session, parts, guest)
    await service.withdraw(session, guest)
    return Erased(erased=keeping.erased(before, await keeping.counts(session, parts, guest)))


@router.get("/news", openapi_extra=OF_GUESTS)
async def get_news(response: Response, session: Session, site: ThisSite, guest: AnyGuest) -> NewsOut:
    """How you are told of more photos."""
    response.headers["Cache-Control"] = "no-store"
    ways = await news.ways_of(session, guest, sends_mail=site.sends_mail)
    return NewsOut(mail=ways.mail, can_mail=ways.can_mail)


@router.put("/news", status_code=204, openapi_extra=OF_GUESTS)
async def choose_news(session: Session, guest: AnyGuest, body: NewsIn) -> None:
    """Be told of more photos by mail, or not."""
    await news.choose_mail(session, guest, on=body.mail)


@router.get(
    "/data.zip",
    openapi_extra=OF_GUESTS,
    response_class=Response,
    responses={200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def download_my_data(
    session: Session, site: ThisSite, event: ThisEvent, guest: AnyGuest, parts: Parts
) -> Response:
    """Everything that is kept about you: `data.json` and the pictures of your selfies."""
    kept = await keeping.everything(session, site.vault, parts, event, guest, region=site.legal.region)
    images = await keeping.pictures(session, site.storage, site.vault, guest)
    headers = {"Cache-Control": "private, no-store", "Content-Disposition": 'attachment; filename="my-data.zip"'}
    data = await asyncio.to_thread(keeping.zipped, kept, images)
    return Response(data, media_type="application/zip", headers=headers)


@router.delete("", openapi_extra=OF_GUESTS)
async def delete_my_account(
    request: Request,
    response: Response,
    session: Session,
    guest: AnyGuest,
    parts: Parts,
    username: Annotated[str, Query(max_length=500, description="Your username, to confirm; a pass’s name.")],
) -> Erased:
    """Delete your account with everything about you, for good. You are signed out everywhere."""
    response.headers["Cache-Control"] = "no-store"
    before = await keeping.counts(session, parts, guest)
    await guests.delete_account(session, guest, username=username)
    return Erased(erased=keeping.erased(before, await keeping.counts(session, parts, guest)))
