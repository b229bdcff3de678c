"""Guests' browsers are told by web push that there are more photos: as a push service and a browser see it."""

import asyncio
import json
import re
import string
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from tests.news.conftest import ask, confirm
from tests.news.test_told import Clock, found
from tests.people import PASSWORD, Visitor
from tests.post_office import PostOffice
from tests.push_service import BrowserPart, PushService, mark_of
from trouvaille.core.db import connect, sessions_of, transaction
from trouvaille.news import devices, notices, rounds, service
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PUSH = "/e/PARTY234/push"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings of an instance that sends mail, and tells browsers by a push service of this machine."""
    more = {"public_url": "http://localhost", "push_private_networks": True, "operator_contact": "Ask ada@example.org."}
    return settings.model_copy(update=more)


def enrol(settings: Settings) -> None:
    """Everybody's face is looked for."""
    ask(
        settings,
        "INSERT INTO enrolments (id, event_id, guest_id, state, created_at, decided_at)"
        " SELECT gen_random_uuid(), event_id, id, 'accepted', now(), now() FROM guests",
    )


@pytest.fixture
def rose(owner: Visitor, visitor: Visitors, settings: Settings) -> Visitor:
    """A guest whose address is not confirmed, so that they get no mail, and whose face is looked for."""
    rose = visitor()
    rose.register("PARTY234", "rose", agree="yes")
    enrol(settings)
    return rose


@pytest.fixture
def phone(rose: Visitor, push_service: PushService) -> BrowserPart:
    """Rose's browser, which is told."""
    phone = push_service.subscription()
    answer = rose.post(PUSH, phone.form, headers={"user-agent": FIREFOX})
    assert answer.status_code == 201, answer.text
    return phone


@pytest.fixture
def clock(settings: Settings, run_jobs: Jobs, monkeypatch: pytest.MonkeyPatch, rose: Visitor) -> Clock:
    """It is noon on the day of the event."""
    made = Clock(settings, run_jobs)
    for module in (rounds, service, notices):
        monkeypatch.setattr(module, "now", lambda: made.now)
    ask(settings, "UPDATE events SET time_zone = 'UTC', starts_on = '2026-07-04', ends_on = '2026-07-04'")
    ask(settings, "UPDATE enrolments SET decided_at = '2026-07-04 11:00+00'")
    return made


@pytest.fixture
def told(clock: Clock, settings: Settings) -> Callable[..., None]:
    """Lets so many photos be found, and time pass."""
    ask(settings, "UPDATE guest_news SET check_at = '2026-07-04 12:00+00'")

    def tell(number: int = 1, *, minutes: int = 30) -> None:
        found(settings, number)
        clock.go(minutes=minutes)

    return tell


def _subscriptions(settings: Settings) -> int:
    ((number,),) = ask(settings, "SELECT count(*) FROM push_subscriptions")
    return int(number)


def test_one_notice_tells_of_all_that_came_in_the_guests_language(
    phone: BrowserPart, push_service: PushService, told: Callable[..., None], clock: Clock, settings: Settings
) -> None:
    ask(settings, "UPDATE guests SET locale = 'fr'")
    told(2, minutes=6)
    assert push_service.received == []
    told(3)
    clock.go(minutes=120)
    (pushed,) = push_service.received
    assert pushed.said["title"] == "Lea & Tom" and pushed.said["body"] == "5 nouvelles photos de vous"
    assert pushed.said["url"] == "/e/PARTY234/photos?show=mine" and pushed.said["lang"] == "fr"
    assert pushed.said["tag"] and pushed.said["stop"]["title"] == "Ne plus me prévenir"
    assert pushed.claims["sub"] == "mailto:ada@example.org"
    assert pushed.headers["ttl"] == "86400" and pushed.headers["urgency"] == "normal"
    assert re.fullmatch(r"[\w-]{22}", pushed.headers["topic"])


def test_a_newer_notice_takes_the_older_ones_place(
    phone: BrowserPart, push_service: PushService, told: Callable[..., None], clock: Clock
) -> None:
    told()
    clock.now += timedelta(days=1)
    told()
    first, second = push_service.received
    assert first.headers["topic"] == second.headers["topic"] and first.said["tag"] == second.said["tag"]
    assert first.said["body"] == "A new photo of you"


def test_the_key_that_pages_name_is_the_one_that_sends(
    phone: BrowserPart, rose: Visitor, push_service: PushService, told: Callable[..., None]
) -> None:
    page = rose.get("/e/PARTY234/photos?show=mine").text
    assert mark_of(phone.endpoint) in page
    told()
    assert f'data-key="{push_service.received[0].sender}"' in page


def test_a_guest_with_both_is_told_by_both_until_they_switch_one_off(
    phone: BrowserPart,
    rose: Visitor,
    push_service: PushService,
    post_office: PostOffice,
    told: Callable[..., None],
    clock: Clock,
    settings: Settings,
) -> None:
    confirm(settings)
    told()
    assert (len(push_service.received), len(post_office.received)) == (1, 1)
    rose.post("/e/PARTY234/news", {"mail": "off", "from": "me"})
    clock.now += timedelta(days=1)
    told()
    assert (len(push_service.received), len(post_office.received)) == (2, 1)


def test_a_mailbox_that_is_not_there_ends_mail_and_not_push(
    phone: BrowserPart,
    push_service: PushService,
    post_office: PostOffice,
    told: Callable[..., None],
    clock: Clock,
    settings: Settings,
) -> None:
    confirm(settings)
    post_office.refusals = ["550 no such mailbox"]
    told()
    clock.now += timedelta(days=1)
    told()
    assert (len(push_service.received), len(post_office.received)) == (2, 0)


def test_after_three_notices_without_a_visit_there_are_no_more_until_they_come(
    phone: BrowserPart, rose: Visitor, push_service: PushService, told: Callable[..., None], clock: Clock
) -> None:
    clock.now += timedelta(days=2)
    for _ in range(5):
        told(1, minutes=40)
        clock.now += timedelta(days=1)
    assert ["no more until" in pushed.said["body"] for pushed in push_service.received] == [False, False, True]
    rose.get("/e/PARTY234/photos?show=mine")
    told(2)
    assert len(push_service.received) == 4


def test_a_notice_that_is_held_up_into_the_night_waits_for_the_morning(
    phone: BrowserPart, push_service: PushService, told: Callable[..., None], clock: Clock, settings: Settings
) -> None:
    clock.now = datetime(2026, 7, 4, 21, 45, tzinfo=UTC)
    ask(settings, "UPDATE guest_news SET check_at = '2026-07-04 21:45+00'")
    told(minutes=20)  # told at three to ten, and the worker comes to it at five past
    ((wait,),) = ask(settings, "SELECT scheduled_at - now() FROM procrastinate_jobs WHERE task_name = 'news.push'")
    assert push_service.asked == 0 and timedelta(hours=9, minutes=50) < wait < timedelta(hours=10)
    clock.now = datetime(2026, 7, 5, 8, 5, tzinfo=UTC)
    ask(settings, "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE task_name = 'news.push'")
    clock.run_jobs()
    assert len(push_service.received) == 1


def test_whoever_looked_meanwhile_is_not_told_by_a_notice_that_was_held_up(
    phone: BrowserPart,
    rose: Visitor,
    push_service: PushService,
    told: Callable[..., None],
    clock: Clock,
    settings: Settings,
) -> None:
    push_service.answers = [(503, {})]
    told()
    rose.get("/e/PARTY234/photos?show=mine")
    ask(settings, "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE task_name = 'news.push'")
    clock.run_jobs()
    assert (
        push_service.asked == 1
        and ask(settings, "SELECT 1 FROM procrastinate_jobs WHERE task_name = 'news.push'") == []
    )


def test_a_push_service_that_asks_for_patience_is_given_it(
    phone: BrowserPart, push_service: PushService, told: Callable[..., None], clock: Clock, settings: Settings
) -> None:
    push_service.answers = [(429, {"Retry-After": "600"})]
    told()
    ((wait,),) = ask(settings, "SELECT scheduled_at - now() FROM procrastinate_jobs WHERE task_name = 'news.push'")
    assert timedelta(seconds=590) < wait <= timedelta(seconds=600)
    ask(settings, "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE task_name = 'news.push'")
    clock.run_jobs()
    assert len(push_service.received) == 1 and _subscriptions(settings) == 1


def test_a_browser_that_has_gone_is_forgotten_at_once(
    phone: BrowserPart, push_service: PushService, told: Callable[..., None], settings: Settings
) -> None:
    push_service.answers = [(410, {})]
    told()
    assert _subscriptions(settings) == 0
    assert ask(settings, "SELECT 1 FROM procrastinate_jobs WHERE task_name = 'news.push'") == []


def test_a_browser_that_is_refused_three_times_in_a_row_is_forgotten(
    phone: BrowserPart,
    push_service: PushService,
    told: Callable[..., None],
    clock: Clock,
    rose: Visitor,
    settings: Settings,
) -> None:
    for answers, left in (([(403, {})], 1), ([], 1), ([(403, {})], 1), ([(403, {})], 1), ([(400, {})], 0)):
        push_service.answers = list(answers)
        told()
        assert _subscriptions(settings) == left, answers
        clock.now += timedelta(days=1)
        rose.get("/e/PARTY234/photos?show=mine")
    assert len(push_service.received) == 1


def test_several_browsers_are_told_and_each_ends_alone(
    phone: BrowserPart,
    visitor: Visitors,
    push_service: PushService,
    told: Callable[..., None],
    clock: Clock,
    settings: Settings,
) -> None:
    desk = visitor()
    assert desk.sign_in("rose").status_code == 303
    other = push_service.subscription()
    assert desk.post(PUSH, other.form).status_code == 201
    told()
    assert len(push_service.received) == 2
    desk.post("/sign-out")
    assert _subscriptions(settings) == 1
    clock.now += timedelta(days=1)
    told()
    assert len(push_service.received) == 3


def test_signing_out_from_afar_ends_it_too(phone: BrowserPart, visitor: Visitors, settings: Settings) -> None:
    desk = visitor()
    desk.sign_in("rose")
    desk.post("/account/devices/revoke-others")
    assert _subscriptions(settings) == 0


@pytest.mark.parametrize("path", ["/e/PARTY234/me/delete", None])
def test_it_goes_with_the_guest_and_with_the_event(
    phone: BrowserPart, rose: Visitor, owner: Visitor, settings: Settings, path: str | None
) -> None:
    if path:
        rose.post(path, {"username": "rose"})
    else:
        owner.post(f"/studio/{owner.event_id}/delete", {"name": "Lea & Tom"})
        ask(settings, "DELETE FROM events")
    assert _subscriptions(settings) == 0


def test_the_button_of_a_notice_ends_it_without_a_cookie_and_nothing_else(
    phone: BrowserPart, visitor: Visitors, push_service: PushService, told: Callable[..., None], settings: Settings
) -> None:
    told()
    stop, somebody = push_service.received[0].said["stop"]["url"], visitor()
    # Base64 could write the last byte with four different last signs.
    wrong = [stop[:-1] + sign for sign in set(string.ascii_letters + string.digits + "-_") - {stop[-1]}]
    refused = {somebody.post(each).status_code for each in (*wrong, "/push/x", "/push/%C3%A9", f"{stop}AAAA")}
    assert refused == {404} and _subscriptions(settings) == 1
    assert somebody.get(stop).status_code == 405  # looking at it does nothing
    assert somebody.post(stop).json() == {"last": True}
    assert _subscriptions(settings) == 0
    assert somebody.post(stop).json() == {"last": True}  # tapped twice


def test_a_browser_may_be_told_of_two_events_and_keeps_the_other(
    phone: BrowserPart, owner: Visitor, visitor: Visitors, rose: Visitor, settings: Settings
) -> None:
    owner.make_event("OTHER234")
    rose.post("/e/OTHER234/join", {"username": "rose", "agree": "yes"})
    answer = rose.post("/e/OTHER234/push", phone.form)
    assert answer.status_code == 201, answer.text
    assert _subscriptions(settings) == 2
    accept = {"accept": "application/json"}
    gone = rose.post(f"/e/OTHER234/push/{answer.json()['id']}/remove", headers=accept)
    assert gone.json() == {"last": False} and _subscriptions(settings) == 1


def test_another_guest_in_the_same_browser_takes_it_over(
    phone: BrowserPart, visitor: Visitors, settings: Settings
) -> None:
    lily = visitor()
    lily.register("PARTY234", "lily")
    assert lily.post(PUSH, phone.form).status_code == 201
    assert ask(settings, "SELECT username FROM push_subscriptions JOIN guests ON guests.id = guest_id") == [("lily",)]


def test_nobody_sees_or_ends_what_another_guest_has(
    phone: BrowserPart, rose: Visitor, owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    ((known,),) = ask(settings, "SELECT id FROM push_subscriptions")
    lily, stranger = visitor(), visitor()
    lily.register("PARTY234", "lily", agree="yes")
    assert lily.post(f"{PUSH}/{known}/remove").status_code == 404
    assert [who.post(f"{PUSH}/{known}/remove").status_code for who in (stranger, owner)] == [401, 401]
    assert _subscriptions(settings) == 1
    assert "Firefox on Linux" not in lily.get("/e/PARTY234/me").text
    assert "Firefox on Linux" in rose.get("/e/PARTY234/me").text
    assert rose.post(f"{PUSH}/{known}/remove").headers["location"] == "/e/PARTY234/me#news"
    assert _subscriptions(settings) == 0


WRONG = (
    {"endpoint": "https://127.0.0.1/x"},
    {"endpoint": "https://[::ffff:169.254.169.254]/latest"},
    {"endpoint": "http://8.8.8.8/x"},
    {"endpoint": ""},
    {"endpoint": "https://8.8.8.8/" + "x" * 2000},
    {"p256dh": "AAAA"},
    {"auth": ""},
)


def test_what_is_no_subscription_of_a_browser_is_refused(rose: Visitor, site: TestClient, settings: Settings) -> None:
    state = site.app.state  # type: ignore[attr-defined]
    state.site = replace(state.site, push=replace(state.site.push, private_networks=False))
    form = BrowserPart("https://8.8.8.8/x").form
    for wrong in WRONG:
        assert rose.post(PUSH, form | wrong, headers={"accept": "application/json"}).status_code == 422, wrong
    assert _subscriptions(settings) == 0
    assert rose.post(PUSH, form).status_code == 201
    for wrong in WRONG[:5]:
        moved = rose.post(
            "/push/renew", form | wrong | {"old": form["endpoint"]}, headers={"accept": "application/json"}
        )
        assert moved.status_code == 422, wrong


def test_a_guest_has_so_many_browsers_and_is_told_to_remove_one(
    rose: Visitor, visitor: Visitors, push_service: PushService, settings: Settings
) -> None:
    for number in range(devices.AT_MOST + 1):
        desk = visitor()
        desk.sign_in("rose", PASSWORD)
        answer = desk.post(PUSH, push_service.subscription().form, headers={"accept": "application/json"})
        assert answer.status_code == (201 if number < devices.AT_MOST else 409)
    assert "remove one first" in answer.json()["detail"]
    assert _subscriptions(settings) == devices.AT_MOST


def test_one_browser_has_one_row_however_often_it_asks(
    phone: BrowserPart, rose: Visitor, push_service: PushService, settings: Settings
) -> None:
    assert rose.post(PUSH, phone.form).status_code == 201
    assert rose.post(PUSH, push_service.subscription().form).status_code == 201
    assert _subscriptions(settings) == 1


def test_a_browser_that_is_given_another_endpoint_says_so_by_the_old_one(
    phone: BrowserPart, visitor: Visitors, push_service: PushService, told: Callable[..., None], settings: Settings
) -> None:
    fresh, worker = push_service.subscription(), visitor()  # the session may be asleep, so no cookie is asked for
    assert worker.post("/push/renew", fresh.form | {"old": f"{phone.endpoint}x"}).status_code == 404
    assert worker.post("/push/renew", fresh.form | {"old": phone.endpoint}).status_code == 204
    told()
    assert _subscriptions(settings) == 1 and len(push_service.received) == 1
    # The old one leads nowhere any more.
    assert worker.post("/push/renew", fresh.form | {"old": phone.endpoint}).status_code == 404


def test_an_endpoint_is_kept_sealed_and_is_in_no_job_log_or_download(
    phone: BrowserPart,
    rose: Visitor,
    push_service: PushService,
    told: Callable[..., None],
    settings: Settings,
    capfd: pytest.CaptureFixture[str],
) -> None:
    secret = phone.endpoint.rsplit("/", 1)[1]
    push_service.answers = [(403, {})]
    told()
    said = capfd.readouterr()
    assert secret not in said.out + said.err
    assert ask(
        settings, "SELECT count(*) FROM push_subscriptions WHERE position(%s IN sealed) > 0", secret.encode()
    ) == [(0,)]
    assert ask(settings, "SELECT count(*) FROM procrastinate_jobs WHERE args::text LIKE %s", f"%{secret}%") == [(0,)]
    answer = rose.get("/e/PARTY234/me/data.zip")
    assert answer.status_code == 200
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        kept = json.loads(archive.read("data.json"))
    (browser,) = kept["told_on_devices"]
    assert (browser["browser"], browser["system"]) == ("Firefox", "Linux") and "localhost" in browser["service"]
    assert secret not in json.dumps(kept) and "sealed" not in browser


def test_where_it_is_switched_off_pages_say_nothing_and_nobody_subscribes(
    rose: Visitor, site: TestClient, push_service: PushService
) -> None:
    state = site.app.state  # type: ignore[attr-defined]
    state.site = replace(state.site, push=None)
    assert "data-push" not in rose.get("/e/PARTY234/me").text
    assert rose.post(PUSH, push_service.subscription().form).status_code == 404


def test_a_round_on_a_server_without_mail_looks_only_at_whom_a_browser_is_told(
    phone: BrowserPart, clock: Clock, settings: Settings
) -> None:
    ask(settings, "UPDATE guest_news SET check_at = '2026-07-04 12:00+00'")
    ask(
        settings,
        "INSERT INTO guests (id, event_id, username, email, display_name, password_hash, locale, created_at)"
        " SELECT gen_random_uuid(), id, 'lily', 'lily@example.org', 'Lily', '', 'en', now() FROM events",
    )
    ask(
        settings,
        "INSERT INTO guest_news (guest_id, event_id, mail, bounced, known, counted, unanswered, check_at)"
        " SELECT id, event_id, true, false, 0, 0, 0, '2026-07-04 12:00+00' FROM guests WHERE username = 'lily'",
    )

    async def looked_at(*, push_only: bool) -> set[str]:
        engine = connect(settings.database_url or "", pool_size=1)
        async with transaction(sessions_of(engine)) as session:
            found = {row.Guest.username for row in await session.execute(rounds.due(push_only=push_only))}
        await engine.dispose()
        return found

    assert asyncio.run(looked_at(push_only=True)) == {"rose"}
    assert asyncio.run(looked_at(push_only=False)) == {"rose", "lily"}
