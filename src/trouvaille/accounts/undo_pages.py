"""Undoing a removal, from the notice that tells of it."""

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from trouvaille.accounts import undo
from trouvaille.accounts.identity import StaffViewer
from trouvaille.web.render import go, wants_json
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False)


@router.post("/undo/{removed_id}")
async def put_back(request: Request, session: Session, viewer: StaffViewer, removed_id: UUID) -> Response:
    address = await undo.put_back(session, viewer, removed_id)
    return Response(status_code=204) if wants_json(request) else go(address)
