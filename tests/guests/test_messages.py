"""Messages from guests: kept for the staff of their event, without addresses, and not too many."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from tests.people import Visitor
from tests.rows import party
from trouvaille.core.db import Sessions, transaction
from trouvaille.guests import messages
from trouvaille.guests.messages import AT_MOST, LONGEST, WITHIN
from trouvaille.guests.models import Guest, Message
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]


@pytest.fixture
def owner(visitor: Visitors) -> Visitor:
    owner = visitor()
    owner.set_up_server()
    owner.make_event()
    return owner


@pytest.fixture
def rose(owner: Visitor, visitor: Visitors) -> Visitor:
    rose = visitor()
    rose.register("PARTY234", "rose")
    return rose


def _write(guest: Visitor, text: str) -> int:
    return guest.post("/e/PARTY234/contact", {"text": text}).status_code


def test_staff_read_what_a_guest_wrote_and_neither_sees_an_address(owner: Visitor, rose: Visitor) -> None:
    assert _write(rose, "Is there a photo of the cake?\n\n<b>Thanks</b>") == 303
    inbox = owner.get(f"/studio/{owner.event_id}/messages").text
    assert "Is there a photo of the cake?" in inbox and "&lt;b&gt;Thanks&lt;/b&gt;" in inbox
    assert "Rose" in inbox and "rose@example.org" not in inbox
    page = rose.get("/e/PARTY234/contact?sent=1").text
    assert "Not read yet" in page and "owner@example.org" not in page


def test_unread_messages_are_counted_until_they_are_marked(owner: Visitor, rose: Visitor) -> None:
    for number in range(3):
        _write(rose, f"Message {number}")
    base = f"/studio/{owner.event_id}"
    assert "3 messages" in owner.get("/studio").text
    inbox = owner.get(f"{base}/messages").text
    assert "3 unread messages" in inbox
    first = re.search(r'action="([^"]*/messages/[0-9a-f-]{36}/read)"', inbox)
    assert first
    owner.post(first[1], {"read": "yes"})
    assert "2 unread messages" in owner.get(f"{base}/messages").text
    owner.post(first[1], {"read": "no"})
    assert "3 unread messages" in owner.get(f"{base}/messages").text
    owner.post(f"{base}/messages/read")
    assert "Everything is read" in owner.get(f"{base}/messages").text
    assert "message" not in owner.get("/studio").text
    assert "Not read yet" not in rose.get("/e/PARTY234/contact").text


def test_empty_and_endless_messages_are_refused_and_what_was_typed_stays(rose: Visitor) -> None:
    assert _write(rose, "  \n ") == 422
    answer = rose.post("/e/PARTY234/contact", {"text": "x" * (LONGEST + 1)})
    assert answer.status_code == 422 and "x" * (LONGEST + 1) in answer.text


def test_a_guest_may_not_write_without_end(rose: Visitor, visitor: Visitors, settings: Settings) -> None:
    assert [_write(rose, "Hello") for _ in range(AT_MOST + 1)] == [303] * AT_MOST + [429]
    lily = visitor()
    lily.register("PARTY234", "lily")
    assert _write(lily, "Hello") == 303
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE messages SET created_at = created_at - %s", (WITHIN + timedelta(seconds=1),))
    assert _write(rose, "Hello") == 303


def test_messages_of_another_event_are_neither_seen_nor_marked(owner: Visitor, rose: Visitor) -> None:
    _write(rose, "Hello there")
    inbox = owner.get(f"/studio/{owner.event_id}/messages").text
    first = re.search(r"/messages/([0-9a-f-]{36})/read", inbox)
    assert first
    owner.make_event("OTHER234")
    assert "No messages" in owner.get(f"/studio/{owner.event_id}/messages").text
    assert owner.post(f"/studio/{owner.event_id}/messages/{first[1]}/read").status_code == 404


def test_one_who_is_no_guest_writes_nothing(owner: Visitor, visitor: Visitors) -> None:
    assert _write(visitor(), "Hello") == 401
    assert _write(owner, "Hello") == 401


@pytest.mark.anyio
async def test_of_many_messages_at_the_same_moment_no_more_are_kept_than_may_be(sessions: Sessions) -> None:
    _, event = await party(sessions)
    async with transaction(sessions) as session:
        guest = Guest(event_id=event.id, username="rose", email="r@example.org", display_name="Rose", password_hash="")
        session.add(guest)

    async def send() -> Message:
        async with transaction(sessions) as session:
            return await messages.send(session, guest, "Hello")

    answers = await asyncio.gather(*(send() for _ in range(12)), return_exceptions=True)
    assert sum(isinstance(answer, Message) for answer in answers) == AT_MOST
    assert sum(isinstance(answer, messages.TooManyMessages) for answer in answers) == 12 - AT_MOST
