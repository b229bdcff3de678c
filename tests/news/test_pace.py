"""The rule by which guests are told, minute by minute, without a database."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import pytest

from trouvaille.news.models import News
from trouvaille.news.pace import GAP_AFTER, GAP_DURING, LONGEST_BATCH, Quiet, When, look

NIGHT = Quiet(22, 8)
PARTY = When("Europe/Paris", date(2026, 7, 4), date(2026, 7, 4), NIGHT)
NOON = datetime(2026, 7, 4, 10, 0, tzinfo=UTC)  # 12:00 in Paris


def _news(**more: object) -> News:
    values: dict[str, object] = {"guest_id": uuid4(), "known": 0, "counted": 0, "unanswered": 0, "check_at": NOON}
    return News(**(values | more))


def _told(news: News, counts: dict[int, int], *, minutes: int, begins: datetime = NOON) -> list[int]:
    """The minutes at which somebody is told, when so many photos are theirs from these minutes on."""
    told, mine = [], 0
    for minute in range(minutes):
        mine = counts.get(minute, mine)
        moment = begins + timedelta(minutes=minute)
        if news.check_at <= moment and look(news, mine, moment, PARTY, reachable=True):
            told.append(minute)
    return told


def test_a_batch_is_told_once_it_is_complete() -> None:
    news = _news()
    told = _told(news, {0: 3, 4: 5, 8: 9}, minutes=150)
    assert len(told) == 1 and 18 <= told[0] <= 20
    assert (news.known, news.unanswered) == (9, 1)


def test_photos_without_end_are_told_after_an_hour_and_then_each_few_hours() -> None:
    told = _told(_news(), {minute: minute + 1 for minute in range(0, 500, 2)}, minutes=500)
    assert len(told) == 3
    assert abs(told[0] - LONGEST_BATCH.total_seconds() / 60) <= 2
    assert all(later - first >= GAP_DURING.total_seconds() / 60 for first, later in pairwise(told))


def test_after_the_event_at_most_one_a_day() -> None:
    later = NOON + timedelta(days=3)
    news = _news(check_at=later)
    told = _told(news, {minute: minute + 1 for minute in range(0, 8000, 60)}, minutes=8000, begins=later)
    assert len(told) >= 3
    assert all(b - a >= GAP_AFTER.total_seconds() / 60 for a, b in pairwise(told))


def test_nobody_is_told_at_night_and_everybody_in_the_morning() -> None:
    evening = datetime(2026, 7, 4, 19, 55, tzinfo=UTC)  # 21:55 in Paris
    news = _news(check_at=evening)
    told = _told(news, {0: 2}, minutes=12 * 60, begins=evening)
    (minute,) = told
    local = evening + timedelta(minutes=minute)
    assert datetime(2026, 7, 5, 6, 0, tzinfo=UTC) <= local < datetime(2026, 7, 5, 6, 20, tzinfo=UTC)  # 8:00 in Paris


@pytest.mark.parametrize(
    ("quiet", "hour", "ends"),
    [
        (Quiet(22, 8), 23, 8),
        (Quiet(22, 8), 3, 8),
        (Quiet(22, 8), 12, None),
        (Quiet(1, 6), 3, 6),
        (Quiet(1, 6), 7, None),
        (Quiet(9, 9), 9, None),
        (Quiet(0, 8), 0, 8),
    ],
)
def test_quiet_hours_may_go_over_midnight(quiet: Quiet, hour: int, ends: int | None) -> None:
    moment = datetime(2026, 1, 10, hour, 30, tzinfo=UTC)
    after = quiet.end_after(moment, "UTC")
    assert (
        after == moment
        if ends is None
        else (after.hour, after > moment, after - moment < timedelta(days=1))
        == (
            ends,
            True,
            True,
        )
    )


def test_quiet_hours_end_by_the_clock_of_the_place_when_the_clocks_change() -> None:
    night = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)  # 23:30 in Paris; the clocks go forward at 2:00
    assert NIGHT.end_after(night, "Europe/Paris") == datetime(2026, 3, 29, 6, 0, tzinfo=UTC)


def test_whoever_looks_is_not_told() -> None:
    news = _news()
    for minute in range(40):
        moment = NOON + timedelta(minutes=minute)
        # As a page that stays open notes it, which knows all but the newest photo.
        news.seen_at = moment
        assert look(news, 5, moment, PARTY, reachable=True) == 0
    assert look(news, 5, NOON + timedelta(minutes=46), PARTY, reachable=True) == 5


def test_photos_that_go_are_never_told_and_others_in_their_place_are() -> None:
    news = _news(known=5, counted=5)
    assert _told(news, {0: 5, 3: 8, 8: 5}, minutes=60) == []
    assert _told(news, {0: 2}, minutes=10, begins=NOON + timedelta(hours=2)) == []
    assert news.known == 2
    assert len(_told(news, {0: 4}, minutes=60, begins=NOON + timedelta(hours=3))) == 1


def test_who_can_not_be_reached_is_told_all_of_it_once_they_can() -> None:
    news = _news()
    for hour in range(3):
        assert look(news, 4, NOON + timedelta(hours=hour), PARTY, reachable=False) == 0
    assert look(news, 4, NOON + timedelta(hours=3), PARTY, reachable=True) == 4


@pytest.mark.parametrize(
    ("moment", "is_on"),
    [
        ("2026-07-03T12:00+00:00", False),
        ("2026-07-04T12:00+00:00", True),
        ("2026-07-05T02:00+00:00", True),  # 4:00 in Paris: the party goes on
        ("2026-07-05T12:00+00:00", False),
    ],
)
def test_an_event_lasts_into_its_night(moment: str, is_on: bool) -> None:
    assert PARTY.is_on(datetime.fromisoformat(moment)) is is_on
    assert not When("UTC", None, None, NIGHT).is_on(datetime.fromisoformat(moment))
