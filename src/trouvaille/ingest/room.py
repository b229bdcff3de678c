"""How much more fits, told before anything is sent, so that nobody learns in the middle that half of it does not."""

from typing import Any
from uuid import UUID

from trouvaille.accounts.service import Viewer
from trouvaille.core.db import Sessions, transaction
from trouvaille.events import rights
from trouvaille.events.rights import Right
from trouvaille.photos import quotas
from trouvaille.photos.quotas import Usage


async def look_up(sessions: Sessions, viewer: Viewer, event_id: UUID) -> dict[str, Any]:
    """What is used of each limit that binds the viewer in an event, and who the viewer is.

    Raises:
        NoSuchEvent, Archived
    """
    async with transaction(sessions) as session:
        await rights.to_change(session, viewer, event_id, Right.UPLOAD)
        left = await quotas.left(session, event_id, viewer.id)
    return {"viewer": str(viewer.id), "usages": [_said(usage) for usage in left.usages]}


def _said(usage: Usage) -> dict[str, Any]:
    return {
        "whose": usage.whose,
        "files": usage.files,
        "bytes": usage.size_bytes,
        "allowed_files": usage.allowed_files,
        "allowed_bytes": usage.allowed_bytes,
    }
