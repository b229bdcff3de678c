"""Codes in addresses can't be tried one after the other, and who tries keeps nobody out who stands beside."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import Script
from tests.people import Visitor, another_browser
from trouvaille.accounts.throttle import Pace
from trouvaille.events import checks

FREE = 6


@pytest.fixture(autouse=True)
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few misses are free, and then one waits for longer than a test takes."""
    monkeypatch.setattr(checks, "MISSES", Pace(free=FREE, first_s=60, longest_s=60, forgets_one_in_s=600))


def _try(browser: TestClient, name: str) -> list[int]:
    return [browser.get(f"/e/{name}{n}").status_code for n in range(FREE + 3)]


def test_a_stranger_who_tries_codes_waits_and_learns_nothing_meanwhile(organiser: Script, site: TestClient) -> None:
    assert _try(site, "WRONG") == [404] * (FREE + 1) + [429] * 2
    refused = site.get("/e/PARTY234/register")
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
    # From elsewhere nobody waits, and a whole IPv6 network is one sender.
    assert another_browser(site, client=("192.0.2.7", 4000)).get("/e/PARTY234").status_code == 200
    assert _try(another_browser(site, client=("2001:db8::1", 4000)), "WRONG")[-1] == 429
    assert another_browser(site, client=("2001:db8::2", 4000)).get("/e/PARTY234").status_code == 429
    assert another_browser(site, client=("2001:db8:1::1", 4000)).get("/e/PARTY234").status_code == 200


def test_a_hall_full_of_strangers_with_the_right_code_is_never_slowed(organiser: Script, site: TestClient) -> None:
    assert {site.get("/e/PARTY234").status_code for _ in range(FREE + 20)} == {200}


def test_one_who_tries_codes_keeps_no_guest_out_who_comes_from_the_same_address(
    organiser: Script, site: TestClient, visitor: Callable[[], Visitor]
) -> None:
    guest = visitor()
    assert guest.register("PARTY234", "rose").status_code == 303
    assert _try(site, "WRONG")[-1] == 429
    newcomer = visitor()
    assert newcomer.get("/e/party-234").status_code == 200
    assert newcomer.register("PARTY234", "lily").status_code == 303
    assert guest.get("/e/PARTY234/photos").status_code == 200
    # Of an event that nobody beside them came to, they learn nothing, though its code is right.
    assert site.get("/e/SERVER23").status_code == 429


def test_a_code_is_familiar_at_an_address_in_every_process(organiser: Script, site: TestClient) -> None:
    assert site.get("/e/PARTY234").status_code == 200
    site.app.state.codes = checks.Codes()  # type: ignore[attr-defined] - what another process remembers: nothing
    assert _try(site, "WRONG")[-1] == 429
    assert site.get("/e/PARTY234").status_code == 200


def test_who_is_signed_in_can_not_try_codes_either_and_hurts_nobody_else(
    organiser: Script, site: TestClient, visitor: Callable[[], Visitor]
) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    assert _try(guest.browser, "WRONG") == [404] * (FREE + 1) + [429] * 2
    assert guest.get("/e/SERVER23").status_code == 429
    assert guest.get("/e/PARTY234/photos").status_code == guest.get("/e/party-234/photos").status_code == 200
    assert visitor().get("/e/SERVER23").status_code == 200
