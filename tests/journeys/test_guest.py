"""A guest's whole way, by the pages alone, with the jobs worked off between."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pyvips

from tests.people import PASSWORD, Visitor, for_guests
from trouvaille.demo.party import GUESTS, selfie_jpeg
from trouvaille.settings import Settings

ROSE, MAYA = GUESTS[2], GUESTS[4]
Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]


def _names(owner: Visitor, samples: dict[str, Path], *names: str) -> dict[str, str]:
    """Upload samples; returns their file names by id."""
    return {row["id"]: row["file_name"] for row in owner.upload(*(samples[name] for name in names))["accepted"]}


def _enrolled(visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs, username: str = "rose") -> Visitor:
    guest = visitor()
    assert guest.register("PARTY234", username, agree="yes").headers["location"] == "/e/PARTY234/selfie"
    sample = next(each for each in GUESTS if each.username == "rose")
    assert guest.send_selfie(selfie_jpeg(sample, samples)).status_code == 303
    run_jobs()
    return guest


def test_a_guest_takes_a_selfie_and_sees_the_photos_that_they_are_in(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    names = _names(owner, samples, "sample1.jpg", "sample3.jpg", "sample6.jpg")
    guest = _enrolled(visitor, samples, run_jobs)
    assert guest.get("/e/PARTY234/selfie/status").json()["state"] == "accepted"
    assert {names[str(each)] for each in guest.photos()} == ROSE.truth
    assert guest.photos("all") == []


def test_photos_that_come_after_the_selfie_are_found_too(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    guest = _enrolled(visitor, samples, run_jobs)
    assert guest.photos() == []
    names = _names(owner, samples, "sample1.jpg", "sample3.jpg", "sample6.jpg")
    run_jobs()
    assert {names[str(each)] for each in guest.photos()} == ROSE.truth


def test_a_guest_opens_and_downloads_their_photo_in_full_size(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    owner.upload(samples["sample1.jpg"])
    guest = _enrolled(visitor, samples, run_jobs)
    (photo,) = guest.photos()
    assert guest.get(f"/e/PARTY234/photos/{photo}").status_code == 200
    thumb, view = (guest.get(f"/e/PARTY234/p/{photo}/{name}") for name in ("thumb", "view"))
    assert thumb.headers["content-type"] == view.headers["content-type"] == "image/jpeg"
    assert len(thumb.content) < len(view.content)
    original = guest.get(f"/e/PARTY234/p/{photo}/original")
    assert original.content == for_guests(samples["sample1.jpg"])
    assert original.headers["content-disposition"] == "attachment; filename*=UTF-8''sample1.jpg"


def test_a_no_removes_the_photo_at_once_and_outlives_a_new_selfie(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    owner.upload(samples["sample1.jpg"], samples["sample3.jpg"])
    guest = _enrolled(visitor, samples, run_jobs)
    wrong, right = guest.photos()
    assert guest.post(f"/e/PARTY234/photos/{wrong}/verdict", {"answer": "no"}).status_code == 303
    assert guest.photos() == [right]
    assert guest.get(f"/e/PARTY234/p/{wrong}/thumb").status_code == 404
    guest.send_selfie(selfie_jpeg(ROSE, samples))
    run_jobs()
    assert guest.photos() == [right]
    assert guest.post(f"/e/PARTY234/photos/{wrong}/verdict", {"answer": "undo"}).status_code == 303
    assert set(guest.photos()) == {wrong, right}


def test_a_no_on_a_photos_own_page_leads_somewhere(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    owner.upload(samples["sample1.jpg"])
    guest = _enrolled(visitor, samples, run_jobs)
    (photo,) = guest.photos()
    answer = guest.post(f"/e/PARTY234/photos/{photo}/verdict", {"answer": "no", "from": "photo"})
    assert guest.get(answer.headers["location"]).status_code == 200
    form = {"name": "Lea & Tom", "code": "PARTY234", "accent": "#b4532a", "locales": "fr", "gallery": "guests"}
    owner.post(f"/studio/{owner.event_id}/edit", form)
    answer = guest.post(f"/e/PARTY234/photos/{photo}/verdict", {"answer": "no", "from": "photo"})
    assert answer.headers["location"].endswith(str(photo))
    assert guest.get(answer.headers["location"]).status_code == 200


def test_signing_out_and_in_again_leads_back_to_the_photos(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    owner.upload(samples["sample1.jpg"])
    guest = _enrolled(visitor, samples, run_jobs)
    before = guest.photos()
    assert guest.post("/sign-out").headers["location"] == "/e/PARTY234"
    assert guest.get("/e/PARTY234/photos").headers["location"].startswith("/sign-in")
    assert guest.sign_in("ROSE@example.org").headers["location"] == "/e/PARTY234/photos"
    assert guest.photos() == before


def test_one_who_is_a_guest_of_two_events_chooses(owner: Visitor, visitor: Visitors) -> None:
    owner.make_event("OTHER234", name="Other party")
    visitor().register("PARTY234", "rose")
    visitor().register("OTHER234", "rose")
    guest = visitor()
    choices = guest.sign_in("rose")
    assert choices.status_code == 200
    assert "Other party" in choices.text and "Lea &amp; Tom" in choices.text
    assert guest.sign_in("rose", event="OTHER234").headers["location"] == "/e/OTHER234/photos"


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(owner: Visitor, visitor: Visitors) -> None:
    visitor().register("PARTY234", "rose")
    wrong, unknown = visitor().sign_in("rose", "wrong password"), visitor().sign_in("nobody", "wrong password")
    assert wrong.status_code == unknown.status_code == 422
    assert wrong.text.replace('value="rose"', "") == unknown.text.replace('value="nobody"', "")
    assert PASSWORD not in wrong.text and "wrong password" not in wrong.text


def test_without_consent_no_selfie_is_taken(owner: Visitor, visitor: Visitors, samples: dict[str, Path]) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    assert guest.get("/e/PARTY234/selfie").headers["location"] == "/e/PARTY234/consent"
    assert guest.send_selfie(selfie_jpeg(ROSE, samples)).status_code == 403
    assert guest.post("/e/PARTY234/consent", {}).status_code == 422


def test_an_unusable_selfie_is_refused_with_what_to_change(owner: Visitor, visitor: Visitors, run_jobs: Jobs) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    guest.agree()
    assert guest.send_selfie(b"no picture").status_code == 422
    empty = pyvips.Image.black(640, 480, bands=3).linear([0, 0, 0], [90, 110, 140]).cast("uchar")
    guest.send_selfie(empty.copy(interpretation="srgb").jpegsave_buffer())
    run_jobs()
    status = guest.get("/e/PARTY234/selfie/status", headers={"accept-language": "fr"}).json()
    assert status["state"] == "refused"
    assert status["reason"] == "Nous n’avons pas vu de visage."
    assert status["reason"] in guest.get("/e/PARTY234/selfie?lang=fr").text.replace("&#39;", "’")


def test_withdrawing_consent_erases_everything_derived_from_the_face(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs, settings: Settings
) -> None:
    owner.upload(samples["sample1.jpg"])
    guest = _enrolled(visitor, samples, run_jobs)
    photo = guest.photos()[0]
    kept = [path for path in (settings.data_dir / "photos").glob("events/*/selfies/**/*") if path.is_file()]
    assert len(kept) == 1
    assert not kept[0].read_bytes().startswith(b"\xff\xd8"), "the selfie is kept in the clear"
    assert guest.post("/e/PARTY234/me/withdraw", {}).status_code == 422
    assert guest.post("/e/PARTY234/me/withdraw", {"confirm": "yes"}).status_code == 303
    run_jobs()
    assert guest.photos() == []
    assert guest.get(f"/e/PARTY234/p/{photo}/view").status_code == 404
    assert guest.get("/e/PARTY234/me/selfie").status_code == 404
    assert not kept[0].exists()


def test_deleting_the_account_takes_the_username_as_confirmation(owner: Visitor, visitor: Visitors) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    assert guest.post("/e/PARTY234/me/delete", {"username": "lily"}).status_code == 422
    assert guest.post("/e/PARTY234/me/delete", {"username": "Rose"}).status_code == 303
    assert guest.get("/e/PARTY234/me").status_code == 303
    assert guest.register("PARTY234", "rose").status_code == 303


def test_with_an_open_gallery_everybody_browses_all_photos_without_a_face(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    owner.make_event("OPEN2345", gallery="guests", faces=None)
    owner.upload(samples["sample6.jpg"])
    guest = visitor()
    assert guest.register("OPEN2345", "rose").headers["location"] == "/e/OPEN2345/photos"
    run_jobs()
    assert len(guest.photos("all")) == 1
    assert guest.get("/e/OPEN2345/selfie").status_code == 409


def test_switching_face_finding_on_later_looks_at_the_photos_again(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    owner.make_event("LATER234", faces=None)
    owner.upload(samples["sample1.jpg"])
    run_jobs()
    guest = visitor()
    guest.register("LATER234", "rose")
    owner.post(f"/studio/{owner.event_id}/faces", {"attest": "yes"})
    guest.agree()
    guest.send_selfie(selfie_jpeg(ROSE, samples))
    run_jobs()
    run_jobs()
    assert len(guest.photos()) == 1


def _set_end(settings: Settings, moment: str) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute(f"UPDATE events SET expires_at = {moment}")


def test_an_expired_event_lets_nobody_in(owner: Visitor, visitor: Visitors, settings: Settings) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    _set_end(settings, "now() - interval '1 day'")
    assert guest.get("/e/PARTY234/photos").status_code == 410
    assert guest.get("/e/PARTY234/register").status_code == 410
    assert guest.get("/e/PARTY234").status_code == 200
    assert visitor().sign_in("rose").status_code == 422


def test_a_week_after_its_last_day_an_event_is_erased(
    owner: Visitor, samples: dict[str, Path], settings: Settings, run_jobs: Jobs
) -> None:
    owner.upload(samples["sample1.jpg"])
    _set_end(settings, "now() - interval '6 days'")
    run_jobs()
    assert owner.get(f"/studio/{owner.event_id}").status_code == 200
    _set_end(settings, "now() - interval '8 days'")
    run_jobs()
    run_jobs()
    assert owner.get(f"/studio/{owner.event_id}").status_code == 404
    assert [path for path in (settings.data_dir / "photos").rglob("*") if path.is_file()] == []


def test_downloads_can_be_switched_off(
    owner: Visitor, visitor: Visitors, samples: dict[str, Path], run_jobs: Jobs
) -> None:
    owner.make_event("NODOWN23", downloads="none")
    owner.upload(samples["sample1.jpg"])
    guest = visitor()
    guest.register("NODOWN23", "rose")
    guest.agree()
    guest.send_selfie(selfie_jpeg(ROSE, samples))
    run_jobs()
    (photo,) = guest.photos()
    assert guest.get(f"/e/NODOWN23/p/{photo}/view").status_code == 200
    assert guest.get(f"/e/NODOWN23/p/{photo}/original").status_code == 403
