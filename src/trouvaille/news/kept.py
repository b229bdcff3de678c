"""What is kept about how a guest is told of new photos."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.guests.kept import Part, Rows, of_table, row_of
from trouvaille.guests.models import Guest
from trouvaille.news.models import News, PushSubscription
from trouvaille.web.i18n import ngettext

# Who holds a browser's endpoint and keys could try to send to it.
SEALED = {"sealed", "endpoint_hash"}


async def _browsers(session: AsyncSession, guest: Guest) -> Rows:
    found = await session.scalars(select(PushSubscription).where(PushSubscription.guest_id == guest.id))
    return [{key: value for key, value in row_of(each).items() if key not in SEALED} for each in found]


PARTS = (
    Part("told_of_new_photos", frozenset({"guest_news"}), of_table(News, News.guest_id)),
    Part(
        "told_on_devices",
        frozenset({"push_subscriptions"}),
        _browsers,
        lambda n: ngettext("%(n)s device that was told of new photos", "%(n)s devices that were told of new photos", n),
    ),
)
