"""Invitations work once, for a time, and no longer than whoever made them may invite."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.crew.conftest import Query
from tests.people import Visitor
from tests.post_office import PostOffice
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.relay import Security
from trouvaille.crew import invitations
from trouvaille.events import handover
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]


@pytest.fixture
def settings(settings: Settings, post_office: PostOffice, request: pytest.FixtureRequest) -> Settings:
    """With mail where the test asks for it."""
    if "mailed" not in request.node.name:
        return settings
    relay = {"smtp_host": "127.0.0.1", "smtp_port": post_office.port, "smtp_security": Security.NONE}
    more = {"public_url": "http://testserver", "smtp_sender": "Trouvaille <photos@example.net>"}
    return settings.model_copy(update=relay | more)


def test_an_invited_organiser_makes_an_account_and_events(administrator: Visitor, visitor: Visitors) -> None:
    link = administrator.invite("/server/staff")
    eve = visitor()
    assert "Owner invites you as an organiser." in eve.get(link).text
    assert eve.accept(link, "eve@example.org").headers["location"] == "/studio"
    assert eve.make_event("EVES2345")
    assert eve.get("/server/staff").status_code == 403


def test_an_invitation_works_once_also_for_two_at_the_same_moment(
    ada: Visitor, visitor: Visitors, query: Query
) -> None:
    link = ada.invite()
    crowd = [visitor() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: crowd[n].accept(link, f"p{n}@example.org").status_code, range(4)))
    assert sorted(answers) == [303, 410, 410, 410]
    assert len(query("SELECT 1 FROM event_photographers")) == 1
    assert query("SELECT count(*) FROM staff WHERE role = 'photographer'") == [(1,)]
    assert visitor().get(link).status_code == 410


def test_looking_at_an_invitation_does_not_use_it_up_and_a_slip_keeps_what_was_typed(
    ada: Visitor, visitor: Visitors
) -> None:
    link, zoe = ada.invite(), visitor()
    zoe.get(link)
    page = zoe.post(link, {"display_name": "Zoe", "email": "zoe@example.org", "password": "short"})
    assert page.status_code == 422 and 'value="zoe@example.org"' in page.text
    assert zoe.accept(link, "zoe@example.org").status_code == 303


def test_only_a_hash_of_the_link_is_kept(ada: Visitor, query: Query) -> None:
    token = ada.invite().rsplit("/", 1)[1]
    assert token not in str(query("SELECT invitations::text FROM invitations"))


def test_a_revoked_or_old_invitation_opens_nothing(ada: Visitor, visitor: Visitors, query: Query) -> None:
    revoked, old = ada.invite(), ada.invite()
    (first, second) = query("SELECT id FROM invitations ORDER BY created_at")
    people = f"/studio/{ada.event_id}/people"
    assert ada.post(f"{people}/invitations/{first[0]}/revoke").status_code == 303
    query("UPDATE invitations SET expires_at = now() WHERE id = %s", second[0])
    for link in (revoked, old, "/invitation/nothing"):
        assert visitor().get(link).status_code == 410
        assert visitor().accept(link, "zoe@example.org").status_code == 410
    assert ada.post(f"{people}/invitations/{first[0]}/revoke").status_code == 404
    assert "Link to pass on" not in ada.get(people).text


def test_an_invitation_of_another_event_can_not_be_revoked_from_here(
    ada: Visitor, organisers: Callable[[str], Visitor], administrator: Visitor, query: Query
) -> None:
    bob = organisers("bob")
    bob.make_event("BOBS2345")
    administrator.invite("/server/staff")
    ada.invite()
    for (invitation_id,) in query("SELECT id FROM invitations"):
        assert bob.post(f"/studio/{bob.event_id}/people/invitations/{invitation_id}/revoke").status_code == 404


def test_an_invitation_is_worth_what_its_maker_may_still_do(
    ada: Visitor, administrator: Visitor, organisers: Callable[[str], Visitor], visitor: Visitors, query: Query
) -> None:
    organisers("bob")
    link = ada.invite()
    administrator.post(f"/studio/{ada.event_id}/hand-over", {"to": "bob@example.org"})
    assert visitor().accept(link, "zoe@example.org").status_code == 410
    query("UPDATE staff SET role = 'administrator' WHERE email = 'ada@example.org'")
    invited = ada.invite("/server/staff")
    query("UPDATE staff SET role = 'organiser' WHERE email = 'ada@example.org'")
    assert visitor().accept(invited, "zoe@example.org").status_code == 410


def test_an_address_that_is_taken_leads_to_signing_in_and_takes_nothing_over(
    ada: Visitor, organisers: Callable[[str], Visitor], visitor: Visitors
) -> None:
    organisers("bob")
    link, stranger = ada.invite(), visitor()
    answer = stranger.accept(link, "BOB@example.org")
    assert answer.status_code == 409 and "There is already an account" in answer.text
    assert f"/sign-in?next={link}" in answer.text
    assert stranger.sign_in("bob@example.org", next=link).headers["location"] == link
    assert stranger.post(link).status_code == 303


def test_a_photographer_who_accepts_an_organisers_invitation_becomes_one(
    ada: Visitor, administrator: Visitor, visitor: Visitors, query: Query
) -> None:
    zoe = visitor()
    zoe.accept(ada.invite(), "zoe@example.org")
    assert zoe.get("/studio/new").status_code == 403
    zoe.post(administrator.invite("/server/staff"))
    assert zoe.get("/studio/new").status_code == 200
    administrator.post(administrator.invite("/server/staff"))
    assert ("administrator",) in query("SELECT role FROM staff")


def test_a_mailed_invitation_is_not_shown_and_confirms_its_address(
    ada: Visitor, visitor: Visitors, post_office: PostOffice, run_jobs: Callable[[], None], query: Query
) -> None:
    assert ada.invite(email="zoe@example.org") == ""
    assert ada.post(f"/studio/{ada.event_id}/people/invite", {"email": "no address"}).status_code == 422
    assert "zoe@example.org" in ada.get(f"/studio/{ada.event_id}/people").text
    run_jobs()
    link = post_office.link_to("zoe@example.org", "invitation")
    zoe = visitor()
    assert 'value="zoe@example.org"' in zoe.get(link).text
    zoe.accept(link, "zoe@example.org")
    assert query("SELECT email_confirmed_at IS NOT NULL FROM staff WHERE email = 'zoe@example.org'") == [(True,)]
    other = visitor()
    assert ada.invite(email="mia@example.org") == ""
    run_jobs()
    other.accept(post_office.link_to("mia@example.org", "invitation"), "other@example.org")
    assert query("SELECT email_confirmed_at FROM staff WHERE email = 'other@example.org'") == [(None,)]


def test_mailed_invitations_are_counted(ada: Visitor) -> None:
    people = f"/studio/{ada.event_id}/people"
    answers = [ada.post(f"{people}/invite", {"email": f"p{n}@example.org"}).status_code for n in range(34)]
    assert answers[:25] == [200] * 25 and answers[-1] == 429


@pytest.mark.anyio
async def test_housekeeping_forgets_what_nobody_can_accept(
    ada: Visitor, administrator: Visitor, query: Query, sessions: Sessions
) -> None:
    ada.invite()
    ada.invite()
    query("UPDATE invitations SET expires_at = now() WHERE id = (SELECT id FROM invitations LIMIT 1)")
    ada.post(f"/studio/{ada.event_id}/hand-over", {"to": "owner@example.org"})
    query("UPDATE event_handovers SET expires_at = now()")
    async with transaction(sessions) as session:
        await invitations.forget_expired(session)
        await handover.forget_expired(session)
    assert query("SELECT count(*) FROM invitations") == [(1,)]
    assert query("SELECT 1 FROM event_handovers") == []
