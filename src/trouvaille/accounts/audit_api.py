"""The audit log, for administrators' scripts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from trouvaille.accounts import audit
from trouvaille.accounts.audit import Act
from trouvaille.accounts.identity import Administrator
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.web.api import USUAL, Cursor, Limit, Page, page_of
from trouvaille.web.site import Session

router = APIRouter(prefix="/api/v1/audit", tags=["Server"])
READ = wants(Scope.SERVER_READ)


class EntryOut(BaseModel):
    """One act that matters for security: ids, and nothing else of anybody."""

    id: UUID
    at: datetime
    act: str = Field(description="A word, which stays the same.", examples=["sign_in.failed"])
    actor_kind: str | None = Field(description="`staff` or `guest`; null for a job or the console.", examples=["staff"])
    actor_id: UUID | None
    about_id: UUID | None = Field(description="Whom or what it was done to.")
    event_id: UUID | None


@router.get("", openapi_extra=READ)
async def list_audit(
    request: Request,
    response: Response,
    session: Session,
    viewer: Administrator,
    act: Annotated[Act | None, Query(description="Only this act.")] = None,
    about: Annotated[UUID | None, Query(description="Only what this person or event did, or had done to it.")] = None,
    limit: Limit = USUAL,
    cursor: Cursor = "",
) -> Page[EntryOut]:
    """The audit log, the newest first."""
    shown = await audit.entries(session, act=act or "", about=about, limit=limit, cursor=cursor)
    items = [EntryOut.model_validate(entry, from_attributes=True) for entry in shown.items]
    return page_of(request, response, items, shown.cursor)
