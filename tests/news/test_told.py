"""Guests are told by mail that there are more photos of them: batched, at waking hours, until they don't want it."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from uuid import uuid4

import pytest

from tests.news.conftest import ask, confirm
from tests.people import Visitor
from tests.post_office import PostOffice, plain
from trouvaille.core.db import Sessions, connect, sessions_of, transaction
from trouvaille.core.secrets import Vault, load_key
from trouvaille.news import rounds, service
from trouvaille.news.pace import Quiet
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]
ROSE = "rose@example.org"


@pytest.fixture
def rose(owner: Visitor, visitor: Visitors, settings: Settings) -> Visitor:
    """A guest whose address is confirmed and whose face is looked for; nothing is found yet."""
    rose = visitor()
    rose.register("PARTY234", "rose", agree="yes")
    confirm(settings)
    ask(
        settings,
        "INSERT INTO enrolments (id, event_id, guest_id, state, created_at, decided_at)"
        " SELECT gen_random_uuid(), event_id, id, 'accepted', now(), now() FROM guests WHERE username = 'rose'",
    )
    return rose


def found(settings: Settings, number: int, *, tier: str = "sure", **photo: str) -> None:
    """More photos, ready and with Rose in them."""
    columns = {"state": "ready", "standing": "shown"} | photo
    for _ in range(number):
        ask(
            settings,
            "WITH made AS (INSERT INTO photos (id, event_id, file_name, sha256, size_bytes, media_type, state, source,"
            " standing, in_general, faces, shown_at, created_at) SELECT gen_random_uuid(), id, 'a.jpg', %s, 1,"
            " 'image/jpeg', %s, 'browser', %s, true, 1, now(), now() FROM events RETURNING id, event_id)"
            " INSERT INTO matches (guest_id, photo_id, event_id, similarity, tier, created_at)"
            " SELECT guests.id, made.id, made.event_id, 0.9, %s, now() FROM made, guests WHERE username = 'rose'",
            uuid4().bytes * 2,
            columns["state"],
            columns["standing"],
            tier,
        )


class Clock:
    """Time as the test has it, and the rounds that go by it."""

    def __init__(self, settings: Settings, run_jobs: Jobs) -> None:
        self.now = datetime(2026, 7, 4, 12, 0, tzinfo=UTC)
        self._settings, self.run_jobs = settings, run_jobs
        self.telling = rounds.Telling(
            Vault(load_key(settings.data_dir / "secret.key")), "http://testserver", Quiet(22, 8)
        )

    def go(self, *, minutes: int = 30, step: int = 2, side_by_side: int = 1) -> None:
        """Let time pass, with a round each two minutes, then have the letters sent."""

        async def pass_by() -> None:
            engine = connect(self._settings.database_url or "", pool_size=side_by_side)
            sessions = sessions_of(engine)
            for _ in range(0, minutes, step):
                await asyncio.gather(*(self._round(sessions) for _ in range(side_by_side)))
                self.now += timedelta(minutes=step)
            await engine.dispose()

        asyncio.run(pass_by())
        if ask(self._settings, "SELECT 1 FROM procrastinate_jobs WHERE task_name IN ('mail.send', 'news.push')"):
            self.run_jobs()

    async def _round(self, sessions: Sessions) -> None:
        async with transaction(sessions) as session:
            await rounds.adopt(session)
            await rounds.look_at_some(session, self.telling)


@pytest.fixture
def clock(settings: Settings, run_jobs: Jobs, monkeypatch: pytest.MonkeyPatch, rose: Visitor) -> Clock:
    """It is noon on the day of the event."""
    made = Clock(settings, run_jobs)
    for module in (rounds, service):
        monkeypatch.setattr(module, "now", lambda: made.now)
    ask(settings, "UPDATE events SET time_zone = 'UTC', starts_on = '2026-07-04', ends_on = '2026-07-04'")
    ask(settings, "UPDATE enrolments SET decided_at = '2026-07-04 11:00+00'")
    return made


def _stop_link(letter: EmailMessage) -> str:
    header = re.fullmatch(r"<http://testserver(/news/[\w-]+)>", letter["List-Unsubscribe"])
    assert header
    return header[1]


def test_one_letter_tells_of_all_that_came_with_no_picture_and_a_way_out(
    clock: Clock, settings: Settings, post_office: PostOffice
) -> None:
    ask(settings, "UPDATE guests SET locale = 'fr', display_name = 'Rose'")
    found(settings, 2)
    clock.go(minutes=6)
    assert post_office.received == []
    found(settings, 3)
    clock.go(minutes=30)
    clock.go(minutes=120)
    (letter,) = post_office.letters_to(ROSE)
    assert letter["Subject"] == "5 nouvelles photos de vous : Lea & Tom"
    assert letter["Content-Language"] == "fr" and letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    text, html = plain(letter), letter.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "http://testserver/e/PARTY234/photos?show=mine" in text and _stop_link(letter) in text
    assert _stop_link(letter) in html and 'lang="fr"' in html and "color-scheme" in html
    assert "<img" not in html and "background-image" not in html
    assert [part.get_content_type() for part in letter.walk() if not part.is_multipart()] == ["text/plain", "text/html"]


@pytest.mark.parametrize(
    ("tier", "photo"),
    [("maybe", {}), ("sure", {"standing": "hidden"}), ("sure", {"standing": "held"}), ("sure", {"state": "waiting"})],
)
def test_photos_that_a_guest_may_not_see_as_theirs_are_not_told(
    clock: Clock, settings: Settings, post_office: PostOffice, tier: str, photo: dict[str, str]
) -> None:
    found(settings, 3, tier=tier, **photo)
    clock.go()
    assert post_office.received == []
    # What is published, or becomes certain, later is told then.
    ask(settings, "UPDATE photos SET standing = 'shown', state = 'ready'")
    ask(settings, "UPDATE matches SET tier = 'sure'")
    clock.go()
    assert len(post_office.received) == 1


def test_photos_deleted_before_they_are_told_are_not_told(
    clock: Clock, settings: Settings, post_office: PostOffice
) -> None:
    found(settings, 3)
    clock.go(minutes=6)
    ask(settings, "UPDATE photos SET deleted_at = now()")
    clock.go()
    assert post_office.received == []


def test_whoever_has_seen_them_is_not_told(
    clock: Clock, rose: Visitor, settings: Settings, post_office: PostOffice
) -> None:
    found(settings, 3)
    clock.go(minutes=4)
    assert rose.get("/e/PARTY234/photos?show=mine").status_code == 200
    clock.go(minutes=300)
    assert post_office.received == []
    found(settings, 1)
    clock.go()
    (letter,) = post_office.received
    assert letter["Subject"] == "A new photo of you: Lea & Tom"


def test_several_workers_tell_once(clock: Clock, settings: Settings, post_office: PostOffice) -> None:
    found(settings, 3)
    clock.go(minutes=30, side_by_side=6)
    assert len(post_office.received) == 1


def test_after_three_letters_without_a_visit_there_are_no_more_until_they_come(
    clock: Clock, rose: Visitor, settings: Settings, post_office: PostOffice
) -> None:
    clock.now += timedelta(days=2)
    for _ in range(5):
        found(settings, 1)
        clock.go(minutes=60, step=10)
        clock.now += timedelta(days=1)
    assert ["our last letter" in plain(letter) for letter in post_office.received] == [False, False, True]
    rose.get("/e/PARTY234/photos?show=mine")
    found(settings, 2)
    clock.go(minutes=120, step=10)
    assert post_office.received[-1]["Subject"].startswith("2 new photos")
    assert len(post_office.received) == 4


def test_a_mailbox_that_is_not_there_is_written_to_no_more(
    clock: Clock, rose: Visitor, settings: Settings, post_office: PostOffice, run_jobs: Jobs
) -> None:
    post_office.refusals = ["550 no such mailbox"]
    found(settings, 1)
    clock.go()
    run_jobs()
    clock.now += timedelta(days=1)
    found(settings, 1)
    clock.go()
    assert post_office.received == []
    me = rose.get("/e/PARTY234/me").text
    assert "Our last letter came back" in me
    rose.post("/e/PARTY234/news", {"mail": "on", "from": "me"})
    clock.now += timedelta(days=1)
    found(settings, 1)
    clock.go()
    assert len(post_office.received) == 1


def test_a_full_mailbox_or_a_spam_filter_is_no_missing_mailbox(
    clock: Clock, settings: Settings, post_office: PostOffice
) -> None:
    post_office.refusals = ["552 mailbox full"]
    found(settings, 1)
    clock.go()
    clock.now += timedelta(days=1)
    found(settings, 1)
    clock.go()
    assert len(post_office.received) == 1


@pytest.mark.parametrize(
    "gone",
    [
        "UPDATE guests SET email_confirmed_at = NULL",
        "DELETE FROM enrolments",  # as withdrawing does
        "UPDATE events SET state = 'archived'",
        "UPDATE events SET expires_at = now() - interval '1 second'",
        "UPDATE guest_news SET mail = false",
    ],
)
def test_nobody_is_told_who_can_not_or_does_not_want_to(
    clock: Clock, settings: Settings, post_office: PostOffice, gone: str
) -> None:
    clock.go(minutes=2)
    found(settings, 3)
    ask(settings, gone)
    clock.go(minutes=60)
    assert post_office.received == []


def test_a_letter_is_ended_by_one_tap_of_a_mail_program_that_knows_nobody(
    clock: Clock, visitor: Visitors, settings: Settings, post_office: PostOffice
) -> None:
    found(settings, 1)
    clock.go()
    link = _stop_link(post_office.received[0])
    answer = visitor().post(link, {"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200  # and no way on: RFC 8058 forbids it
    assert ask(settings, "SELECT mail FROM guest_news") == [(False,)]
    clock.now += timedelta(days=1)
    found(settings, 2)
    clock.go()
    assert len(post_office.received) == 1


def test_the_link_in_a_letter_asks_for_nothing_and_looking_at_it_changes_nothing(
    clock: Clock, visitor: Visitors, settings: Settings, post_office: PostOffice
) -> None:
    found(settings, 1)
    clock.go()
    link, somebody = _stop_link(post_office.received[0]), visitor()
    page = somebody.get(link)
    # A person's browser sends this form by itself; mail programs that look at links do not.
    assert page.status_code == 200 and "data-send-at-once" in page.text
    assert ask(settings, "SELECT mail FROM guest_news") == [(True,)]
    assert somebody.post(link, {"mail": "off"}).headers["location"] == link
    assert "No more letters" in somebody.get(link).text and "data-send-at-once" not in somebody.get(link).text
    assert somebody.post(link, {"mail": "on"}).headers["location"] == f"{link}?kept=1"
    assert "data-send-at-once" not in somebody.get(f"{link}?kept=1").text
    assert ask(settings, "SELECT mail FROM guest_news") == [(True,)]
    # It opens no gallery, and no other guest's switch.
    assert somebody.get("/e/PARTY234/photos").headers["location"].startswith("/sign-in")
    wrong = link[:-1] + ("A" if link[-1] != "A" else "B")
    assert [somebody.get(each).status_code for each in (wrong, "/news/x", "/news/%C3%A9", f"{link}AA")] == [404] * 4


def test_guests_switch_letters_off_and_on_where_they_are(
    clock: Clock, rose: Visitor, visitor: Visitors, settings: Settings
) -> None:
    assert "We write to you when there are more photos" in rose.get("/e/PARTY234/photos?show=mine").text
    answer = rose.post("/e/PARTY234/news", {"mail": "off", "from": "photos"})
    assert answer.headers["location"] == "/e/PARTY234/photos?show=mine#news"
    assert "We don’t write to you" in rose.get("/e/PARTY234/photos?show=mine").text
    assert rose.post("/e/PARTY234/news", {"mail": "on", "from": "//evil.example"}).headers["location"].startswith("/e/")
    assert ask(settings, "SELECT mail FROM guest_news") == [(True,)]


def test_letters_name_no_address_in_any_log_or_job(
    clock: Clock, settings: Settings, post_office: PostOffice, capfd: pytest.CaptureFixture[str]
) -> None:
    post_office.close()
    found(settings, 1)
    clock.go()
    said = capfd.readouterr()
    assert ROSE not in said.out + said.err
    assert ask(settings, "SELECT count(*) FROM procrastinate_jobs WHERE args::text LIKE '%%rose%%'") == [(0,)]
    post_office.open()
