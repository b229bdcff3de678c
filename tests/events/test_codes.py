"""Codes as people type them, and zones in which days begin and end."""

from datetime import UTC, date, datetime

import pytest

from trouvaille.core.errors import Invalid
from trouvaille.core.secrets import CODE_SIGNS
from trouvaille.events import zones
from trouvaille.events.codes import clean_code, propose_code


@pytest.mark.parametrize("typed", ["lea-tom", " LEA tom ", "Lea–Tom", "lea\u2011tom", "LEA_TOM", "lea--tom"])
def test_spaces_case_and_the_kind_of_hyphen_make_no_difference(typed: str) -> None:
    assert clean_code(typed).replace("-", "") == "LEATOM"


@pytest.mark.parametrize("typed", ["", "abc", "a-b-c", "-abcd", "abcd-", "äbcd", "x" * 33, "ab'; DROP"])
def test_what_is_no_code_is_refused(typed: str) -> None:
    with pytest.raises(Invalid):
        clean_code(typed)


def test_proposed_codes_have_eight_signs_that_nobody_confuses() -> None:
    codes = {propose_code() for _ in range(500)}
    assert len(codes) == 500
    assert all(len(code) == 8 and set(code) <= set(CODE_SIGNS) for code in codes)
    assert not set("01OIL") & set(CODE_SIGNS)


def test_a_day_ends_when_it_does_at_the_place() -> None:
    assert zones.end_of(date(2027, 6, 19), "Europe/Paris") == datetime(2027, 6, 19, 22, tzinfo=UTC)
    assert zones.end_of(date(2027, 6, 19), "Pacific/Auckland") == datetime(2027, 6, 19, 12, tzinfo=UTC)
    assert zones.end_of(None, "UTC") is None


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "America/St_Johns", "Africa/Cairo", "Pacific/Kiritimati"])
@pytest.mark.parametrize("day", [date(2027, 3, 28), date(2027, 4, 29), date(2027, 10, 31), date(2028, 2, 29)])
def test_the_last_day_is_read_back_as_it_was_set(zone: str, day: date) -> None:
    assert zones.day_before(zones.end_of(day, zone), zone) == day


def test_zones_are_named_by_city_and_country_in_the_viewers_language() -> None:
    german = dict(zones.choices("fr"))["Europe/Berlin"]
    assert german == "Berlin, Allemagne"
    assert len(zones.choices("en")) == len(zones.known()) > 350
