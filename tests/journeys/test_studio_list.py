"""The studio of somebody who has many events."""

import re
from collections.abc import Callable

import psycopg
import pytest

from tests.people import Visitor
from trouvaille.events import rights
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
MANY = 2 * rights.EVENTS_A_PAGE + 5


@pytest.fixture
def many(owner: Visitor, settings: Settings) -> Visitor:
    """Owns events of as many days, and one without a date."""
    with psycopg.connect(settings.database_url or "") as connection:
        names = [
            name
            for (name,) in connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'events'"
            ).fetchall()
        ]
        changed = {
            "id": "gen_random_uuid()",
            "code": "'N' || n || '-X'",
            "name": "'Day ' || lpad(n::text, 3, '0')",
            "starts_on": "DATE '2020-01-01' + n",
        }
        values = ", ".join(changed.get(name, name) for name in names)
        connection.execute(
            f"INSERT INTO events ({', '.join(names)}) SELECT {values} FROM events, generate_series(1, %s) AS n",
            (MANY,),
        )
    return owner


def _names(page: str) -> list[str]:
    return re.findall(r'class="event__name">([^<]+)<', page)


def _older(page: str) -> str | None:
    found = re.search(r'href="(/studio\?[^"]+)"[^>]*>\s*(?:<span>)?Older events', page)
    return found[1].replace("&amp;", "&") if found else None


def test_all_events_are_reached_page_by_page_the_latest_day_first(many: Visitor) -> None:
    seen, address = [], "/studio"
    while address and len(seen) < 5:
        page = many.get(address).text
        seen.append(_names(page))
        address = _older(page) or ""
    days = [f"Day {n:03}" for n in range(MANY, 0, -1)]
    assert [name for page in seen for name in page][:MANY] == days
    assert [len(page) for page in seen] == [rights.EVENTS_A_PAGE, rights.EVENTS_A_PAGE, 6]
    assert not _names(many.get("/studio").text)[-1].startswith("Day 00")


def test_an_event_is_found_by_a_part_of_its_name_or_its_code(many: Visitor) -> None:
    assert _names(many.get("/studio?search=day 07").text) == [f"Day {n:03}" for n in range(79, 69, -1)]
    assert _names(many.get("/studio?search=n12x").text) == ["Day 012"]
    assert _names(many.get("/studio?search=%25").text) == [], "a sign of patterns is a sign like any other"
    assert "No event found" in many.get("/studio?search=nothing of the kind").text


def test_a_cursor_of_nowhere_is_refused_and_others_events_are_never_found(many: Visitor, visitor: Visitors) -> None:
    assert many.get("/studio?after=nonsense").status_code == 422
    photographer = visitor()
    photographer.accept(many.invite(email="pia@example.org"), "pia@example.org")
    assert len(_names(photographer.get("/studio").text)) == 1
    assert _names(photographer.get("/studio?search=day").text) == []
