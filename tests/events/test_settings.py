"""What an organiser sets: days, languages, code, who sees what; copies and the end."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.people import Visitor, for_guests
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]


@pytest.fixture
def owner(visitor: Visitors) -> Visitor:
    owner = visitor()
    owner.set_up_server()
    return owner


def test_everything_that_was_typed_is_shown_again_and_to_guests(owner: Visitor, visitor: Visitors) -> None:
    owner.make_event(
        place="Moulin de la Galette", starts_on="2027-06-19", ends_on="2027-06-20", locales=["fr", "en"], locale="fr"
    )
    form = owner.get(f"/studio/{owner.event_id}/edit").text
    for value in ("Moulin de la Galette", "2027-06-19", "2027-06-20"):
        assert f'value="{value}"' in form
    assert 'value="Europe/Paris" selected' in form
    page = visitor().get("/e/PARTY234", headers={"accept-language": "fr"}).text
    assert "Moulin de la Galette" in page and "19–20 juin 2027" in page


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"starts_on": "2027-06-20", "ends_on": "2027-06-19"}, "It can&#39;t end before it begins."),
        ({"ends_on": "2027-06-19"}, "Please say when it begins, too."),
        (
            {"starts_on": "2027-06-19", "ends_on": "2027-06-20", "expires_on": "2027-06-19"},
            "The photos can&#39;t go before the event has ended.",
        ),
        ({"locales": None}, "Please choose at least one language."),
        ({"time_zone": "Mars/Olympus"}, "Please choose a time zone from the list."),
        ({"place": "x" * 200}, "Please keep this under 160 characters."),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(owner: Visitor, wrong: dict[str, object], said: str) -> None:
    owner.make_event()
    answer = owner.change(name="Other name", **wrong)
    assert answer.status_code == 422
    assert said in answer.text
    assert 'value="Other name"' in answer.text


def test_the_arrival_page_speaks_the_guests_language_if_the_event_does(owner: Visitor, visitor: Visitors) -> None:
    owner.make_event(locales=["fr"])
    english = {"accept-language": "en"}
    assert 'lang="fr"' in visitor().get("/e/PARTY234", headers=english).text
    assert '<html lang="en"' in visitor().get("/e/PARTY234?lang=en", headers=english).text
    owner.change(locales=["fr", "en"], locale="fr")
    assert '<html lang="en"' in visitor().get("/e/PARTY234", headers=english).text
    assert '<html lang="fr"' in visitor().get("/e/PARTY234", headers={"accept-language": "de"}).text


def test_a_code_is_found_however_it_is_typed_and_taken_however_it_is_spelt(owner: Visitor, visitor: Visitors) -> None:
    owner.make_event("LEA-TOM")
    for typed in ("lea tom", "LeaTom", "lea–tom"):
        assert visitor().get("/go", params={"code": typed}).headers["location"] == "/e/LEA-TOM"
    assert visitor().get("/e/leatom").status_code == 200
    answer = owner.post("/studio/new", {"name": "Other", "code": "L-EATOM", "locales": "en", "accent": "#b4532a"})
    assert answer.status_code == 409


def test_a_new_code_ends_the_old_one_and_asks_first(owner: Visitor, visitor: Visitors) -> None:
    owner.make_event()
    assert owner.post(f"/studio/{owner.event_id}/code").status_code == 422
    assert visitor().get("/e/PARTY234").status_code == 200
    assert owner.post(f"/studio/{owner.event_id}/code", {"sure": "yes"}).status_code == 303
    assert visitor().get("/e/PARTY234").status_code == 404
    code = re.search(r'share__code mono">([2-9A-HJKMNP-Z]{8})<', owner.get(f"/studio/{owner.event_id}").text)
    assert code and visitor().get(f"/e/{code[1]}").status_code == 200


def test_everyone_with_the_link_looks_through_all_photos_if_the_event_says_so(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    owner.make_event(gallery="everyone", downloads="view")
    owner.upload(samples["sample1.jpg"])
    run_jobs()
    stranger = visitor()
    stranger.code = "PARTY234"
    (photo,) = stranger.photos()
    assert "My photos" not in stranger.get("/e/PARTY234/photos?lang=en").text
    assert stranger.get(f"/e/PARTY234/photos/{photo}").status_code == 200
    assert stranger.get(f"/e/PARTY234/p/{photo}/thumb").status_code == 200
    assert stranger.get("/e/PARTY234/live").status_code in (303, 401)
    assert stranger.post(f"/e/PARTY234/photos/{photo}/verdict", {"answer": "no"}).status_code == 401
    owner.change(gallery="guests")
    assert stranger.get("/e/PARTY234/photos").headers["location"].startswith("/sign-in")
    assert stranger.get(f"/e/PARTY234/p/{photo}/thumb").status_code in (303, 401)


@pytest.mark.parametrize(
    ("downloads", "statuses"), [("none", (403, 403)), ("view", (200, 403)), ("original", (200, 200))]
)
def test_downloads_come_in_the_size_that_the_event_allows(
    owner: Visitor,
    visitor: Visitors,
    samples: dict[str, Path],
    run_jobs: Jobs,
    downloads: str,
    statuses: tuple[int, int],
) -> None:
    owner.make_event(gallery="guests", downloads=downloads)
    owner.upload(samples["sample1.jpg"])
    run_jobs()
    guest = visitor()
    guest.register("PARTY234", "rose")
    (photo,) = guest.photos("all")
    download, original = (guest.get(f"/e/PARTY234/p/{photo}/{name}") for name in ("download", "original"))
    assert (download.status_code, original.status_code) == statuses
    assert ("/download" in guest.get("/e/PARTY234/photos?show=all").text) == (downloads != "none")
    untouched = samples["sample1.jpg"].read_bytes()
    if download.status_code == 200:
        assert (download.content == for_guests(samples["sample1.jpg"])) == (downloads == "original")
        assert download.headers["content-disposition"] == "attachment; filename*=UTF-8''sample1.jpg"
    assert owner.get(f"/e/PARTY234/p/{photo}/original").content == untouched


def test_a_copy_has_the_settings_and_nothing_else(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], settings: Settings
) -> None:
    owner.make_event(place="Paris", gallery="everyone", downloads="view", locales=["fr", "en"], starts_on="2027-06-19")
    owner.upload(samples["sample1.jpg"])
    visitor().register("PARTY234", "rose")
    answer = owner.post(f"/studio/{owner.event_id}/duplicate")
    copy_id = answer.headers["location"].split("/")[2]
    with psycopg.connect(settings.database_url or "") as connection:
        row = connection.execute(
            "SELECT name, place, gallery, downloads, locales, state, starts_on, faces_attested_at, code <> 'PARTY234'"
            " FROM events WHERE id = %s",
            (copy_id,),
        ).fetchone()
        assert row == ("Copy of Lea & Tom", "Paris", "everyone", "view", ["en", "fr"], "draft", None, None, True)
        for table in ("photos", "guests", "event_pictures"):
            count = connection.execute(f"SELECT count(*) FROM {table} WHERE event_id = %s", (copy_id,)).fetchone()
            assert count == (0,)


def test_the_attestation_is_kept_with_person_time_version_and_language(owner: Visitor, settings: Settings) -> None:
    owner.make_event(faces=None)
    owner.post(f"/studio/{owner.event_id}/faces", {}, headers={"accept-language": "fr"})
    kept = (
        "SELECT staff.email, faces_attestation_version, faces_attestation_locale, faces_attested_at > now() - interval"
        " '1 minute' FROM events LEFT JOIN staff ON staff.id = faces_attested_by"
    )
    with psycopg.connect(settings.database_url or "", autocommit=True) as connection:
        assert connection.execute(kept).fetchone() == (None, None, None, None)
        owner.post(f"/studio/{owner.event_id}/faces", {"attest": "yes"}, headers={"accept-language": "fr"})
        assert connection.execute(kept).fetchone() == ("owner@example.org", "2026-11", "fr", True)


def _in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


def _reminders(settings: Settings) -> list[int]:
    with psycopg.connect(settings.database_url or "") as connection:
        return [days for (days,) in connection.execute("SELECT days_before FROM event_reminders ORDER BY created_at")]


def test_the_end_is_announced_once_at_each_distance_and_can_be_put_off(
    owner: Visitor, run_jobs: Jobs, settings: Settings
) -> None:
    owner.make_event(expires_on=_in_days(40), time_zone="UTC")
    run_jobs()
    assert _reminders(settings) == []
    for days, expected in ((29, [30]), (29, [30]), (6, [30, 7]), (0, [30, 7, 1])):
        with psycopg.connect(settings.database_url or "") as connection:
            connection.execute("UPDATE event_reminders SET expires_at = %s", (_end(days),))
            connection.execute("UPDATE events SET expires_at = %s", (_end(days),))
        run_jobs()
        assert _reminders(settings) == expected
    desk = f"/studio/{owner.event_id}"
    assert "Today is the last day" in owner.get(desk).text
    owner.post(f"{desk}/reminder/dismiss")
    assert "Today is the last day" not in owner.get(desk).text
    assert owner.post(f"{desk}/extend", {"days": "30"}).status_code == 303
    assert f'value="{_in_days(30)}"' in owner.get(f"{desk}/edit").text
    for nonsense in ("0", "-3", "many", "367", ""):
        assert owner.post(f"{desk}/extend", {"days": nonsense}).status_code == 422


def _end(days: int) -> datetime:
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day + timedelta(days=days + 1)


def test_an_event_that_is_over_comes_back_with_more_days(owner: Visitor, visitor: Visitors, settings: Settings) -> None:
    owner.make_event()
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE events SET expires_at = now() - interval '3 days'")
    assert "30 more days" in owner.get(f"/studio/{owner.event_id}").text
    assert visitor().register("PARTY234", "rose").status_code == 410
    owner.post(f"/studio/{owner.event_id}/extend", {"days": "30"})
    assert visitor().register("PARTY234", "rose").status_code == 303
