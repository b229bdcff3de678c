"""Pages ask the database as often for many photos as for one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.people import Visitor
from trouvaille.core.reading import Prepared
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]


@contextmanager
def _counted() -> Iterator[list[str]]:
    asked: list[str] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        if " store_" not in statement:  # every process looks every few seconds whether its store moves
            asked.append(statement)

    places = Prepared.places

    def filled(wanted: Prepared, given: Mapping[str, Any]) -> dict[str, Any]:  # once for each time that it is asked
        asked.append(wanted.sql)
        return places(wanted, given)

    event.listen(Engine, "before_cursor_execute", note)
    Prepared.places = filled  # type: ignore[method-assign]
    try:
        yield asked
    finally:
        Prepared.places = places  # type: ignore[method-assign]
        event.remove(Engine, "before_cursor_execute", note)


def _add(settings: Settings, event_id: str, count: int) -> None:
    """Photos that are ready, and matched with every guest of the event."""
    with psycopg.connect(settings.database_url or "") as connection:
        for _ in range(count):
            photo_id = uuid4()
            connection.execute(
                "INSERT INTO photos (id, event_id, file_name, sha256, size_bytes, media_type, state,"
                " source, standing, in_general, width_px, height_px, faces, shown_at, created_at)"
                " VALUES (%s, %s, 'a.jpg', %s, 1, 'image/jpeg', 'ready', 'browser', 'shown', true, 3, 2, 1,"
                " now(), now())",
                (photo_id, event_id, photo_id.bytes * 2),
            )
            connection.execute(
                "INSERT INTO matches (guest_id, photo_id, event_id, similarity, tier, created_at)"
                " SELECT id, %s, event_id, 0.9, 'sure', now() FROM guests WHERE event_id = %s",
                (photo_id, event_id),
            )


@pytest.mark.parametrize(
    ("who", "path", "most"),
    [
        ("guest", "/e/PARTY234/photos", 13),
        ("guest", "/e/PARTY234/photos?show=all", 13),
        ("guest", "/e/PARTY234/photos?show=favourites&sort=time&at=2026-06-13T18:00:00", 14),
        ("owner", "/studio", 7),
        ("owner", "/studio/{event_id}", 13),
        ("owner", "/studio/{event_id}?show=no_faces&sort=name", 13),
        ("owner", "/studio/{event_id}?show=bin&sort=faces", 13),
        ("owner", "/studio/{event_id}/guests", 8),
        ("owner", "/studio/{event_id}/invitations", 6),
        ("owner", "/studio/{event_id}/messages", 5),
    ],
)
def test_a_list_takes_a_fixed_number_of_queries(
    owner: Visitor, visitor: Visitors, settings: Settings, who: str, path: str, most: int
) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    person = {"guest": guest, "owner": owner}[who]
    address = path.format(event_id=owner.event_id)
    counts = []
    for more in (1, 29, 49, 60):  # one piece of a list, then the first one of more than one
        _add(settings, owner.event_id, more)
        with _counted() as asked:
            assert person.get(address).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1] and counts[2] == counts[3], "\n".join(statement[:160] for statement in asked)
    assert max(counts) <= most


def test_a_thumbnail_takes_few_queries(owner: Visitor, visitor: Visitors, settings: Settings) -> None:
    guest = visitor()
    guest.register("PARTY234", "rose")
    _add(settings, owner.event_id, 1)
    (photo,) = guest.photos()
    with _counted() as asked:
        # There are no bytes behind this row; what counts is what was asked before they were looked for.
        assert guest.get(f"/e/PARTY234/p/{photo}/thumb").status_code == 404
    assert len(asked) <= 5, asked
