"""Checks before registering, for scripts and for pages while somebody types."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from trouvaille.core.db import statement_alone
from trouvaille.core.errors import N_, Refused
from trouvaille.events import service as events
from trouvaille.events.checks import codes_of, count_check
from trouvaille.events.rights import NoSuchEvent
from trouvaille.guests import registration
from trouvaille.web.i18n import gettext, say
from trouvaille.web.site import ThisSite, sender_of

router = APIRouter(prefix="/api/v1", tags=["Coming in"])


class CodeAnswer(BaseModel):
    """Whether guests may come in with a code. ``name`` is the event's, also when it is over."""

    valid: bool
    name: str | None
    detail: str = Field(description="For people, in their language.")


class AvailabilityQuestion(BaseModel):
    """What somebody would like to register with; either may be left out."""

    code: str = Field(max_length=100, examples=["PARTY234"])
    username: str | None = Field(None, max_length=200, examples=["rose"])
    email: str | None = Field(None, max_length=300, examples=["rose@example.org"])


class FieldAnswer(BaseModel):
    """Whether one may register with this."""

    available: bool
    detail: str = Field(description="For people, in their language.")


class AvailabilityAnswer(BaseModel):
    """None for what was not asked."""

    username: FieldAnswer | None
    email: FieldAnswer | None


@router.get("/check-code")
async def check_code(
    request: Request, response: Response, site: ThisSite, code: Annotated[str, Query(max_length=100)] = ""
) -> CodeAnswer:
    """Whether a code leads to an event that takes guests, and to which."""
    response.headers["Cache-Control"] = "no-store"
    try:
        event = await codes_of(request).find(site.sessions, code)
    except NoSuchEvent as error:
        await _count(request, site, None)
        return CodeAnswer(valid=False, name=None, detail=say(error))
    await _count(request, site, event.id)
    try:
        events.check_open(event)
    except Refused as error:
        return CodeAnswer(valid=False, name=event.name, detail=say(error))
    return CodeAnswer(valid=True, name=event.name, detail=event.name)


@router.post("/check-availability")
async def check_availability(
    request: Request, response: Response, site: ThisSite, asked: AvailabilityQuestion
) -> AvailabilityAnswer:
    """Whether a username and an address are free at an event; it takes its code, and no address is told."""
    response.headers["Cache-Control"] = "no-store"
    try:
        event = await codes_of(request).find(site.sessions, asked.code)
    except NoSuchEvent:
        await _count(request, site, None)
        raise
    await _count(request, site, event.id)
    events.check_open(event)
    async with statement_alone(site.sessions) as session:
        problems = await registration.unavailable(session, event.id, username=asked.username, email=asked.email)
    free = {"username": N_("This username is free."), "email": N_("This address is free.")}
    said = {name: _answer(problems.get(name), free[name]) for name in free}
    return AvailabilityAnswer(
        username=said["username"] if asked.username is not None else None,
        email=said["email"] if asked.email is not None else None,
    )


def _answer(problem: Refused | None, free: str) -> FieldAnswer:
    return FieldAnswer(available=problem is None, detail=gettext(free) if problem is None else say(problem))


async def _count(request: Request, site: ThisSite, event_id: UUID | None) -> None:
    await count_check(site.sessions, site.vault, address=sender_of(request), event_id=event_id)
