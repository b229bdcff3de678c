"""The accounts slice for scripts."""

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from trouvaille.accounts.identity import AnyViewer
from trouvaille.accounts.tokens import Scope, wants

router = APIRouter(prefix="/api/v1", tags=["Account"])


class Me(BaseModel):
    """Whoever asks."""

    kind: str
    id: UUID
    display_name: str


@router.get("/me", openapi_extra=wants(Scope.ACCOUNT_READ))
async def me(viewer: AnyViewer) -> Me:
    return Me(kind=viewer.kind, id=viewer.id, display_name=viewer.display_name)
