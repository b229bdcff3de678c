"""How much may be added to an event, and that nothing gets past it."""

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import psycopg
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.people import Visitor
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.quota import Defaults
from trouvaille.photos import quotas
from trouvaille.photos.quotas import QuotaReached
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]


def jpeg(n: int) -> bytes:
    """A small picture, its bytes different for each number."""
    made = io.BytesIO()
    Image.new("RGB", (32, 24), "white").save(made, "JPEG")
    return made.getvalue() + f"{n:04}".encode()


def photos(first: int, last: int) -> list[tuple[str, bytes]]:
    return [(f"{n}.jpg", jpeg(n)) for n in range(first, last)]


@pytest.fixture
def ada(visitor: Visitors) -> Visitor:
    ada = visitor()
    ada.set_up_server()
    ada.make_event()
    return ada


@pytest.fixture
def zoe(ada: Visitor, visitor: Visitors) -> Visitor:
    zoe = visitor()
    zoe.accept(ada.invite(), "zoe@example.org")
    zoe.event_id = ada.event_id
    return zoe


def _set(ada: Visitor, **fields: str) -> int:
    names = {name.replace("_", "-"): value for name, value in fields.items()}
    return ada.post(f"/studio/{ada.event_id}/people/quotas", names).status_code


def _staff(settings: Settings, email: str) -> UUID:
    with psycopg.connect(settings.database_url or "") as connection:
        (found,) = connection.execute("SELECT id FROM staff WHERE email = %s", (email,)).fetchone() or (None,)
    assert isinstance(found, UUID)
    return found


def test_an_events_quota_lets_in_so_many_and_tells_each_other_by_name(ada: Visitor, zoe: Visitor) -> None:
    assert _set(ada, event_photos="3") == 303
    assert len(zoe.upload(*photos(0, 2))["accepted"]) == 2
    said = ada.upload(*photos(2, 5))
    assert [each["file_name"] for each in said["accepted"]] == ["2.jpg"]
    assert [each["file_name"] for each in said["refused"]] == ["3.jpg", "4.jpg"]
    assert "3 of 3 photos" in said["refused"][0]["reason"]
    assert len(ada.upload(*photos(0, 1))["duplicates"]) == 1


def test_a_photographers_quota_binds_nobody_else(ada: Visitor, zoe: Visitor, settings: Settings) -> None:
    zoe_id = _staff(settings, "zoe@example.org")
    assert ada.post(f"/studio/{ada.event_id}/people/quotas", {f"{zoe_id}-photos": "1"}).status_code == 303
    assert len(zoe.upload(*photos(0, 2))["refused"]) == 1
    assert len(ada.upload(*photos(2, 6))["accepted"]) == 4


def test_bytes_are_counted_too(ada: Visitor) -> None:
    size = len(jpeg(0)) + len(jpeg(1))
    assert _set(ada, event_gb=f"{size / 1000**3:.9f}") == 303
    said = ada.upload(*photos(0, 3))
    assert (len(said["accepted"]), len(said["refused"])) == (2, 1)


def test_a_deleted_photo_makes_room_and_needs_it_again_to_come_back(ada: Visitor, settings: Settings) -> None:
    _set(ada, event_photos="1")
    (first,) = ada.upload(*photos(0, 1))["accepted"]
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE photos SET deleted_at = now() WHERE id = %s", (first["id"],))
    assert len(ada.upload(*photos(1, 2))["accepted"]) == 1
    assert len(ada.upload(*photos(0, 1))["refused"]) == 1
    _set(ada, event_photos="2")
    assert ada.upload(*photos(0, 1))["accepted"] == [first]


def test_many_at_once_never_pass_it(ada: Visitor, zoe: Visitor) -> None:
    _set(ada, event_photos="7")

    def send(n: int) -> int:
        return len((ada if n % 2 else zoe).upload((f"{n}.jpg", jpeg(n)))["accepted"])

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(send, range(24))) == 7
    desk = ada.get(f"/studio/{ada.event_id}").text
    assert '<span data-number="event_files">7</span> of 7 photos' in desk


def test_what_a_refused_photo_left_in_the_store_is_gone(ada: Visitor, zoe: Visitor, settings: Settings) -> None:
    _set(ada, event_photos="2")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: (ada, zoe)[n % 2].upload((f"{n}.jpg", jpeg(n))), range(12)))
    assert len(list((settings.data_dir / "photos").rglob("original"))) == 2


def test_the_people_page_takes_numbers_and_says_which_is_none(ada: Visitor, zoe: Visitor) -> None:
    page = ada.post(f"/studio/{ada.event_id}/people/quotas", {"event-photos": "many", "event-gb": "1,5"})
    assert page.status_code == 422
    assert "Please enter a number" in page.text
    assert 'value="many"' in page.text
    for wrong in ("-1", "1.5", "NaN", "1e99"):
        assert _set(ada, event_photos=wrong) == 422
    assert _set(ada, event_photos="10", event_gb="1,5") == 303
    assert 'value="1.5"' in ada.get(f"/studio/{ada.event_id}/people").text
    assert _set(ada, event_photos="", event_gb="") == 303
    assert "of 10 photos" not in ada.get(f"/studio/{ada.event_id}").text


@pytest.mark.anyio
async def test_the_servers_usual_holds_where_the_event_says_nothing(
    ada: Visitor, zoe: Visitor, settings: Settings, sessions: Sessions
) -> None:
    event_id, zoe_id = UUID(ada.event_id), _staff(settings, "zoe@example.org")
    quotas.set_defaults(sessions, Defaults(event_photos=5, photographer_photos=2))
    await asyncio.to_thread(zoe.upload, *photos(0, 1))
    async with transaction(sessions) as session:
        left = await quotas.left(session, event_id, zoe_id)
        assert (left.files, left.size_bytes) == (1, None)
        assert (await quotas.left(session, event_id, None)).files == 4
        with pytest.raises(QuotaReached) as reached:
            await quotas.check(session, event_id=event_id, uploaded_by=zoe_id, files=3, size_bytes=1)
        assert reached.value.fit == 1
        await quotas.check(session, event_id=event_id, uploaded_by=zoe_id, files=1, size_bytes=10**15)
    quotas.set_defaults(sessions, Defaults())
    async with transaction(sessions) as session:
        assert (await quotas.left(session, event_id, zoe_id)).files is None


def test_the_settings_reach_the_web_process(settings: Settings, ada: Visitor, site: TestClient) -> None:
    made = settings.model_copy(update={"event_quota_photos": 1})
    quotas.set_defaults(site.app.state.site.sessions, made.quotas())  # type: ignore[attr-defined]
    assert len(ada.upload(*photos(0, 2))["refused"]) == 1
