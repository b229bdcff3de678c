"""The guest list as a table for spreadsheets, the same on the page and for scripts."""

from zoneinfo import ZoneInfo

from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core.errors import N_
from trouvaille.core.tables import to_csv
from trouvaille.events.models import Event
from trouvaille.roster import service
from trouvaille.roster.service import Only
from trouvaille.web.i18n import gettext

HEADS = (N_("Name"), N_("Username"), N_("E-mail"), N_("Registered"), N_("Selfie"), N_("Photos"))


async def table(session: AsyncSession, event: Event, *, search: str, only: Only) -> Response:
    """A CSV file of the guests that are asked for, in the viewer's language and by the event's clock."""
    shown = await service.of_event(session, event.id, search=search.replace("\0", "").strip(), only=only)
    zone, words = ZoneInfo(event.time_zone), {True: gettext(N_("yes")), False: gettext(N_("no"))}
    rows = [
        (
            row.display_name,
            row.username or "",
            row.email or "",
            row.created_at.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
            words[row.selfie == "accepted"],
            row.photos,
        )
        for row in shown.rows
    ]
    headers = {
        "Content-Disposition": f'attachment; filename="{event.code}-guests.csv"',
        "Cache-Control": "no-store",
    }
    csv = to_csv([[gettext(head) for head in HEADS], *rows])
    return Response(csv, media_type="text/csv; charset=utf-8", headers=headers)
