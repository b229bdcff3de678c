"""Which event a code means, for scripts that add photos."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel

from trouvaille.accounts.identity import StaffViewer
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.events import rights
from trouvaille.events import service as events
from trouvaille.events.rights import Right
from trouvaille.web.site import Session

router = APIRouter(prefix="/api/v1", tags=["Events"])


class EventByCode(BaseModel):
    """An event that photos may be added to."""

    id: UUID
    name: str
    code: str


@router.get("/events/by-code/{code}", openapi_extra=wants(Scope.PHOTOS_WRITE))
async def by_code(session: Session, viewer: StaffViewer, code: Annotated[str, Path(max_length=100)]) -> EventByCode:
    """The event with a code, for those who may add photos to it."""
    found = await events.by_code(session, code, viewer)
    event = await rights.for_staff(session, viewer, found.id, Right.UPLOAD)
    return EventByCode(id=event.id, name=event.name, code=event.code)
