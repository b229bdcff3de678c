"""What staff, guests and strangers may do in each state of an event."""

import asyncio
from collections.abc import Callable
from itertools import product

import pytest

from tests.people import Visitor
from tests.rows import party
from trouvaille.core.db import Sessions, transaction
from trouvaille.events.models import Event, EventState
from trouvaille.events.states import MOVES, WrongMove, move

Visitors = Callable[[], Visitor]


@pytest.fixture
def owner(visitor: Visitors) -> Visitor:
    owner = visitor()
    owner.set_up_server()
    return owner


WAYS = {
    EventState.DRAFT: (),
    EventState.OPEN: ("open",),
    EventState.CLOSED: ("open", "closed"),
    EventState.ARCHIVED: ("open", "archived"),
}


def test_only_the_ways_of_the_table_are_open(owner: Visitor) -> None:
    for number, (start, to) in enumerate(product(EventState, EventState)):
        owner.make_event(f"CODE{number}", begin="draft")
        for step in WAYS[start]:
            assert owner.move(step).status_code == 303
        expected = 303 if to is start or to in MOVES[start] else 409
        assert owner.move(to.value).status_code == expected, f"{start} to {to}"
    assert owner.move("nonsense").status_code == 422


def test_the_desk_has_a_button_for_each_way_and_says_what_the_state_means(owner: Visitor) -> None:
    owner.make_event(begin="draft")
    said = {
        "draft": "Only you and your team see this event.",
        "open": "Whoever has the link can come in.",
        "closed": "Nobody new comes in.",
        "archived": "Guests are locked out.",
    }
    for state in ("draft", "open", "closed", "archived"):
        if state != "draft":
            owner.move(state)
        desk = owner.get(f"/studio/{owner.event_id}").text
        assert said[state] in desk
        for to in EventState:
            assert (f'name="to" value="{to.value}"' in desk) == (to in MOVES[EventState(state)])


def test_a_draft_is_there_for_its_staff_alone(owner: Visitor, visitor: Visitors) -> None:
    owner.make_event("DRAFT234", begin="draft")
    stranger = visitor()
    for path in (
        "/e/DRAFT234",
        "/e/DRAFT234/theme.css",
        "/e/DRAFT234/app.webmanifest",
        "/e/DRAFT234/register",
        "/go?code=DRAFT234",
    ):
        assert stranger.get(path).status_code == 404, path
    assert stranger.register("DRAFT234", "rose").status_code == 404
    assert owner.get("/e/DRAFT234").status_code == 200
    assert "This is a draft" in owner.get("/e/DRAFT234").text
    assert owner.move("open").status_code == 303
    assert stranger.register("DRAFT234", "rose").status_code == 303


def test_a_closed_event_takes_nobody_new_and_keeps_its_guests(owner: Visitor, visitor: Visitors) -> None:
    owner.make_event("CLOSED23", gallery="guests")
    guest = visitor()
    guest.register("CLOSED23", "rose")
    owner.move("closed")
    assert "Everybody is here" in visitor().get("/e/CLOSED23").text
    assert visitor().register("CLOSED23", "lily").status_code == 409
    assert guest.get("/e/CLOSED23/photos").status_code == 200
    assert guest.agree().headers["location"] == "/e/CLOSED23/selfie"
    assert visitor().sign_in("rose").headers["location"] == "/e/CLOSED23/photos"
    owner.move("open")
    assert visitor().register("CLOSED23", "lily").status_code == 303


def test_an_archived_event_locks_guests_out_but_lets_them_erase_themselves(owner: Visitor, visitor: Visitors) -> None:
    owner.make_event("ARCHIV23", gallery="everyone")
    guest = visitor()
    guest.register("ARCHIV23", "rose")
    owner.move("archived")
    assert guest.get("/e/ARCHIV23/photos").status_code == 410
    assert visitor().get("/e/ARCHIV23/photos").status_code == 410
    assert visitor().sign_in("rose").status_code == 422
    assert guest.get("/e/ARCHIV23/me").status_code == 200
    assert guest.post("/e/ARCHIV23/me/delete", {"username": "rose"}).status_code == 303


def test_staff_read_an_archived_event_and_change_nothing(owner: Visitor) -> None:
    owner.make_event("ARCHIV23")
    owner.move("archived")
    base = f"/studio/{owner.event_id}"
    assert owner.get(base).status_code == owner.get(f"{base}/edit").status_code == 200
    assert "This event is archived" in owner.get(f"{base}/edit").text
    for path, form in (
        ("edit", {"name": "Other"}),
        ("faces", {"attest": "yes"}),
        ("code", {"sure": "yes"}),
        ("extend", {"days": "30"}),
        ("logo/remove", {}),
    ):
        assert owner.post(f"{base}/{path}", dict(form)).status_code == 409, path
    files = [("photos", ("a.jpg", b"x"))]
    assert owner.browser.post(f"{base}/photos", files=files).status_code == 409
    assert owner.send_picture("logo", b"x").status_code == 409
    owner.move("closed")
    assert owner.change(name="Other").status_code == 303


@pytest.mark.anyio
async def test_of_two_who_move_an_event_at_once_one_is_told_to_look_again(sessions: Sessions) -> None:
    viewer, event = await party(sessions)

    async def go(to: EventState, ready: asyncio.Barrier) -> None:
        async with transaction(sessions) as session:
            mine = await session.get(Event, event.id)
            assert mine is not None
            await ready.wait()
            await move(session, mine, to, by=viewer)

    ready = asyncio.Barrier(2)
    answers = await asyncio.gather(go(EventState.CLOSED, ready), go(EventState.ARCHIVED, ready), return_exceptions=True)
    assert [type(answer) for answer in answers if answer is not None] == [WrongMove]
