"""The round: who is to be told that there is more, found in one query, some guests at a time."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, exists, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.core import mail
from trouvaille.core.clock import now
from trouvaille.core.secrets import Vault
from trouvaille.events.models import Event, shown
from trouvaille.guests.models import Enrolment, EnrolmentState, Guest
from trouvaille.matching.models import Match
from trouvaille.matching.service import is_mine
from trouvaille.news import letters, notices, pace
from trouvaille.news.models import News, PushSubscription, Stop
from trouvaille.news.pace import Quiet, When
from trouvaille.news.service import link_token
from trouvaille.photos.models import Photo
from trouvaille.photos.models import shown as photos_shown
from trouvaille.web.letters import write

# Few enough that a page which notes that its guest looks is seldom held up, and that each is found by index.
AT_ONCE = 50
ADOPTED_WITHIN = timedelta(days=7)
ASLEEP = timedelta(hours=6)
"""How long an event that guests can't look at is left alone."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What a round tells with.

    Attributes:
        public_url: where links in mails begin, without a slash at the end.
        mail, push: which ways there are on this server.
    """

    vault: Vault
    public_url: str
    quiet: Quiet
    mail: bool = True
    push: bool = True


async def adopt(session: AsyncSession) -> None:
    """Begin with guests who sent a selfie and closed the page before anything was found: they have seen nothing yet."""
    moment = now()
    missing = (
        select(
            Enrolment.guest_id,
            Enrolment.event_id,
            literal(True),
            literal(0),
            literal(0),
            literal(0),
            literal(moment),
        )
        .where(
            Enrolment.state == EnrolmentState.ACCEPTED,
            Enrolment.decided_at > moment - ADOPTED_WITHIN,
            ~exists().where(News.guest_id == Enrolment.guest_id),
        )
        .limit(AT_ONCE)
    )
    columns = ["guest_id", "event_id", "mail", "known", "counted", "unanswered", "check_at"]
    await session.execute(insert(News).from_select(columns, missing).on_conflict_do_nothing())


def _is_told_by_push() -> ColumnElement[bool]:
    return exists().where(PushSubscription.guest_id == News.guest_id)


def due(*, push_only: bool = False) -> Select[*tuple[Any, ...]]:
    """Guests whose time to be looked at has come, longest ago first, with their event, their number of photos and
    whether a browser of theirs is told.

    The number is NULL where guests can't look at the event, or nobody looks for this guest's face any more.
    Rows that another worker looks at are left out.

    Args:
        push_only: where no mail is sent, only who is told by push is looked at.
    """
    reachable = (_is_told_by_push(),) if push_only else ()
    turn = (
        select(News.guest_id)
        .where(News.stopped.is_(None), News.check_at <= now(), *reachable)
        .order_by(News.check_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
        .cte("turn")
    )
    mine = (
        select(func.count())
        .select_from(Match)
        .join(Photo, Photo.id == Match.photo_id)
        # The event is said again for its index: a guest's photos are a large part of their event's, and few of all.
        .where(Match.guest_id == News.guest_id, Photo.event_id == News.event_id, is_mine(), photos_shown())
        .scalar_subquery()
    )
    enrolled = exists().where(Enrolment.guest_id == News.guest_id, Enrolment.state == EnrolmentState.ACCEPTED)
    return (
        select(
            News, Guest, Event, case((and_(shown(), enrolled), mine)).label("mine"), _is_told_by_push().label("pushed")
        )
        .join(turn, turn.c.guest_id == News.guest_id)
        .join(Guest, Guest.id == News.guest_id)
        .join(Event, Event.id == News.event_id)
    )


async def look_at_some(session: AsyncSession, telling: Telling) -> int:
    """Look at the guests whose turn it is and tell those who are to be told; returns how many were looked at.

    Row, letter and jobs are committed together, so that nobody is told twice or never.
    """
    rows = list(await session.execute(due(push_only=not telling.mail)))
    for row in rows:
        await _look_at(session, telling, row)
    await session.flush()
    return len(rows)


async def _look_at(session: AsyncSession, telling: Telling, row: Row[*tuple[Any, ...]]) -> None:
    news, guest, event, mine, pushed = row
    moment = now()
    if mine is None:
        news.check_at = moment + (pace.LATER if event.is_shown else ASLEEP)
        return
    when = When(event.time_zone, event.starts_on, event.ends_on, telling.quiet)
    has_mailbox = guest.email is not None and guest.email_confirmed_at is not None and not news.bounced
    by_mail, by_push = telling.mail and news.mail and has_mailbox, telling.push and pushed
    new = pace.look(news, mine, moment, when, reachable=by_mail or by_push)
    if not new:
        return
    last = news.unanswered >= pace.UNSEEN_AT_MOST
    if last:
        news.stopped = Stop.UNSEEN
    if by_mail:
        await _mail(session, telling, guest, event, new, last=last)
    if by_push:
        await notices.post(session, guest.id, new=new, last=last)


async def _mail(session: AsyncSession, telling: Telling, guest: Guest, event: Event, new: int, *, last: bool) -> None:
    stop_url = f"{telling.public_url}/news/{link_token(telling.vault, guest.id)}"
    draft = letters.more_photos(
        new, last=last, link=f"{telling.public_url}/e/{event.code}/photos?show=mine", stop_url=stop_url
    )
    written = write(draft, to=str(guest.email), locale=guest.locale, name=guest.display_name, event=event.name, n=new)
    # RFC 8058: a mail program's own button posts to this address, without a person, a cookie or a question.
    headers = {"List-Unsubscribe": f"<{stop_url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    bounce = ("news.note_bounce", {"guest_id": str(guest.id)})
    await mail.post(session, telling.vault, replace(written, headers=headers, bounce=bounce))
