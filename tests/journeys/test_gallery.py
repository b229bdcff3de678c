"""What a guest's lists hold: order, moments, photographers, favourites, and never what is not theirs to see."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import select

from tests.people import Visitor
from trouvaille.core.db import connect, sessions_of, transaction
from trouvaille.delivery import lists, views
from trouvaille.delivery.access import Show
from trouvaille.events.models import Event
from trouvaille.photos.models import Photo
from trouvaille.settings import Settings
from trouvaille.vision import renditions

Visitors = Callable[[], Visitor]
NOON = datetime(2026, 6, 13, 12, 0)  # noqa: DTZ001 - a camera's clock


def _photo(settings: Settings, event_id: str, at: datetime | None, **more: object) -> UUID:
    """A photo that is ready, without bytes."""
    photo_id = uuid4()
    row = {"standing": "shown", "in_general": True, "uploaded_by": None, "deleted_at": None, "state": "ready"} | more
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute(
            "INSERT INTO photos (id, event_id, file_name, sha256, size_bytes, media_type, state, source, standing,"
            " in_general, uploaded_by, deleted_at, width_px, height_px, faces, taken_at, shown_at, created_at)"
            " VALUES (%(id)s, %(event)s, 'a.jpg', %(sha)s, 1, 'image/jpeg', %(state)s, 'browser', %(standing)s,"
            " %(in_general)s, %(uploaded_by)s, %(deleted_at)s, 3, 2, 1, %(at)s,"
            " coalesce(%(at)s::timestamp AT TIME ZONE 'Europe/Paris', now()), now())",
            row | {"id": photo_id, "event": event_id, "sha": photo_id.bytes * 2, "at": at},
        )
    return photo_id


def _match(settings: Settings, username: str, photo_id: UUID, tier: str = "sure") -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute(
            "INSERT INTO matches (guest_id, photo_id, event_id, similarity, tier, created_at)"
            " SELECT id, %s, event_id, 0.9, %s, now() FROM guests WHERE username = %s",
            (photo_id, tier, username),
        )


@pytest.fixture
def party(owner: Visitor, visitor: Visitors) -> Visitor:
    """A guest of an event whose guests may look through all photos."""
    owner.change(gallery="guests")
    guest = visitor()
    guest.register("PARTY234", "rose")
    guest.event_id = owner.event_id
    return guest


def test_all_photos_are_those_for_all_and_who_is_in_another_sees_it_anyway(
    party: Visitor, visitor: Visitors, settings: Settings
) -> None:
    general = _photo(settings, party.event_id, NOON)
    own = _photo(settings, party.event_id, NOON, in_general=False)
    _match(settings, "rose", own)
    other = visitor()
    other.register("PARTY234", "maya")
    for guest, mine in ((party, [own]), (other, [])):
        assert guest.photos("all") == [general]
        assert guest.photos("mine") == mine
    assert party.get(f"/e/PARTY234/photos/{own}").status_code == 200
    assert other.get(f"/e/PARTY234/photos/{own}").status_code == 404
    assert 'data-count="all">1<' in other.get("/e/PARTY234/photos?show=all").text


@pytest.mark.parametrize(
    "how", [{"standing": "hidden"}, {"standing": "held"}, {"deleted_at": NOON}, {"state": "failed"}]
)
def test_a_photo_that_is_not_to_be_seen_is_nowhere(party: Visitor, settings: Settings, how: dict[str, object]) -> None:
    shown, away = (_photo(settings, party.event_id, NOON, **more) for more in ({}, how))
    for photo in (shown, away):
        _match(settings, "rose", photo)
        with psycopg.connect(settings.database_url or "") as connection:
            connection.execute(
                "INSERT INTO favourites (guest_id, photo_id, created_at) SELECT id, %s, now() FROM guests", (photo,)
            )
    for show in ("mine", "all", "favourites"):
        assert party.photos(show) == [shown]
        assert f'data-count="{show}">1<' in party.get(f"/e/PARTY234/photos?show={show}").text
    for path in (f"photos/{away}", f"p/{away}/thumb", f"p/{away}/original", f"p/{away}/download", f"photos/{away}/ask"):
        assert party.get(f"/e/PARTY234/{path}").status_code == 404
    assert party.post("/e/PARTY234/zip", {"ids": str(away)}).status_code == 404
    assert party.post("/e/PARTY234/photos/gone", {"ids": f"{shown},{away}"}).json() == [str(away)]


def test_a_list_runs_either_way_and_pages_without_gaps(party: Visitor, settings: Settings) -> None:
    photos = [_photo(settings, party.event_id, NOON + timedelta(minutes=number)) for number in range(130)]
    for sort, expected in (("time", photos), ("newest", photos[::-1])):
        seen, address = [], f"/e/PARTY234/photos?show=all&sort={sort}"
        while address:
            text = party.get(address, headers={"x-fragment": "1"}).text
            seen += [UUID(part[:36]) for part in text.split('data-id="')[1:]]
            address = text.split('data-next="')[1].split('"')[0].replace("&amp;", "&") if "data-next" in text else ""
        assert seen == expected


def test_somebody_who_comes_back_gets_all_pages_as_far_as_their_photo(party: Visitor, settings: Settings) -> None:
    photos = [_photo(settings, party.event_id, NOON - timedelta(minutes=number)) for number in range(200)]
    address = f"/e/PARTY234/photos?show=all&after={photos[59]}&through={photos[150]}"
    text = party.get(address, headers={"x-fragment": "1"}).text
    assert [UUID(part[:36]) for part in text.split('data-id="')[1:]] == photos[60:151]
    assert f"after={photos[150]}" in text


def test_long_pauses_cut_an_event_into_moments(party: Visitor, settings: Settings) -> None:
    minutes = [0, 20, 50, 140, 150, 400]  # 20 and 50 are 30 minutes apart, 50 and 140 are 90
    photos = [_photo(settings, party.event_id, NOON + timedelta(minutes=each)) for each in minutes]
    _photo(settings, party.event_id, None)  # a photo without a time is in no moment
    page = party.get("/e/PARTY234/photos?show=all").text
    for title in ("Saturday 12:00–12:50 (3)", "Saturday 14:20–14:30 (2)", "Saturday 18:40 (1)"):
        assert title in page
    # A time inside is enough, so an address outlives an earlier photo that comes later.
    for at in ("2026-06-13T14:20:00", "2026-06-13T14:25:00"):
        assert party.photos(f"all&at={at}") == [photos[4], photos[3]]
    assert len(party.photos("all&at=2030-01-01T00:00:00")) == len(photos) + 1
    assert len(party.photos("all&at=rubbish")) == len(photos) + 1


def test_moments_and_photographers_are_the_same_counted_from_photos_at_hand(
    party: Visitor, owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    visitor().accept(owner.invite(), "paul@example.org")
    with psycopg.connect(settings.database_url or "") as connection:
        staff = [row[0] for row in connection.execute("SELECT id FROM staff ORDER BY email").fetchall()]
    # Over the night in which the clocks are put back, with pauses around the one that separates moments.
    at = datetime(2026, 10, 25, 0, 0)  # noqa: DTZ001 - a camera's clock
    for number, minutes in enumerate([0, 44, 45, 46, 45, 30, 15, 90, 45, 1, 300]):
        at += timedelta(minutes=minutes)
        _photo(settings, party.event_id, at, uploaded_by=staff[number % 3 == 0])
    _photo(settings, party.event_id, None, uploaded_by=staff[0])

    async def both() -> tuple[list[object], list[object]]:
        engine = connect(settings.database_url or "")
        async with transaction(sessions_of(engine)) as session:
            event = await session.get_one(Event, UUID(party.event_id))
            photos = list(await session.scalars(select(Photo)))
            asked = [
                await lists.moments(session, event, None, Show.ALL),
                await lists.photographers(session, event, None, Show.ALL),
            ]
            counted = [lists.moments_in(event, photos), await lists.photographers_in(session, photos)]
            assert (
                await lists.photographers_in(session, [each for each in photos if each.uploaded_by == staff[0]]) == []
            )
        await engine.dispose()
        return asked, counted

    asked, counted = asyncio.run(both())
    assert asked == counted and [len(each) for each in asked] == [4, 2]


def test_a_list_is_narrowed_to_one_photographer(
    party: Visitor, owner: Visitor, visitor: Visitors, settings: Settings
) -> None:
    photographer = visitor()
    photographer.accept(owner.invite(), "paul@example.org")
    with psycopg.connect(settings.database_url or "") as connection:
        staff = dict(connection.execute("SELECT email, id FROM staff").fetchall())
    mine = _photo(settings, party.event_id, NOON, uploaded_by=staff["owner@example.org"])
    assert "All photographers" not in party.get("/e/PARTY234/photos?show=all").text
    theirs = _photo(settings, party.event_id, NOON, uploaded_by=staff["paul@example.org"])
    page = party.get("/e/PARTY234/photos?show=all").text
    assert "All photographers" in page
    assert "paul (1)" in page
    assert "@example.org" not in page
    for who, photo in (("owner", mine), ("paul", theirs)):
        assert party.photos(f"all&by={staff[f'{who}@example.org']}") == [photo]


def test_a_favourite_is_the_guests_own_and_goes_as_it_came(
    party: Visitor, visitor: Visitors, settings: Settings
) -> None:
    photo = _photo(settings, party.event_id, NOON)
    other = visitor()
    other.register("PARTY234", "maya")
    for _ in range(2):
        assert party.post(f"/e/PARTY234/photos/{photo}/favourite", {"on": "yes"}).status_code == 303
    assert party.photos("favourites") == [photo]
    assert other.photos("favourites") == []
    party.post(f"/e/PARTY234/photos/{photo}/favourite", {"on": "no"})
    assert party.photos("favourites") == []


def test_a_favourite_that_may_no_longer_be_seen_is_not_shown(
    party: Visitor, owner: Visitor, settings: Settings
) -> None:
    photo = _photo(settings, party.event_id, NOON)
    party.post(f"/e/PARTY234/photos/{photo}/favourite", {"on": "yes"})
    owner.change(gallery="nobody")
    assert party.photos("favourites") == []
    assert party.post(f"/e/PARTY234/photos/{photo}/favourite", {"on": "yes"}).status_code == 404


def test_the_mark_of_a_gallery_changes_when_one_photo_comes_as_another_goes(party: Visitor, settings: Settings) -> None:
    def mark() -> str:
        return party.get("/e/PARTY234/photos?show=all").text.split('data-mark="')[1].split('"')[0]

    _photo(settings, party.event_id, NOON)
    before = mark()
    assert mark() == before
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("DELETE FROM photos")
    _photo(settings, party.event_id, NOON)
    assert mark() != before


def test_pages_know_how_large_renditions_are() -> None:
    assert (views.THUMB_SIDE_PX, views.VIEW_SIDE_PX) == (renditions.THUMB_SIDE_PX, renditions.VIEW_SIDE_PX)
    assert [views.width_of(*size, 480) for size in ((6000, 4000), (4000, 6000), (300, 200))] == [480, 320, 300]
