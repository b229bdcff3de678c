"""One's own devices and tokens, for scripts."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from trouvaille.accounts import sessions, tokens
from trouvaille.accounts.identity import AnyViewer, StaffViewer, lifetimes_of
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.web.site import Session, ThisSite

router = APIRouter(prefix="/api/v1", tags=["Account"])
READ, WRITE = wants(Scope.ACCOUNT_READ), wants(Scope.ACCOUNT_WRITE)


class SessionOut(BaseModel):
    """A browser that is signed in."""

    id: UUID
    browser: str | None = Field(examples=["Firefox"])
    system: str | None = Field(examples=["Mac"])
    created_at: datetime
    last_seen_at: datetime
    is_this: bool = Field(description="Whether it is the one that asks; never so for a token.")


class Sessions(BaseModel):
    """All of one's own, at most 100."""

    items: list[SessionOut]


class TokenOut(BaseModel):
    """An access token; the token itself is shown once, on the page that makes it."""

    id: UUID
    name: str = Field(examples=["Backup script"])
    scopes: list[str] = Field(examples=[["events:read"]])
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class Tokens(BaseModel):
    """All of one's own, at most 50."""

    items: list[TokenOut]


class Ended(BaseModel):
    """How many were signed out."""

    ended: int


@router.get("/me/sessions", openapi_extra=READ)
async def list_sessions(response: Response, session: Session, site: ThisSite, viewer: AnyViewer) -> Sessions:
    """Where you are signed in."""
    response.headers["Cache-Control"] = "no-store"
    places = await sessions.places(session, viewer, lifetimes=lifetimes_of(site))
    return Sessions(items=[SessionOut.model_validate(place, from_attributes=True) for place in places])


@router.delete("/me/sessions/{session_id}", status_code=204, openapi_extra=WRITE)
async def revoke_session(session: Session, viewer: AnyViewer, session_id: UUID) -> None:
    """Sign one of your browsers out."""
    await sessions.revoke(session, viewer, session_id)


@router.post("/me/sessions/revoke-others", openapi_extra=WRITE)
async def revoke_other_sessions(response: Response, session: Session, viewer: AnyViewer) -> Ended:
    """Sign out all your browsers but the one that asks; with a token, all of them."""
    response.headers["Cache-Control"] = "no-store"
    return Ended(ended=await sessions.revoke_others(session, viewer))


@router.get("/me/tokens", openapi_extra=READ)
async def list_tokens(response: Response, session: Session, viewer: StaffViewer) -> Tokens:
    """Your access tokens, the newest first."""
    response.headers["Cache-Control"] = "no-store"
    rows = await tokens.of(session, viewer)
    return Tokens(items=[TokenOut.model_validate(row, from_attributes=True) for row in rows])


@router.delete("/me/tokens/{token_id}", status_code=204, openapi_extra=WRITE)
async def revoke_token(session: Session, viewer: StaffViewer, token_id: UUID) -> None:
    """End a token at once, also the one that asks."""
    await tokens.revoke(session, viewer, token_id)
