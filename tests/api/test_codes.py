"""Codes in addresses can't be tried one after the other."""

from collections.abc import Callable

from starlette.testclient import TestClient

from tests.api.conftest import Script
from tests.people import Visitor
from trouvaille.events.checks import MISSES


def test_a_stranger_who_tries_codes_waits_and_learns_nothing_meanwhile(
    organiser: Script, site: TestClient, visitor: Callable[[], Visitor]
) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    statuses = [site.get(f"/e/WRONG{n}").status_code for n in range(MISSES.free + 3)]
    assert statuses[: MISSES.free] == [404] * MISSES.free and 429 in statuses[MISSES.free :]
    refused = site.get("/e/PARTY234/register")
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
    assert guest.get("/e/PARTY234/photos").status_code == 200


def test_a_hall_full_of_strangers_with_the_right_code_is_never_slowed(organiser: Script, site: TestClient) -> None:
    assert {site.get("/e/PARTY234").status_code for _ in range(MISSES.free + 20)} == {200}
