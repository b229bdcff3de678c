"""A tile that was made before is shown again exactly as long as it would be made the same."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from trouvaille.delivery import views
from trouvaille.delivery.access import Show
from trouvaille.delivery.lists import Wish
from trouvaille.delivery.seeing import Listed, Seen
from trouvaille.events.models import Downloads, Event
from trouvaille.matching.models import Tier
from trouvaille.web import i18n

TAKEN = datetime(2026, 6, 13, 18, 0, tzinfo=UTC)
PHOTO = Listed(
    id=uuid4(),
    changed_in=7,
    file_name='a "b" <c>.jpg',
    size_bytes=4_000_000,
    width_px=3000,
    height_px=2000,
    placeholder=b"RIFF",
    taken_at=TAKEN.replace(tzinfo=None),
    shown_at=TAKEN,
    uploaded_by=None,
    renditions_json='{"full": {"file": "a.jpg", "width_px": 3000, "height_px": 2000, "size_bytes": 9}}',
    blanks_json='{"ranges": []}',
)


@pytest.fixture
def event() -> Event:
    return Event(
        code="PARTY234", downloads=Downloads.ORIGINAL, mark=None, camera_data=False, time_zone="Europe/Paris", name="P"
    )


@pytest.fixture(autouse=True)
def _no_other_language() -> Iterator[None]:
    i18n.use("en")
    yield
    i18n.use("en")


def _tile(event: Event, seen: Seen[Listed] | None = None, *, first: int = 0, show: Show = Show.ALL) -> views.Tile:
    return views.tiles(event, [seen or Seen(PHOTO, None, None, None)], Wish(show), first=first)[0]


def test_the_same_photo_is_drawn_once_for_everybody(event: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    _tile(event)
    monkeypatch.setattr(views, "_draw", pytest.fail)
    ones = _tile(event, Seen(PHOTO, Tier.SURE, None, [0.1, 0.2, 0.3, 0.4], is_favourite=True), show=Show.MINE)
    anothers = _tile(event)
    assert ones.picture is anothers.picture
    assert (ones.is_mine, ones.is_favourite, ones.face_box) == (True, True, [0.1, 0.2, 0.3, 0.4])
    assert (anothers.is_mine, anothers.is_favourite, anothers.face_box) == (False, False, None)
    assert ones.page_url.endswith("?show=mine")
    assert anothers.page_url.endswith("?show=all")


def test_names_of_files_can_not_break_out_of_a_tile(event: Event) -> None:
    assert 'data-name="a &#34;b&#34; &lt;c&gt;.jpg"' in _tile(event).about


Change = Callable[[Event], Seen[Listed] | None]


def _set(**values: object) -> Change:
    def change(event: Event) -> None:
        for name, value in values.items():
            setattr(event, name, value)

    return change


@pytest.mark.parametrize(
    ("change", "was", "now"),
    [
        (_set(downloads=Downloads.NONE), "data-file=", None),
        (_set(mark="m"), 'data-bytes="4 MB"', 'data-bytes="9 B"'),
        (_set(time_zone="Asia/Tokyo"), "8:00", "3:00"),
        (lambda _: i18n.use("fr"), "Jun 13", "13 juin"),
        (lambda _: Seen(PHOTO, None, None, None, veiled="v1"), "/thumb ", "/thumb?v=v1 "),
        (lambda _: Seen(replace(PHOTO, changed_in=8, width_px=1000), None, None, None), 'width="3000"', 'width="1000"'),
    ],
)
def test_what_changes_a_tile_is_seen_at_once(event: Event, change: Change, was: str, now: str | None) -> None:
    before = _tile(event)
    seen = change(event)
    after = _tile(event, seen)
    assert was in before.about + before.picture
    assert was not in after.about + after.picture
    assert now is None or now in after.about + after.picture


def test_what_a_first_screen_holds_is_asked_for_first(event: Event) -> None:
    assert 'fetchpriority="high"' in _tile(event, first=1).picture
    assert 'loading="lazy"' in _tile(event).picture


def test_no_more_than_so_many_tiles_are_kept(event: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "KEPT", 3)
    monkeypatch.setattr(views, "_drawn", OrderedDict())
    for _ in range(10):
        _tile(event, Seen(replace(PHOTO, id=uuid4()), None, None, None))
    assert len(views._drawn) == 3
