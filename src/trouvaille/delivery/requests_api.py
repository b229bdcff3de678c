"""What guests ask about photos, for organisers' scripts: listed, and decided of."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from trouvaille.accounts.tokens import Scope, wants
from trouvaille.delivery import asked, nearby, requests, veils
from trouvaille.delivery.asked import Kind, Wish
from trouvaille.delivery.models import Reason
from trouvaille.delivery.nearby_pages import Asked
from trouvaille.delivery.request_pages import Managed
from trouvaille.events.models import Event
from trouvaille.web.api import USUAL, Cursor, Limit, Page, page_of
from trouvaille.web.site import Session, address_of

router = APIRouter(prefix="/api/v1/events/{event_id}/requests", tags=["Requests"])
READ, WRITE = wants(Scope.GUESTS_READ), wants(Scope.GUESTS_WRITE)
MOST_GIVEN = 2 * nearby.EACH_WAY + 1


class RequestOut(BaseModel):
    """Something that a guest asked about a photo."""

    kind: Kind = Field(description="`report`: look at it; `veil`: hide my face; `near`: look for me around it.")
    id: UUID
    open: bool = Field(description="Whether nobody has decided yet.")
    state: str = Field(
        description="`open`, `hidden`, `dismissed`; `asked`, `agreed`, `declined`; `open`, `answered`, `dismissed`.",
        examples=["open"],
    )
    reason: Reason | None = Field(description="Of a report.")
    text: str
    photo_id: UUID
    file_name: str = Field(examples=["DSC_0042.jpg"])
    view_url: str = Field(description="The photo; the token that is good for photos opens it.")
    face_box: list[float] | None = Field(
        description="The face to be hidden: left, top, right, bottom as fractions of the photo."
    )
    in_force: bool = Field(description="Whether others no longer see the face.")
    guest_id: UUID | None
    guest: str | None = Field(description="The guest’s name; null for whoever has left.", examples=["Rose"])
    created_at: datetime
    decided_at: datetime | None


class ReportDecision(BaseModel):
    """What becomes of a photo that somebody reported."""

    decision: Literal["hide", "dismiss"] = Field(examples=["hide"])


class VeilDecision(BaseModel):
    """Whether a face is hidden from others."""

    decision: Literal["agree", "decline"] = Field(examples=["agree"])


class PhotoAround(BaseModel):
    """A photo to look at."""

    photo_id: UUID
    thumb_url: str = Field(description="The token that is good for photos opens it.")
    is_given: bool = Field(description="Given to the guest by hand, which can be taken back.")
    is_found: bool = Field(description="Among theirs already, by their face.")


class Around(BaseModel):
    """The photos before and after the one in question, in the order of the event."""

    items: list[PhotoAround]


class Given(BaseModel):
    """Which of the photos around are the guest’s; those left out are taken back, but for what their face found."""

    photos: list[UUID] = Field(max_length=MOST_GIVEN, examples=[[]])


class GivenOut(BaseModel):
    """How many are new to the guest."""

    given: int


def _shaped(request: Request, event: Event, wish: Wish) -> RequestOut:
    return RequestOut(
        kind=wish.kind,
        id=wish.id,
        open=wish.is_open,
        state=wish.state,
        reason=Reason(wish.reason) if wish.reason else None,
        text=wish.text,
        photo_id=wish.photo_id,
        file_name=wish.file_name,
        view_url=f"{address_of(request)}/e/{event.code}/p/{wish.photo_id}/view",
        face_box=wish.box_xyxy,
        in_force=wish.in_force,
        guest_id=wish.guest_id,
        guest=wish.guest,
        created_at=wish.created_at,
        decided_at=wish.decided_at,
    )


@router.get("", openapi_extra=READ)
async def list_requests(
    request: Request,
    response: Response,
    session: Session,
    event: Managed,
    kind: Annotated[Kind | None, Query(description="Only of this kind.")] = None,
    only_open: Annotated[bool, Query(alias="open", description="Only those that nobody has decided yet.")] = False,
    limit: Limit = USUAL,
    cursor: Cursor = "",
) -> Page[RequestOut]:
    """What guests have asked about photos, the newest first."""
    shown = await asked.slice_of_event(session, event.id, kind=kind, only_open=only_open, limit=limit, cursor=cursor)
    return page_of(request, response, [_shaped(request, event, wish) for wish in shown.items], shown.cursor)


@router.put("/reports/{report_id}", status_code=204, openapi_extra=WRITE)
async def decide_report(session: Session, event: Managed, report_id: UUID, body: ReportDecision) -> None:
    """Hide a reported photo, which answers all that is open about it, or leave it as it is; the last word counts."""
    await requests.decide(session, event.id, report_id, hide=body.decision == "hide")


@router.put("/veils/{veil_id}", status_code=204, openapi_extra=WRITE)
async def decide_veil(session: Session, event: Managed, veil_id: UUID, body: VeilDecision) -> None:
    """Hide a face from others, or not; the last word counts."""
    await veils.decide(session, event.id, veil_id, agree=body.decision == "agree")


@router.get("/near/{near_id}", openapi_extra=READ)
async def look_around(request: Request, response: Response, session: Session, event: Managed, wish: Asked) -> Around:
    """The photos in which a guest may be looked for."""
    response.headers["Cache-Control"] = "no-store"
    base = f"{address_of(request)}/e/{event.code}/p"
    return Around(
        items=[
            PhotoAround(
                photo_id=each.photo.id,
                thumb_url=f"{base}/{each.photo.id}/thumb",
                is_given=each.is_given,
                is_found=each.is_found,
            )
            for each in await nearby.around(session, wish[0])
        ]
    )


@router.put("/near/{near_id}", openapi_extra=WRITE)
async def answer_near(response: Response, session: Session, wish: Asked, body: Given) -> GivenOut:
    """Give a guest photos around the one in question; none says that they were not found."""
    response.headers["Cache-Control"] = "no-store"
    return GivenOut(given=await nearby.answer(session, wish[0], body.photos))
