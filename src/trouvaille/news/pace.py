"""When a guest is told that there is more: a rule without database, so that it can be read and tried as a whole.

All moments are in UTC; days and hours are those of the event's place.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from trouvaille.news.models import News

SETTLED_AFTER = timedelta(minutes=10)
"""No further photo for so long: the batch is complete."""
LONGEST_BATCH = timedelta(hours=1)
"""A photographer who never stops must not keep the first photos from anybody."""
GAP_DURING = timedelta(hours=3)
GAP_AFTER = timedelta(days=1)
LOOKING_FOR = timedelta(minutes=5)
"""Whoever looked so lately sees the photos come."""
UNSEEN_AT_MOST = 3
"""After so many times without a visit, nobody wants to hear of it again."""
NIGHT_ENDS = timedelta(hours=6)
"""A party's last hours belong to the day on which it began."""
SOON, LATER = timedelta(minutes=2), timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of the day in which nobody is told anything; the same twice for none."""

    begins: int
    ends: int

    def end_after(self, moment: datetime, zone: str) -> datetime:
        """The moment itself, or the end of the quiet hours that it lies in."""
        local = moment.astimezone(ZoneInfo(zone))
        hour = local.hour
        inside = self.begins <= hour < self.ends if self.begins <= self.ends else not self.ends <= hour < self.begins
        if self.begins == self.ends or not inside:
            return moment
        day = local.date() + timedelta(days=int(hour >= self.ends))
        return datetime.combine(day, time(self.ends), ZoneInfo(zone)).astimezone(moment.tzinfo)


@dataclass(frozen=True, slots=True)
class When:
    """The event, as far as telling goes by it."""

    zone: str
    starts_on: date | None
    ends_on: date | None
    quiet: Quiet

    def is_on(self, moment: datetime) -> bool:
        """Whether the event takes place at this moment; one without days takes place never."""
        if self.starts_on is None:
            return False
        today = (moment.astimezone(ZoneInfo(self.zone)) - NIGHT_ENDS).date()
        return self.starts_on <= today <= (self.ends_on or self.starts_on)


def look(news: News, mine: int, moment: datetime, when: When, *, reachable: bool) -> int:
    """Bring what is known of a guest up to date; returns how many new photos they are to be told of now, mostly 0.

    Args:
        mine: how many photos they are in, of those that they may see.
        reachable: whether there is a way to tell them.
    """
    usual = SOON if when.is_on(moment) else LATER
    if mine <= news.known:
        news.known = news.counted = mine
        news.pending_since = news.changed_at = None
        news.check_at = moment + usual
        return 0
    if news.pending_since is None or mine != news.counted:
        news.changed_at = moment
    news.pending_since, news.counted = news.pending_since or moment, mine
    due = _due(news, moment, when)
    if due > moment or not reachable:
        # Counting goes on meanwhile, or nobody would know when the last photo came.
        news.check_at = max(moment + SOON, min(due, moment + LATER)) if reachable else moment + LATER
        return 0
    new = mine - news.known
    news.known, news.told_at, news.unanswered = mine, moment, news.unanswered + 1
    news.pending_since = news.changed_at = None
    news.check_at = moment + usual
    return new


def _due(news: News, moment: datetime, when: When) -> datetime:
    """The first moment at which the guest may be told of what is pending."""
    assert news.pending_since is not None and news.changed_at is not None
    due = max(moment, min(news.changed_at + SETTLED_AFTER, news.pending_since + LONGEST_BATCH))
    if news.told_at is not None:
        due = max(due, news.told_at + (GAP_DURING if when.is_on(due) else GAP_AFTER))
    if news.seen_at is not None:
        due = max(due, news.seen_at + LOOKING_FOR)
    return when.quiet.end_after(due, when.zone)
