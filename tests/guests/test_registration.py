"""Guests are unique per event, and the database has the last word when many come at once."""

from datetime import timedelta
from uuid import uuid4

import pytest

from trouvaille.accounts import service as accounts
from trouvaille.accounts.models import Role
from trouvaille.accounts.passwords import Passwords
from trouvaille.accounts.service import Viewer
from trouvaille.core.clock import now
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.errors import InvalidForm, SignInNeeded
from trouvaille.events import service as events
from trouvaille.events.models import Event
from trouvaille.events.plans import EventPlan
from trouvaille.guests import registration
from trouvaille.guests import service as guests
from trouvaille.guests.models import Guest
from trouvaille.guests.registration import EmailTaken, Registration

pytestmark = pytest.mark.anyio


async def _event(sessions: Sessions, passwords: Passwords, code: str = "PARTY234") -> Event:
    async with transaction(sessions) as session:
        staff = await accounts.create_staff(
            session,
            passwords,
            email=f"{uuid4().hex}@example.org",
            display_name="Owner",
            password="correct horse battery",
            role=Role.ORGANISER,
        )
        viewer = Viewer(session_id=uuid4(), kind="staff", id=staff.id, display_name="Owner")
        return await events.create(session, viewer, EventPlan("Party", code), attest_faces=True)


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(2)


def _form(username: str, email: str | None = None) -> Registration:
    return Registration("Rose", username, email or f"{username.lower()}@example.org", "correct horse battery")


async def _register(sessions: Sessions, passwords: Passwords, event: Event, form: Registration) -> Guest:
    password_hash = await registration.hash_of(sessions, passwords, event, form)
    async with transaction(sessions) as session:
        return await registration.register(session, event, form, password_hash)


async def test_username_and_email_are_free_in_another_event(sessions: Sessions, passwords: Passwords) -> None:
    first, second = await _event(sessions, passwords), await _event(sessions, passwords, "OTHER234")
    await _register(sessions, passwords, first, _form("rose"))
    await _register(sessions, passwords, second, _form("rose"))
    with pytest.raises(EmailTaken):
        await _register(sessions, passwords, second, _form("lily", "ROSE@example.org"))


async def test_all_that_is_wrong_is_said_at_once(sessions: Sessions, passwords: Passwords) -> None:
    event = await _event(sessions, passwords)
    with pytest.raises(InvalidForm) as wrong:
        await _register(sessions, passwords, event, Registration(" ", "x y", "no address", "short"))
    assert [problem.field for problem in wrong.value.problems] == ["display_name", "username", "email", "password"]


async def test_an_event_that_is_over_takes_nobody(sessions: Sessions, passwords: Passwords) -> None:
    event = await _event(sessions, passwords)
    async with transaction(sessions) as session:
        event = await session.merge(event)
        event.expires_at = now() - timedelta(seconds=1)
    with pytest.raises(events.EventOver):
        await _register(sessions, passwords, event, _form("rose"))


async def test_a_guest_of_one_event_is_nobody_in_another(sessions: Sessions, passwords: Passwords) -> None:
    first, second = await _event(sessions, passwords), await _event(sessions, passwords, "OTHER234")
    guest = await _register(sessions, passwords, first, _form("rose"))
    viewer = Viewer(uuid4(), "guest", guest.id, "Rose", event_id=first.id, event_code=first.code)
    async with transaction(sessions) as session:
        assert (await guests.of_viewer(session, viewer, first)).id == guest.id
        with pytest.raises(SignInNeeded):
            await guests.of_viewer(session, viewer, second)
