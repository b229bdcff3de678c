"""Coming in as a guest, for programs that keep cookies as browsers do: account, pass, another event, the way back."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from trouvaille.accounts import identity
from trouvaille.accounts.identity import MaybeViewer, ThesePasswords
from trouvaille.accounts.service import clean_email
from trouvaille.core.db import transaction
from trouvaille.core.errors import N_, Conflict
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.guests import consent, entering, passes
from trouvaille.guests import service as guests
from trouvaille.guests.entering import Door
from trouvaille.guests.joining import AlreadyGuest, Joining
from trouvaille.guests.passes import HasAccount
from trouvaille.guests.registration import Registration
from trouvaille.guests.signed_in import GuestViewer, ThisEvent, ThisGuest
from trouvaille.web import i18n
from trouvaille.web.api import OF_GUESTS, Text
from trouvaille.web.site import Session, Site, ThisSite, address_of, sender_of

router = APIRouter(prefix="/api/v1/guest", tags=["Coming in"])
Code = Annotated[Text, Field(max_length=100, examples=["PARTY234"])]
Name = Annotated[Text, Field(max_length=1000, examples=["Rose"])]
Username = Annotated[Text, Field(max_length=200, examples=["rose"])]
Email = Annotated[Text, Field(max_length=300, examples=["rose@example.org"])]
Secret = Annotated[Text, Field(max_length=1000, examples=["correct horse battery"])]
Agrees = Annotated[
    bool,
    Field(
        description=f"Whether they agree to face finding, freely and explicitly: to text {consent.VERSION} of the page."
    ),
]


class NoWayBack(Conflict):
    """This server sends no letters."""

    message = N_("This server sends no mail. Make an account to come back on another device.")


class NewGuest(BaseModel):
    """An account at an event."""

    code: Code
    display_name: Name
    username: Username
    email: Email
    password: Secret
    agrees: Agrees = False
    invitation: Text = Field("", max_length=100, description="What an invitation’s link ends with, if there is one.")


class NewPass(BaseModel):
    """A pass: a name, in this browser."""

    code: Code
    display_name: Name
    agrees: Agrees = False


class NewNames(BaseModel):
    """What makes an account of a pass."""

    username: Username
    email: Email
    password: Secret


class JoinOther(BaseModel):
    """Another event, as whom one is signed in."""

    code: Code
    username: Username
    password: Text = Field("", max_length=1000, description="Needed only for another username than the present one.")
    agrees: Agrees = False
    reuses_selfie: bool = Field(False, description="Send the present selfie there too; only with `agrees`.")


class WayBack(BaseModel):
    """Where to send a link by which a pass comes back."""

    email: Email


class Return(BaseModel):
    """The link of a letter."""

    token: Text = Field(max_length=100, description="What the link ends with.", examples=["Zk3p9w"])


class Came(BaseModel):
    """Who came in, and what they do next."""

    id: UUID
    event_code: str = Field(examples=["PARTY234"])
    next: str = Field(description="The page that comes next for a person.", examples=["/e/PARTY234/selfie"])


async def _door(request: Request, response: Response, site: Site, passwords: ThesePasswords, code: str) -> Door:
    """The event, asked for in a transaction that is over before a password is computed."""
    async with transaction(site.sessions) as session:
        event = await events.open_by_code(session, code)
    i18n.settle(request, event.locales)
    response.headers["Cache-Control"] = "no-store"
    return Door(request, response, passwords, event)


def _came(guest_id: UUID, event: Event, *, agrees: bool) -> Came:
    return Came(id=guest_id, event_code=event.code, next=entering.next_step(event, agrees=agrees))


@router.post("", status_code=201)
async def register(
    request: Request, response: Response, site: ThisSite, passwords: ThesePasswords, body: NewGuest
) -> Came:
    """Register for an event, and be signed in. Sent twice with all the same, it makes one account and lets you in."""
    at = await _door(request, response, site, passwords, body.code)
    wanted = Registration(
        body.display_name, body.username, body.email, body.password, locale=i18n.current(), agrees=body.agrees
    )
    return _came(await entering.register(at, wanted, body.invitation), at.event, agrees=body.agrees)


@router.post("/pass", status_code=201)
async def take_pass(
    request: Request,
    response: Response,
    site: ThisSite,
    viewer: MaybeViewer,
    passwords: ThesePasswords,
    body: NewPass,
) -> Came:
    """Come in by name, where the event allows passes, and be signed in."""
    at = await _door(request, response, site, passwords, body.code)
    if viewer is not None and viewer.event_id == at.event.id:
        raise AlreadyGuest
    made = await entering.take_pass(at, display_name=body.display_name, agrees=body.agrees)
    return _came(made, at.event, agrees=body.agrees)


@router.post("/upgrade", openapi_extra=OF_GUESTS)
async def upgrade(
    request: Request,
    response: Response,
    site: ThisSite,
    viewer: GuestViewer,
    passwords: ThesePasswords,
    body: NewNames,
) -> Came:
    """Make an account of your pass; photos, answers, selfie and consent stay yours."""
    response.headers["Cache-Control"] = "no-store"
    code = viewer.event_code or ""
    async with transaction(site.sessions) as session:
        event = await events.shown_by_code(session, code)
        guest = await guests.of_viewer(session, viewer, event)
    if not guest.is_pass:
        raise HasAccount
    wanted = Registration(guest.display_name, body.username, body.email, body.password)
    await entering.upgrade(Door(request, response, passwords, event), guest, wanted)
    return _came(guest.id, event, agrees=False)


@router.post("/join", status_code=201, openapi_extra=OF_GUESTS)
async def join(
    request: Request,
    response: Response,
    site: ThisSite,
    viewer: GuestViewer,
    passwords: ThesePasswords,
    body: JoinOther,
) -> Came:
    """Join another event with the same names and password, and go on there; `POST /me/switch` leads back."""
    at = await _door(request, response, site, passwords, body.code)
    wanted = Joining(
        username=body.username,
        password=body.password,
        locale=i18n.current(),
        agrees=body.agrees,
        reuses_selfie=body.reuses_selfie,
    )
    return _came(await entering.join(at, viewer, wanted), at.event, agrees=body.agrees)


@router.post("/return-link", status_code=202, openapi_extra=OF_GUESTS)
async def send_way_back(
    request: Request, session: Session, site: ThisSite, event: ThisEvent, guest: ThisGuest, body: WayBack
) -> None:
    """Have a link sent by which your pass comes back, on this or another device."""
    if not guest.is_pass:
        raise HasAccount
    if not site.sends_mail:
        raise NoWayBack
    email = clean_email(body.email)
    await passes.count_letter(site.sessions, site.vault, guest, email=email, address=sender_of(request))
    await passes.send_way_back(session, site.vault, guest, event, email=email, public_url=address_of(request))


@router.post("/return")
async def come_back(request: Request, response: Response, session: Session, body: Return) -> Came:
    """Come back by link, and be signed in; 410 for one that was used."""
    response.headers["Cache-Control"] = "no-store"
    subject = await passes.come_back(session, body.token)
    await identity.sign_in(request, session, response, subject)
    code = subject.event_code or ""
    return Came(id=subject.id, event_code=code, next=f"/e/{code}/photos")
