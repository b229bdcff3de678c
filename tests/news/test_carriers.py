"""What pages show also goes by mail: reminders, invitations, messages and answers, without anybody's address."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from tests.news.conftest import ask, confirm
from tests.people import PASSWORD, Visitor
from tests.post_office import PostOffice, plain
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]


def _html(letter: object) -> str:
    part = letter.get_body(("html",))  # type: ignore[attr-defined]
    return str(part.get_content())


def _invite(owner: Visitor, people: str) -> str:
    answer = owner.post(f"/studio/{owner.event_id}/invitations", {"people": people})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_an_organiser_is_told_once_in_their_language_that_the_end_is_near(
    owner: Visitor, post_office: PostOffice, run_jobs: Jobs, settings: Settings
) -> None:
    ask(settings, "UPDATE staff SET locale = 'fr'")
    ask(settings, "UPDATE events SET expires_at = '2099-07-01 22:00+00'")
    run_jobs()
    assert post_office.received == []
    ask(settings, "UPDATE events SET expires_at = date_trunc('day', now()) + interval '5 days 22 hours'")
    run_jobs()
    run_jobs()
    (letter,) = post_office.letters_to("owner@example.org")
    assert letter["Subject"].startswith("Lea & Tom") and letter["Content-Language"] == "fr"
    assert f"http://testserver/studio/{owner.event_id}" in plain(letter)
    assert 'lang="fr"' in _html(letter) and "Lea &amp; Tom" in _html(letter)
    # The next distance is told anew.
    ask(settings, "UPDATE events SET expires_at = now() + interval '10 hours'")
    run_jobs()
    assert len(post_office.letters_to("owner@example.org")) == 2


def test_invited_people_get_a_letter_with_their_own_link_and_come_in_by_it(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs, settings: Settings
) -> None:
    owner.change(locales="fr")
    page = _invite(owner, "Rose Martin, rose@example.org\nLily, lily@example.org")
    assert "on their way by mail" in page
    assert ask(settings, "SELECT count(*) FROM guest_invitations WHERE position('rose'::bytea IN unsent) > 0") == [(0,)]
    run_jobs()
    run_jobs()
    (letter,) = post_office.letters_to("rose@example.org")
    assert len(post_office.received) == 2
    assert letter["Content-Language"] == "fr" and "Rose Martin" in plain(letter) and "Owner" in plain(letter)
    assert "owner@example.org" not in letter.as_string()
    rose = visitor()
    form = rose.get(rose.get(post_office.link_to("rose@example.org", "i")).headers["location"])
    assert 'value="Rose Martin"' in form.text
    assert ask(settings, "SELECT count(*) FROM guest_invitations WHERE unsent IS NULL AND mailed_at IS NOT NULL") == [
        (2,)
    ]
    assert "Mailed" in owner.get(f"/studio/{owner.event_id}/invitations").text


def test_letters_of_a_draft_wait_until_its_event_opens(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs, settings: Settings
) -> None:
    ask(settings, "UPDATE events SET state = 'draft'")
    page = _invite(owner, "Rose, rose@example.org\nLily, lily@example.org\nIris, iris@example.org")
    assert "once the event is open" in page
    run_jobs()
    assert post_office.received == []
    listed = owner.get(f"/studio/{owner.event_id}/invitations").text
    assert listed.count("Mail waits") == 3
    # One is withdrawn, and one is given a link by hand, before the letters go.
    withdraw = re.search(r'action="([^"]*/withdraw)"', listed[listed.index("Iris") :])
    renew = re.search(r'action="([^"]*/link)"', listed[listed.index("Lily") :])
    assert withdraw and renew
    owner.post(withdraw[1])
    owner.post(renew[1])
    owner.move("open")
    ask(settings, "DELETE FROM procrastinate_periodic_defers")
    run_jobs()
    run_jobs()
    assert [letter["To"] for letter in post_office.received] == ["rose@example.org"]


def test_one_who_came_meanwhile_gets_no_invitation(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs
) -> None:
    _invite(owner, "Rose, rose@example.org")
    visitor().register("PARTY234", "rose")
    run_jobs()
    assert ["Confirm" in plain(letter) for letter in post_office.letters_to("rose@example.org")] == [True]


def test_an_invitation_is_mailed_again_with_a_new_link(
    owner: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs
) -> None:
    _invite(owner, "Rose, rose@example.org")
    run_jobs()
    old = post_office.link_to("rose@example.org", "i")
    send = re.search(r'action="([^"]*/send)"', owner.get(f"/studio/{owner.event_id}/invitations").text)
    assert send
    assert owner.post(send[1]).status_code == 200
    run_jobs()
    assert len(post_office.letters_to("rose@example.org")) == 2
    new = post_office.link_to("rose@example.org", "i")
    assert visitor().get(old).status_code == 404 and visitor().get(new).status_code == 303


def test_without_a_mail_server_links_are_handed_over_as_ever(
    owner: Visitor, site: TestClient, run_jobs: Jobs, settings: Settings
) -> None:
    from trouvaille.news import carriers

    state = site.app.state  # type: ignore[attr-defined]
    state.site = replace(state.site, sends_mail=False)
    carriers.install(None)
    page = _invite(owner, "Rose, rose@example.org")
    assert "Copy the links now" in page and "by mail" not in page
    assert ask(settings, "SELECT count(*) FROM guest_invitations WHERE unsent IS NOT NULL") == [(0,)]
    (invitation_id,) = ask(settings, "SELECT id FROM guest_invitations")[0]
    assert owner.post(f"/studio/{owner.event_id}/invitations/{invitation_id}/send").status_code == 404


@pytest.fixture
def rose(owner: Visitor, visitor: Visitors, settings: Settings) -> Visitor:
    """A guest whose address is confirmed."""
    rose = visitor()
    rose.register("PARTY234", "rose")
    confirm(settings)
    return rose


def test_a_message_is_forwarded_and_answered_and_nobody_sees_an_address(
    owner: Visitor, rose: Visitor, post_office: PostOffice, run_jobs: Jobs
) -> None:
    rose.post("/e/PARTY234/contact", {"text": "Is there a cake?\n<b>100 %s</b> sure"})
    run_jobs()
    (letter,) = post_office.received
    assert letter["To"] == "owner@example.org" and letter["Subject"] == "Rose wrote about Lea & Tom"
    assert "Is there a cake?\n<b>100 %s</b> sure" in plain(letter).replace("\r\n", "\n")
    assert "&lt;b&gt;100 %s&lt;/b&gt;" in _html(letter) and "<b>" not in _html(letter)
    assert "rose@example.org" not in letter.as_string() and letter["Reply-To"] is None
    answer = re.search(r'action="([^"]*/answer)"', owner.get(f"/studio/{owner.event_id}/messages").text)
    assert answer
    assert owner.post(answer[1], {"text": " \n"}).status_code == 422
    assert owner.post(answer[1], {"text": "Here it is."}).status_code == 303
    twice = owner.post(answer[1], {"text": "And again"})
    assert twice.status_code == 409 and "Here it is." in twice.text
    run_jobs()
    (letter,) = post_office.letters_to("rose@example.org")
    assert "Here it is." in plain(letter) and "Is there a cake?" in plain(letter)
    assert "owner@example.org" not in letter.as_string()
    page = rose.get("/e/PARTY234/contact").text
    assert "Here it is." in page and "owner@example.org" not in page


def test_words_go_to_confirmed_addresses_alone(
    owner: Visitor, rose: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Jobs, settings: Settings
) -> None:
    ask(settings, "UPDATE staff SET email_confirmed_at = NULL")
    ask(settings, "UPDATE guests SET email_confirmed_at = NULL")
    rose.post("/e/PARTY234/contact", {"text": "Is there a cake?"})
    (message_id,) = ask(settings, "SELECT id FROM messages")[0]
    owner.post(f"/studio/{owner.event_id}/messages/{message_id}/answer", {"text": "Here it is."})
    run_jobs()
    (letter,) = post_office.received
    assert letter["To"] == "owner@example.org"
    assert "cake" not in letter.as_string() and "Rose" not in letter.as_string()


def test_messages_of_another_event_are_not_answered(
    owner: Visitor, rose: Visitor, visitor: Visitors, settings: Settings
) -> None:
    rose.post("/e/PARTY234/contact", {"text": "Hello"})
    (message_id,) = ask(settings, "SELECT id FROM messages")[0]
    owner.make_event("OTHER234")
    assert owner.post(f"/studio/{owner.event_id}/messages/{message_id}/answer", {"text": "x"}).status_code == 404
    assert visitor().sign_in("rose", PASSWORD).status_code == 303
