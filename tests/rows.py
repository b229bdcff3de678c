"""Rows that a test begins with, where it speaks to the services and not to the pages."""

from uuid import uuid4

from trouvaille.accounts.models import Role, Staff
from trouvaille.accounts.service import Viewer
from trouvaille.core.db import Sessions, transaction
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.events.plans import EventPlan


async def party(sessions: Sessions) -> tuple[Viewer, Event]:
    """An organiser and their event, without face finding; committed."""
    async with transaction(sessions) as session:
        staff = Staff(email="a@example.org", display_name="A", password_hash="", role=Role.ORGANISER)
        session.add(staff)
        await session.flush()
        viewer = Viewer(session_id=uuid4(), kind="staff", id=staff.id, display_name="A")
        return viewer, await events.create(session, viewer, EventPlan("Party", "PARTY234"), attest_faces=False)
