"""One's accounts elsewhere that open the one here, for scripts. Linking one takes a browser, which is sent there."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from trouvaille.accounts import identities, service
from trouvaille.accounts.identity import AnyViewer
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.web.site import Session

router = APIRouter(prefix="/api/v1/me/sign-on", tags=["Account"])


class IdentityOut(BaseModel):
    """An account elsewhere."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    issuer: str = Field(examples=["https://accounts.google.com"])
    shown: str = Field(description="How the page calls it.", examples=["Google · ada@example.org"])
    created_at: datetime = Field(description="When it was linked.")


class Identities(BaseModel):
    """All of them, the oldest first."""

    items: list[IdentityOut]


@router.get("", openapi_extra=wants(Scope.ACCOUNT_READ))
async def list_identities(response: Response, session: Session, viewer: AnyViewer) -> Identities:
    """Your accounts elsewhere that you may sign in with."""
    response.headers["Cache-Control"] = "no-store"
    rows = await identities.of(session, await service.subject_of_viewer(session, viewer))
    return Identities(items=[IdentityOut.model_validate(row) for row in rows])


@router.delete("/{identity_id}", status_code=204, openapi_extra=wants(Scope.ACCOUNT_WRITE))
async def unlink_identity(session: Session, viewer: AnyViewer, identity_id: UUID) -> None:
    """Sign in with one of them no longer. The only way in to an account without a password stays."""
    await identities.unlink(session, await service.subject_of_viewer(session, viewer), identity_id)
