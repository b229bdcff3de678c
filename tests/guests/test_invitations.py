"""Inviting from a list: rows with errors are told by line, links work once made, and end when withdrawn."""

import re
from collections.abc import Callable

import psycopg
import pytest

from tests.people import PASSWORD, Visitor
from trouvaille.core.errors import Invalid
from trouvaille.guests import invitations
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
LINK = re.compile(r"http://testserver(/i/[\w-]{43})<")


@pytest.fixture
def owner(visitor: Visitors) -> Visitor:
    owner = visitor()
    owner.set_up_server()
    owner.make_event()
    return owner


def _invite(owner: Visitor, people: str) -> tuple[int, str]:
    answer = owner.post(f"/studio/{owner.event_id}/invitations", {"people": people})
    return answer.status_code, answer.text


def test_names_and_addresses_are_read_in_any_order_with_or_without_heads() -> None:
    text = "E-mail;Nom;Prénom\nrose@example.org;Martin;Rose\n\n lily@example.org ; Lily ;\n"
    people, problems = invitations.read(text)
    assert [(each.line, each.name, each.email) for each in people] == [
        (2, "Martin Rose", "rose@example.org"),
        (4, "Lily", "lily@example.org"),
    ]
    assert problems == []


def test_what_is_wrong_with_a_row_is_told_by_its_line() -> None:
    text = "Rose,rose@example.org\nNobody\nTwo,a@example.org,b@example.org\n,c@example.org\nBad,d@e\nR,ROSE@example.org"
    people, problems = invitations.read(text)
    assert [person.name for person in people] == ["Rose"]
    assert [(each.line, each.error.text) for each in problems] == [
        (2, "There is no e-mail address."),
        (3, "There is more than one e-mail address."),
        (4, "The name is missing."),
        (5, "Please enter a valid e-mail address."),
        (6, "This address stands in the list twice."),
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "name,e-mail\n", '"open'])
def test_a_list_without_people_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        invitations.read(text)


def test_an_invited_person_follows_their_link_and_has_come(owner: Visitor, visitor: Visitors) -> None:
    status, page = _invite(owner, "Rose Martin, rose@example.org\nwrong row")
    assert status == 200
    assert "Line 2" in page and ">wrong row</textarea>" in page
    (link,) = LINK.findall(page)
    assert link not in owner.get(f"/studio/{owner.event_id}/invitations").text, "links are shown once"
    guest = visitor()
    address = guest.get(link).headers["location"]
    form = guest.get(address).text
    assert 'value="Rose Martin"' in form and 'value="rose@example.org"' in form
    hidden = re.search(r'name="invitation" value="([\w-]+)"', form)
    assert hidden
    guest.register("PARTY234", "rose", email="other@example.org", invitation=hidden[1])
    listed = owner.get(f"/studio/{owner.event_id}/invitations").text
    assert "1 of 1 invited have come" in listed and "Has come" in listed


def test_one_who_comes_by_the_poster_counts_as_come_by_their_address(owner: Visitor, visitor: Visitors) -> None:
    _invite(owner, "Rose, ROSE@example.org")
    visitor().register("PARTY234", "rose")
    assert "1 of 1 invited have come" in owner.get(f"/studio/{owner.event_id}/guests").text


def test_nobody_is_invited_twice_and_no_guest_is_invited(owner: Visitor, visitor: Visitors) -> None:
    visitor().register("PARTY234", "rose")
    _invite(owner, "Lily, lily@example.org")
    status, page = _invite(owner, "Lily, LILY@example.org\nRose, rose@example.org\nMaya, maya@example.org")
    assert status == 200
    assert "This person is invited already." in page and "This person is a guest already." in page
    assert len(LINK.findall(page)) == 1


def test_a_new_link_ends_the_old_one_and_withdrawing_ends_both(
    owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    _, page = _invite(owner, "Rose, rose@example.org")
    (old,) = LINK.findall(page)
    with psycopg.connect(settings.database_url or "") as connection:
        (invitation_id,) = connection.execute("SELECT id FROM guest_invitations").fetchone() or ("",)
        kept = connection.execute("SELECT token_hash FROM guest_invitations").fetchone()
    assert kept and old.rsplit("/", 1)[1].encode() not in kept[0]
    base = f"/studio/{owner.event_id}/invitations/{invitation_id}"
    (new,) = LINK.findall(owner.post(f"{base}/link").text)
    assert visitor().get(old).status_code == 404
    assert visitor().get(new).status_code == 303
    assert owner.post(f"{base}/withdraw").status_code == 303
    assert visitor().get(new).status_code == 404
    assert owner.post(f"{base}/withdraw").status_code == 404


def test_links_outlive_a_new_code_and_lead_nowhere_while_closed(owner: Visitor, visitor: Visitors) -> None:
    _, page = _invite(owner, "Rose, rose@example.org")
    (link,) = LINK.findall(page)
    owner.post(f"/studio/{owner.event_id}/code", {"sure": "yes"})
    address = visitor().get(link).headers["location"]
    assert visitor().get(address).status_code == 200
    owner.move("closed")
    assert visitor().get(link).status_code == 409


def test_a_file_is_taken_as_spreadsheets_save_it(owner: Visitor) -> None:
    file = ("list.csv", "Name;E-mail\r\nZoë;zoe@example.org\r\n".encode("cp1252"), "text/csv")
    answer = owner.browser.post(f"/studio/{owner.event_id}/invitations", data={"people": ""}, files={"file": file})
    assert answer.status_code == 200 and "Zoë" in answer.text
    picture = ("a.png", b"\x89PNG\0\0", "image/png")
    answer = owner.browser.post(f"/studio/{owner.event_id}/invitations", data={}, files={"file": picture})
    assert answer.status_code == 422 and "This file is no CSV file." in answer.text


def test_an_unknown_token_does_not_hinder_registering(owner: Visitor, visitor: Visitors) -> None:
    form = {"display_name": "Rose", "username": "rose", "email": "rose@example.org", "password": PASSWORD}
    assert visitor().post("/e/PARTY234/register", {**form, "invitation": "x" * 43}).status_code == 303
