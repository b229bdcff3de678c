"""Times and numbers as people read them are remembered, but never one for another."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from trouvaille.web import i18n


def test_one_moment_in_two_time_zones_is_written_in_two_ways() -> None:
    i18n.use("en")
    here = datetime(2026, 6, 13, 12, 0, tzinfo=UTC)
    there = here.astimezone(ZoneInfo("Asia/Tokyo"))
    assert here == there
    assert [i18n.long_datetime(each) for each in (here, there)] == [
        i18n.long_datetime(each.replace(tzinfo=None)) for each in (here, there)
    ]
    assert i18n.long_datetime(here) != i18n.long_datetime(there)


def test_a_number_is_remembered_for_each_language() -> None:
    for locale, written in (("en", "1,234"), ("fr", "1\u202f234"), ("en", "1,234")):
        i18n.use(locale)
        assert i18n.number(1234) == written
    i18n.use("en")
