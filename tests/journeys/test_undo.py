"""Taking a removal back: what was removed is gone at once, and for an hour comes back exactly as it was."""

import asyncio
import io
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from httpx2 import Response
from PIL import Image
from sqlalchemy.ext.asyncio import AsyncSession

from tests.people import Visitor
from trouvaille.accounts import undo
from trouvaille.core.db import connect, sessions_of, transaction
from trouvaille.core.storage import Storage
from trouvaille.operations import stored
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]


@pytest.fixture
def owner(visitor: Visitors) -> Visitor:
    owner = visitor()
    owner.set_up_server()
    owner.make_event()
    return owner


@pytest.fixture
def query(settings: Settings) -> Callable[..., list[tuple[Any, ...]]]:
    def run(sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(settings.database_url or "") as connection:
            answer = connection.execute(sql)  # type: ignore[arg-type]
            return answer.fetchall() if answer.description else []

    return run


Query = Callable[..., list[tuple[Any, ...]]]


def _in_transaction(settings: Settings, act: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        engine = connect(settings.database_url or "")
        try:
            async with transaction(sessions_of(engine)) as session:
                return await act(session)
        finally:
            await engine.dispose()

    return asyncio.run(run())


def _picture(kind: str = "JPEG", mode: str = "RGB") -> bytes:
    made = io.BytesIO()
    Image.new(mode, (300, 100), (180, 40, 40) if mode == "RGB" else (180, 40, 40, 90)).save(made, kind)
    return made.getvalue()


def _offered(owner: Visitor, answer: Response) -> str:
    """Where the notice of the page that follows leads."""
    assert answer.status_code == 303, answer.text
    return _undo_on(owner.get(answer.headers["location"]).text)


def _undo_on(page: str) -> str:
    (address,) = re.findall(r'action="(/undo/[0-9a-f-]{36})"', page)
    return str(address)


def _put_back(owner: Visitor, address: str) -> str:
    """Returns the page that follows."""
    answer = owner.post(address)
    assert answer.status_code == 303, answer.text
    shown = owner.get(answer.headers["location"])
    assert shown.status_code == 200
    assert "/undo/" not in shown.text
    return str(shown.text)


def test_a_photographer_is_back_with_their_quota(owner: Visitor, visitor: Visitors, query: Query) -> None:
    kim = visitor()
    kim.accept(owner.invite(), "kim@example.org")
    query("UPDATE event_photographers SET quota_photos = 7, quota_bytes = 12345678901")
    (before,) = query("SELECT * FROM event_photographers")
    kim.event_id = owner.event_id
    gone = _offered(owner, owner.post(f"/studio/{owner.event_id}/people/{before[1]}/remove"))
    assert kim.get(f"/studio/{owner.event_id}").status_code == 404
    assert "It is as it was before." in _put_back(owner, gone)
    assert query("SELECT * FROM event_photographers") == [before]
    assert kim.upload(("a.jpg", _picture()))["accepted"]
    acts = [act for (act,) in query("SELECT act FROM audit WHERE about_id IS NOT NULL ORDER BY at")]
    assert acts[-2:] == ["photographer.removed", "removal.undone"]


def test_the_links_of_invitations_work_again(owner: Visitor, visitor: Visitors, query: Query) -> None:
    for where in ("", "/server/staff"):
        link = owner.invite(where)
        base = where or f"/studio/{owner.event_id}/people"
        ((invitation_id,),) = query("SELECT id FROM invitations")
        gone = _offered(owner, owner.post(f"{base}/invitations/{invitation_id}/revoke"))
        assert visitor().get(link).status_code == 410
        assert "It is as it was before." in _put_back(owner, gone)
        email = f"{'kim' if where else 'zoe'}@example.org"
        assert visitor().accept(link, email).status_code == 303


def test_a_guests_invitation_is_back_and_goes_for_good_with_its_guest(
    owner: Visitor, visitor: Visitors, query: Query
) -> None:
    base = f"/studio/{owner.event_id}/invitations"
    page = owner.post(base, {"people": "Rose Martin, rose@example.org"}).text
    link = re.search(r"/i/[\w-]+", page)
    assert link
    (before,) = query("SELECT * FROM guest_invitations")
    ((row_id,),) = query("SELECT id FROM guest_invitations")
    gone = _offered(owner, owner.post(f"{base}/{row_id}/withdraw"))
    assert visitor().get(link[0]).status_code == 404
    assert "It is as it was before." in _put_back(owner, gone)
    assert query("SELECT * FROM guest_invitations") == [before]
    rose = visitor()
    assert rose.register("PARTY234", "rose", invitation=link[0].removeprefix("/i/")).status_code == 303
    gone = _offered(owner, owner.post(f"{base}/{row_id}/withdraw"))
    assert rose.post("/e/PARTY234/me/delete", {"username": "rose"}).status_code == 303
    assert query("SELECT * FROM removed") == []
    assert owner.post(gone).status_code == 410


def test_the_old_link_of_an_invitation_is_back_unless_somebody_came_with_the_new_one(
    owner: Visitor, visitor: Visitors, query: Query
) -> None:
    base = f"/studio/{owner.event_id}/invitations"

    def links(page: str) -> str:
        return re.findall(r"/i/[\w-]+", page)[0]

    first = links(owner.post(base, {"people": "Rose Martin, rose@example.org"}).text)
    (before,) = query("SELECT * FROM guest_invitations")
    ((row_id,),) = query("SELECT id FROM guest_invitations")
    page = owner.post(f"{base}/{row_id}/link").text
    second = links(page)
    assert [visitor().get(each).status_code for each in (first, second)] == [404, 303]
    _put_back(owner, _undo_on(page))
    assert query("SELECT * FROM guest_invitations") == [before]
    assert [visitor().get(each).status_code for each in (first, second)] == [303, 404]
    page = owner.post(f"{base}/{row_id}/link").text
    rose = visitor()
    assert rose.register("PARTY234", "rose", invitation=links(page).removeprefix("/i/")).status_code == 303
    assert owner.post(_undo_on(page)).status_code == 409
    assert query("SELECT guest_id IS NULL FROM guest_invitations") == [(False,)]
    assert rose.post("/e/PARTY234/me/delete", {"username": "rose"}).status_code == 303
    assert owner.post(_undo_on(page)).status_code == 410, "who is erased does not come back as invited"
    assert query("SELECT * FROM guest_invitations") == []


def test_a_token_is_good_again_for_whoever_revoked_it_alone(owner: Visitor, visitor: Visitors, query: Query) -> None:
    page = owner.post("/account/tokens", {"name": "Backup", "scopes": "events:read", "days": "30"}).text
    token = re.search(r"trv_[\w-]+", page)
    assert token
    bearer = {"authorization": f"Bearer {token[0]}"}
    ((token_id,),) = query("SELECT id FROM api_tokens")
    gone = _offered(owner, owner.post(f"/account/tokens/{token_id}/revoke"))
    assert visitor().get("/api/v1/events", headers=bearer).status_code == 401
    other = visitor()
    other.accept(owner.invite("/server/staff"), "kim@example.org")
    assert other.post(gone).status_code == 410
    assert visitor().get("/api/v1/events", headers=bearer).status_code == 401
    _put_back(owner, gone)
    assert visitor().get("/api/v1/events", headers=bearer).status_code == 200
    assert owner.post(gone).status_code == 410, "a second click finds nothing to undo"


def test_after_an_hour_it_is_gone_for_good(owner: Visitor, query: Query, settings: Settings) -> None:
    owner.invite()
    ((invitation_id,),) = query("SELECT id FROM invitations")
    gone = _offered(owner, owner.post(f"/studio/{owner.event_id}/people/invitations/{invitation_id}/revoke"))
    query("UPDATE removed SET at = at - interval '59 minutes'")
    _in_transaction(settings, undo.forget)
    assert query("SELECT count(*) FROM removed") == [(1,)]
    query("UPDATE removed SET at = at - interval '2 minutes'")
    assert owner.post(gone).status_code == 410
    _in_transaction(settings, undo.forget)
    assert query("SELECT count(*) FROM removed") == [(0,)]
    assert query("SELECT count(*) FROM invitations") == [(0,)]


def _shown(visitor: Visitor) -> list[str]:
    return re.findall(r'src="(/e/PARTY234/picture/[0-9a-f-]{36})"', visitor.get("/e/PARTY234").text)


def test_a_cover_is_back_with_its_bytes_which_no_check_takes_for_an_orphan(
    owner: Visitor, visitor: Visitors, run_jobs: Jobs, settings: Settings
) -> None:
    owner.send_picture("cover", _picture())
    run_jobs()
    (cover,) = _shown(visitor())
    owner.post(f"/studio/{owner.event_id}/cover/remove")
    run_jobs()
    assert _shown(visitor()) == []
    assert visitor().get(cover).status_code == 404
    found = _check(settings)
    assert (found.files, found.orphans) == (2, 0)
    gone = _undo_on(owner.get(f"/studio/{owner.event_id}/edit").text)
    assert owner.post(gone).headers["location"] == f"/studio/{owner.event_id}/edit#cover"
    assert _shown(visitor()) == [cover]
    assert visitor().get(cover).status_code == 200
    assert "/undo/" not in owner.get(f"/studio/{owner.event_id}/edit").text


def _check(settings: Settings) -> stored.Found:
    async def run() -> stored.Found:
        engine = connect(settings.database_url or "")
        storage = Storage(settings.photos_url)
        found = await stored.check(sessions_of(engine), storage, repair=False, older_than_s=0)
        await engine.dispose()
        return found

    return asyncio.run(run())


def test_the_bytes_of_a_cover_are_erased_when_the_hour_is_over(
    owner: Visitor, run_jobs: Jobs, query: Query, settings: Settings
) -> None:
    owner.send_picture("cover", _picture())
    run_jobs()
    owner.post(f"/studio/{owner.event_id}/cover/remove")
    query("UPDATE removed SET at = at - interval '61 minutes'")
    assert "/undo/" not in owner.get(f"/studio/{owner.event_id}/edit").text
    _in_transaction(settings, undo.forget)
    run_jobs()
    assert _check(settings).files == 0


def test_a_cover_that_was_removed_before_it_was_drawn_is_drawn_when_it_is_back(
    owner: Visitor, visitor: Visitors, run_jobs: Jobs
) -> None:
    owner.send_picture("cover", _picture())
    owner.post(f"/studio/{owner.event_id}/cover/remove")
    run_jobs()
    assert owner.post(_undo_on(owner.get(f"/studio/{owner.event_id}/edit").text)).status_code == 303
    assert _shown(visitor()) == []
    run_jobs()
    (cover,) = _shown(visitor())
    assert visitor().get(cover).status_code == 200


def test_what_came_in_its_place_stays(owner: Visitor, visitor: Visitors, run_jobs: Jobs) -> None:
    owner.send_picture("cover", _picture())
    run_jobs()
    owner.post(f"/studio/{owner.event_id}/cover/remove")
    gone = _undo_on(owner.get(f"/studio/{owner.event_id}/edit").text)
    owner.send_picture("cover", _picture("PNG"))
    run_jobs()
    (second,) = _shown(visitor())
    assert "/undo/" not in owner.get(f"/studio/{owner.event_id}/edit").text
    assert owner.post(gone).status_code == 409
    assert _shown(visitor()) == [second]


def test_the_mark_that_was_drawn_is_drawn_again(owner: Visitor, run_jobs: Jobs, query: Query) -> None:
    owner.send_picture("watermark", _picture("PNG", "RGBA"), "mark.png")
    run_jobs()
    base = f"/studio/{owner.event_id}/watermark"
    form = {"kind": "picture", "text": "Studio", "position": "centre", "size": "60", "opacity": "100"}
    assert owner.post(base, form).status_code == 303
    before = query("SELECT watermark, mark FROM events")
    owner.post(f"/studio/{owner.event_id}/watermark/remove")
    assert query("SELECT watermark->'picture' FROM events") == [(None,)]
    assert owner.post(_undo_on(owner.get(base).text)).headers["location"] == f"{base}#watermark"
    assert query("SELECT watermark, mark FROM events") == before


def _link(page: str) -> str:
    found = re.search(r'data-copy="https?://[^/]+(/wall/[\w-]+)"', page)
    assert found
    return found[1]


def test_the_old_link_of_a_wall_works_again(owner: Visitor, visitor: Visitors) -> None:
    base, form = f"/studio/{owner.event_id}/wall", {"shows": "general", "seconds": "7", "shows_code": "yes"}
    owner.post(base, form)
    first = _link(owner.get(base).text)
    gone = _offered(owner, owner.post(base, form | {"seconds": "9", "do": "fresh"}))
    second = _link(owner.get(base).text)
    assert [visitor().get(each).status_code for each in (first, second)] == [404, 200]
    assert _link(_put_back(owner, gone)) == first
    assert [visitor().get(each).status_code for each in (first, second)] == [200, 404]
    gone = _offered(owner, owner.post(base, form | {"do": "off"}))
    assert visitor().get(first).status_code == 404
    _put_back(owner, gone)
    assert visitor().get(first).status_code == 200
    assert owner.post(base, form | {"do": "off"}).status_code == 303
    again = owner.post(base, form | {"do": "off"})
    assert again.headers["location"] == base, "where there is no wall, there is nothing to undo"


def test_the_access_of_a_camera_is_back_unless_a_new_one_was_made(owner: Visitor, query: Query) -> None:
    base = f"/studio/{owner.event_id}/camera"
    owner.post(base)
    (before,) = query("SELECT * FROM camera_credentials")
    row_id = query("SELECT id FROM camera_credentials")[0][0]
    gone = _offered(owner, owner.post(f"{base}/{row_id}/revoke"))
    assert query("SELECT * FROM camera_credentials") == []
    _put_back(owner, gone)
    assert query("SELECT * FROM camera_credentials") == [before]
    gone = _offered(owner, owner.post(f"{base}/{row_id}/revoke"))
    owner.post(base)
    kept = query("SELECT * FROM camera_credentials")
    answer = owner.post(gone)
    assert answer.status_code == 409
    assert "Something has changed since." in answer.text
    assert query("SELECT * FROM camera_credentials") == kept


def test_nothing_comes_back_to_an_event_that_is_archived_or_somebody_elses(
    owner: Visitor, visitor: Visitors, query: Query
) -> None:
    kim = visitor()
    kim.accept(owner.invite("/server/staff"), "kim@example.org")
    kim.make_event("OTHER234")
    base = f"/studio/{kim.event_id}/invitations"
    kim.post(base, {"people": "Rose Martin, rose@example.org"})
    ((row_id,),) = query("SELECT id FROM guest_invitations")
    gone = _offered(kim, kim.post(f"{base}/{row_id}/withdraw"))
    kim.move("closed")
    kim.move("archived")
    assert kim.post(gone).status_code == 409
    kim.move("closed")
    query("UPDATE events SET owner_id = (SELECT id FROM staff WHERE email = 'owner@example.org')")
    assert kim.post(gone).status_code == 404
    assert query("SELECT count(*) FROM guest_invitations") == [(0,)]
    assert owner.post(f"/studio/{kim.event_id}/delete", {"name": "Lea & Tom"}).status_code == 303
    assert query("SELECT count(*) FROM removed") == [(0,)], "an event takes along what was removed from it"


def test_scripts_list_and_undo_what_was_removed_from_an_event(owner: Visitor, visitor: Visitors, query: Query) -> None:
    page = owner.post("/account/tokens", {"name": "All", "scopes": ["events:read", "events:write"], "days": "30"}).text
    token = re.search(r"trv_[\w-]+", page)
    assert token
    bearer, script = {"authorization": f"Bearer {token[0]}"}, visitor().browser
    base = f"/api/v1/events/{owner.event_id}"
    link = owner.invite()
    ((invitation_id,),) = query("SELECT id FROM invitations")
    assert script.delete(f"{base}/people/invitations/{invitation_id}", headers=bearer).status_code == 204
    (item,) = script.get(f"{base}/removed", headers=bearer).json()["items"]
    assert item["what"] == "invitation"
    other = owner.make_event("OTHER234")
    elsewhere = f"/api/v1/events/{other}/removed/{item['id']}/put-back"
    assert script.post(elsewhere, headers=bearer).status_code == 410
    assert script.post(f"{base}/removed/{item['id']}/put-back", headers=bearer).status_code == 204
    assert script.get(f"{base}/removed", headers=bearer).json() == {"items": []}
    assert visitor().get(link).status_code == 200


def test_of_two_clicks_at_once_one_removes_and_can_be_undone(owner: Visitor, query: Query) -> None:
    owner.invite()
    ((row_id,),) = query("SELECT id FROM invitations")
    address = f"/studio/{owner.event_id}/people/invitations/{row_id}/revoke"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: owner.post(address), range(4)))
    assert sorted(each.status_code for each in answers) == [303, 404, 404, 404]
    (one,) = [each for each in answers if each.status_code == 303]
    _put_back(owner, _offered(owner, one))
    assert query("SELECT id FROM invitations") == [(row_id,)]


def test_the_bytes_of_a_cover_are_erased_also_when_whoever_removed_it_is_gone(
    owner: Visitor, visitor: Visitors, run_jobs: Jobs, query: Query, settings: Settings
) -> None:
    kim = visitor()
    kim.accept(owner.invite("/server/staff"), "kim@example.org")
    kim.make_event("OTHER234")
    kim.send_picture("cover", _picture())
    run_jobs()
    kim.post(f"/studio/{kim.event_id}/cover/remove")
    query("UPDATE events SET owner_id = (SELECT id FROM staff WHERE email = 'owner@example.org')")
    query("DELETE FROM staff WHERE email = 'kim@example.org'")
    assert query("SELECT staff_id FROM removed") == [(None,)]
    query("UPDATE removed SET at = at - interval '61 minutes'")
    _in_transaction(settings, undo.forget)
    run_jobs()
    assert _check(settings).files == 0
