"""What a guest's browser shows when there are more photos of them, and the job that sends it there."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import metrics
from trouvaille.core.clock import now
from trouvaille.core.db import transaction
from trouvaille.core.errors import N_
from trouvaille.core.jobs import MAIL, Work, defer, job
from trouvaille.core.push_services import Message, PushRefused, PutOff, SubscriptionGone
from trouvaille.core.secrets import Vault
from trouvaille.core.webpush import to_text
from trouvaille.events.models import Event
from trouvaille.guests.models import Guest
from trouvaille.news import devices
from trouvaille.news.devices import Address
from trouvaille.news.models import News, PushSubscription
from trouvaille.news.pace import Quiet
from trouvaille.web.i18n import gettext_in
from trouvaille.web.render import static

log = structlog.get_logger()
JOB = "news.push"
# A phone that was off for longer is told of what comes next.
KEPT_FOR = timedelta(days=1)
# Waits of 2, 4, 8 … seconds, or as the push service asks: after a quarter of an hour it is left for the next time.
TRIES = 10
# After mail: somebody waits for a letter with a link, and nobody for this.
PRIORITY = 5


def content(vault: Vault, guest: Guest, event: Event, subscription_id: UUID, *, new: int, last: bool) -> bytes:
    """What the service worker reads (``frontend/worker/push.ts``).

    No picture comes along, and no name of a guest: a locked phone shows it to everybody.
    """

    def said(text: str) -> str:
        return gettext_in(guest.locale, text)

    body = said(N_("A new photo of you")) if new == 1 else said(N_("%(n)s new photos of you")) % {"n": new}
    if last:
        body = f"{body}. " + said(N_("You have not looked in for a while, so you hear no more until you do."))
    shown = {
        "title": event.name,
        "body": body,
        "lang": guest.locale,
        # A newer one takes the older one's place.
        "tag": f"more:{event.code}",
        "icon": static("app/icon-192.png"),
        "url": f"/e/{event.code}/photos?show=mine",
        "stop": {"title": said(N_("No more of these")), "url": f"/push/{devices.stop_token(vault, subscription_id)}"},
    }
    return json.dumps(shown, ensure_ascii=False).encode()


async def post(session: AsyncSession, guest_id: UUID, *, new: int, last: bool) -> None:
    """Tell all of a guest's browsers once this transaction is committed."""
    for subscription_id in await session.scalars(
        select(PushSubscription.id).where(PushSubscription.guest_id == guest_id)
    ):
        await defer(session, JOB, queue=MAIL, priority=PRIORITY, subscription_id=subscription_id, new=new, last=last)


async def _give_up(session: AsyncSession, args: dict[str, Any], reason: str) -> None:
    await devices.note_failure(session, UUID(args["subscription_id"]))


@job(JOB, queue=MAIL, abandon=_give_up, tries=TRIES)
async def _send(work: Work, *, subscription_id: str, new: int, last: bool) -> None:
    """Hand one notice to a push service, unless it has become idle meanwhile."""
    if work.push is None:
        return
    known = UUID(subscription_id)
    async with transaction(work.sessions) as session:
        row = (
            await session.execute(
                select(PushSubscription, Guest, Event, News)
                .join(Guest, Guest.id == PushSubscription.guest_id)
                .join(Event, Event.id == PushSubscription.event_id)
                .join(News, News.guest_id == PushSubscription.guest_id)
                .where(PushSubscription.id == known)
            )
        ).first()
    if row is None:
        return
    subscription, guest, event, news = row
    # Whoever has looked since the round needs no telling.
    if not event.is_shown or not news.unanswered:
        return
    begins = Quiet(*work.quiet_hours).end_after(now(), event.time_zone)
    if begins > now():
        raise PutOff("it is night there", (begins - now()).total_seconds())
    address = Address.opened(work.vault, subscription.sealed)
    message = Message(
        content(work.vault, guest, event, known, new=new, last=last),
        ttl_s=int(KEPT_FOR.total_seconds()),
        # The push service must not be able to tell by it who is at the same event.
        topic=to_text(work.vault.fingerprint("push-topic", guest.id.hex)[:16]),
    )
    outcome = "sent"
    try:
        await work.push.send(address.endpoint, address.keys, message)
    except PutOff:
        metrics.PUSH.labels("put_off").inc()
        raise
    except (SubscriptionGone, PushRefused) as error:
        outcome = "gone" if isinstance(error, SubscriptionGone) else "refused"
        log.info("push not taken", subscription=subscription_id, service=subscription.service, why=error.text)
    metrics.PUSH.labels(outcome).inc()
    async with transaction(work.sessions) as session:
        if outcome == "gone":
            await devices.drop_gone(session, address.endpoint)
        elif outcome == "refused":
            await devices.note_failure(session, known)
        else:
            await devices.note_success(session, known)
