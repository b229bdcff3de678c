"""What a photographer does with photos at the desk, and what guests then see."""

import io
from collections.abc import Callable

import psycopg
import pytest
from PIL import Image
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from tests.people import Visitor
from trouvaille.core.db import Sessions, raw_connection, transaction
from trouvaille.photos.listing import Show, Sort, Wanted, page_query
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]


def _jpeg(colour: str) -> tuple[str, bytes]:
    made = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(made, "JPEG")
    return f"{colour}.jpg", made.getvalue()


def _act(who: Visitor, what: str, *ids: str, **more: str) -> dict[str, object]:
    answer = who.post(
        f"/studio/{who.event_id}/photos/acts",
        {"act": what, "photos": " ".join(ids), **more},
        headers={"accept": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _looking(owner: Visitor, visitor: Visitors, run_jobs: Jobs) -> tuple[Visitor, list[str]]:
    owner.change(gallery="guests")
    ids = [row["id"] for row in owner.upload(_jpeg("red"), _jpeg("blue"))["accepted"]]
    run_jobs()
    guest = visitor()
    guest.register("PARTY234", "rose")
    assert len(guest.photos("all")) == 2
    return guest, ids


def test_a_deleted_photo_is_gone_for_guests_and_comes_back(owner: Visitor, visitor: Visitors, run_jobs: Jobs) -> None:
    guest, (red, blue) = _looking(owner, visitor, run_jobs)
    done = _act(owner, "delete", red)
    assert done == {"changed": 1, "undo": {"undelete": [red]}}
    assert [str(each) for each in guest.photos("all")] == [blue]
    for kind in ("thumb", "view", "original", "download"):
        assert guest.get(f"/e/PARTY234/p/{red}/{kind}").status_code == 404
    assert "red.jpg" not in owner.get(f"/studio/{owner.event_id}").text
    assert "red.jpg" in owner.get(f"/studio/{owner.event_id}?show=bin").text
    _act(owner, "undelete", red)
    assert len(guest.photos("all")) == 2
    assert guest.get(f"/e/PARTY234/p/{red}/thumb").status_code == 200


def test_what_lay_in_the_bin_for_a_week_is_removed_with_every_byte(
    owner: Visitor, visitor: Visitors, run_jobs: Jobs, settings: Settings
) -> None:
    _, (red, blue) = _looking(owner, visitor, run_jobs)
    _act(owner, "delete", red, blue)
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE photos SET deleted_at = now() - interval '8 days' WHERE id = %s", (red,))
    run_jobs()
    left = {path.parts[-2] for path in (settings.data_dir / "photos").rglob("*") if path.is_file()}
    assert left == {blue}


def test_hiding_is_undone_to_what_was_before(owner: Visitor, visitor: Visitors, run_jobs: Jobs) -> None:
    guest, (red, blue) = _looking(owner, visitor, run_jobs)
    _act(owner, "hold", blue)
    done = _act(owner, "hide", red, blue)
    assert done == {"changed": 2, "undo": {"show": [red], "hold": [blue]}}
    assert guest.photos("all") == []
    assert guest.get(f"/e/PARTY234/p/{red}/thumb").status_code == 404
    assert owner.get(f"/e/PARTY234/p/{red}/thumb").status_code == 200
    assert _act(owner, "publish", red, blue)["changed"] == 0  # hidden is not held
    _act(owner, "hold", blue)
    assert _act(owner, "publish", all="yes", show="held")["changed"] == 1
    assert [str(each) for each in guest.photos("all")] == [blue]


def test_nobody_changes_photos_of_another_photographer_or_event(
    owner: Visitor, visitor: Visitors, run_jobs: Jobs
) -> None:
    _, (red, blue) = _looking(owner, visitor, run_jobs)
    zoe = visitor()
    zoe.accept(owner.invite(), "zoe@example.org")
    zoe.event_id = owner.event_id
    own = zoe.upload(_jpeg("green"))["accepted"][0]["id"]
    for what in ("hide", "hold", "general", "not_general", "delete", "erase", "retry"):
        assert _act(zoe, what, red, blue)["changed"] == 0, what
    assert _act(zoe, "delete", all="yes") == {"changed": 1, "undo": {"undelete": [own]}}
    first = owner.event_id
    owner.make_event("OTHER234")
    assert _act(owner, "delete", red, blue)["changed"] == 0
    assert _act(owner, "erase", all="yes")["changed"] == 0
    owner.event_id = first
    assert _act(owner, "delete", all="yes")["changed"] == 2


def test_where_photos_are_reviewed_nothing_is_shown_before_somebody_published_it(
    owner: Visitor, visitor: Visitors, run_jobs: Jobs
) -> None:
    guest, _ = _looking(owner, visitor, run_jobs)
    owner.change(gallery="guests", review="yes")
    (green,) = [row["id"] for row in owner.upload(_jpeg("green"))["accepted"]]
    run_jobs()
    assert len(guest.photos("all")) == 2
    assert guest.get(f"/e/PARTY234/p/{green}/thumb").status_code == 404
    assert "Publish 1 photo" in owner.get(f"/studio/{owner.event_id}?show=held").text
    assert owner.post(f"/studio/{owner.event_id}/photos/acts", {"act": "publish", "all": "yes", "show": "held"})
    assert len(guest.photos("all")) == 3


def test_a_duplicate_names_the_photo_that_it_is(owner: Visitor) -> None:
    (first,) = owner.upload(_jpeg("red"))["accepted"]
    (again,) = owner.upload(_jpeg("red"))["duplicates"]
    assert again["id"] == first["id"]


@pytest.mark.anyio
@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize("show", [Show.ALL, Show.FAILED, Show.HELD, Show.HIDDEN, Show.BIN, Show.NO_FACES])
async def test_every_part_and_order_of_the_desk_is_read_by_an_index(
    sessions: Sessions, database_url: str, show: Show, sort: Sort
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(_MANY)
    async with transaction(sessions) as session:
        await session.execute(text("ANALYZE photos"))
        event_id = await session.scalar(text("SELECT id FROM events WHERE code = 'E3'"))
        after = await session.scalar(text("SELECT id FROM photos WHERE event_id = :id LIMIT 1"), {"id": event_id})
        query = page_query(Wanted(event_id, show=show), sort, after=after, limit=121)
        asked = str(query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))
        raw = await raw_connection(session)
        rows = await (await raw.execute(f"EXPLAIN {asked}")).fetchall()
        plan = "\n".join(row[0] for row in rows)
    assert "Seq Scan" not in plan, plan


# Ten events of a thousand photos, of which a few are out of the common.
_MANY = """
INSERT INTO staff (id, email, display_name, password_hash, role, locale, created_at)
SELECT gen_random_uuid(), 'a@example.org', 'Ada', 'x', 'organiser', 'en', now();
INSERT INTO events (id, code, name, state, time_zone, place, owner_id, locales, accent, gallery, downloads, review,
                    general, guest_pass, camera_data, created_at)
SELECT gen_random_uuid(), 'E' || n, 'E', 'open', 'UTC', '', staff.id, '{en}', '#000000', 'guests', 'none', false, true,
       false, false, now()
  FROM staff, generate_series(1, 10) AS n;
INSERT INTO photos (id, event_id, file_name, sha256, size_bytes, media_type, state, source, standing, in_general,
                    faces, deleted_at, shown_at, created_at)
SELECT gen_random_uuid(), events.id, 'IMG_' || n || '.jpg', sha256((events.code || n)::bytea), 1, 'image/jpeg',
       CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'ready' END, 'browser',
       CASE n % 50 WHEN 1 THEN 'held' WHEN 2 THEN 'hidden' ELSE 'shown' END, true, n % 7,
       CASE WHEN n % 90 = 3 THEN now() END, now() - n * interval '1 minute', now() - n * interval '1 second'
  FROM events, generate_series(1, 1000) AS n;
"""
