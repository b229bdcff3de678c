"""When many want the same name at once, one gets it and everybody else is told so."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import httpx2
import psycopg
import pytest

from tests.people import PASSWORD, Visitor
from tests.web_process import web_process
from trouvaille.core.db import connect, sessions_of, transaction
from trouvaille.events.models import Event
from trouvaille.guests import registration
from trouvaille.guests.models import Guest
from trouvaille.guests.registration import EmailTaken, Registration, UsernameTaken
from trouvaille.settings import Settings

CROWD = 50


def _count(settings: Settings, table: str) -> int:
    with psycopg.connect(settings.database_url or "") as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])


def _form(number: int, **more: str) -> dict[str, str]:
    username = "Rose" if number % 2 else "rOSE"
    names = {"username": username, "email": f"rose{number}@example.org", "password": PASSWORD}
    return {"display_name": "Rose", "agree": "yes"} | names | more


def test_of_fifty_browsers_that_register_one_username_at_once_exactly_one_is_let_in(
    owner: Visitor, settings: Settings
) -> None:
    with web_process(settings, pool_size=10) as address, ThreadPoolExecutor(CROWD) as crowd:

        def register(number: int) -> httpx2.Response:
            return httpx2.post(f"{address}/e/PARTY234/register", data=_form(number), timeout=60)

        answers = list(crowd.map(register, range(CROWD)))
    assert sorted(answer.status_code for answer in answers) == [303] + [409] * (CROWD - 1)
    for answer in answers:
        if answer.status_code == 409:
            assert "This username is already taken at this event." in answer.text
            assert "cookie" not in str(answer.headers).replace("set-cookie: language", "")
    assert [_count(settings, table) for table in ("guests", "consents")] == [1, 1]
    assert _count(settings, "sessions WHERE kind = 'guest'") == 1


@pytest.mark.anyio
@pytest.mark.parametrize(("taken", "names"), [(UsernameTaken, "username"), (EmailTaken, "email")])
async def test_the_database_alone_decides_between_fifty_connections(
    owner: Visitor, settings: Settings, taken: type[Exception], names: str
) -> None:
    engine = connect(settings.database_url or "", pool_size=CROWD)
    everybody_is_here = asyncio.Barrier(CROWD)

    async def register(number: int) -> Guest:
        same = {names: ("ROSE@example.org", "rose@EXAMPLE.org")[number % 2] if names == "email" else "rose"}
        form = Registration(**{"display_name": "Rose", "username": f"u{number}x", **_plain(number), **same})
        async with transaction(sessions_of(engine)) as session:
            event = await session.get_one(Event, UUID(owner.event_id))
            await everybody_is_here.wait()
            return await registration.register(session, event, form, "hash")

    answers = await asyncio.gather(*map(register, range(CROWD)), return_exceptions=True)
    await engine.dispose()
    assert sum(isinstance(answer, Guest) for answer in answers) == 1
    assert sum(isinstance(answer, taken) for answer in answers) == CROWD - 1
    assert _count(settings, "guests") == 1


def _plain(number: int) -> dict[str, str]:
    return {"email": f"rose{number}@example.org", "password": PASSWORD}


def test_a_whole_party_registers_from_one_address(
    owner: Visitor, visitor: Callable[[], Visitor], settings: Settings
) -> None:
    with web_process(settings, pool_size=10) as address, ThreadPoolExecutor(CROWD) as crowd:

        def register(number: int) -> int:
            form = _form(number, username=f"guest{number}")
            return httpx2.post(f"{address}/e/PARTY234/register", data=form, timeout=60).status_code

        answers = list(crowd.map(register, range(CROWD)))
    assert answers == [303] * CROWD
