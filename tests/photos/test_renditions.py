"""Renditions: named by their bytes, switched at once, and gone from everywhere together."""

import asyncio
import hashlib
import io
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from alembic.script import ScriptDirectory
from PIL import Image

from tests.people import Visitor
from trouvaille import schema
from trouvaille.core.db import Sessions, transaction
from trouvaille.core.storage import Storage
from trouvaille.photos import renditions
from trouvaille.photos.models import Photo
from trouvaille.settings import Settings

Jobs = Callable[[], None]


@dataclass(frozen=True)
class Party:
    """An event with one photo that all guests see, its organiser, and a guest."""

    owner: Visitor
    guest: Visitor
    photo_id: UUID

    @property
    def address(self) -> str:
        return f"/e/PARTY234/p/{self.photo_id}"


@pytest.fixture
def party(visitor: Callable[[], Visitor], samples: dict[str, Path], run_jobs: Jobs) -> Party:
    owner, guest = visitor(), visitor()
    owner.set_up_server()
    owner.make_event(gallery="guests", faces=None)
    (accepted,) = owner.upload(samples["sample1.jpg"])["accepted"]
    run_jobs()
    guest.register("PARTY234", "rose")
    return Party(owner, guest, UUID(accepted["id"]))


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return Storage(settings.photos_url)


async def _photo(sessions: Sessions, photo_id: UUID) -> Photo:
    async with transaction(sessions) as session:
        found = await session.get(Photo, photo_id)
        assert found is not None
        return found


@dataclass(frozen=True)
class Drawing:
    """A rendition of one colour."""

    name: str
    colour: str
    width_px: int = 480
    height_px: int = 320

    @property
    def jpeg(self) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (self.width_px, self.height_px), self.colour).save(file, "JPEG")
        return file.getvalue()


async def _render(sessions: Sessions, storage: Storage, photo_id: UUID, colour: str) -> None:
    fresh = await renditions.put(
        storage, await _photo(sessions, photo_id), [Drawing(n, colour) for n in ("thumb", "view")]
    )
    async with transaction(sessions) as session:
        photo = await session.get(Photo, photo_id, with_for_update=True)
        assert photo is not None
        await renditions.switch(session, storage, photo, fresh)


@pytest.mark.anyio
async def test_a_photo_knows_its_renditions_by_the_hash_of_their_bytes_and_they_are_all_that_lies_there(
    party: Party, sessions: Sessions, storage: Storage
) -> None:
    photo = await _photo(sessions, party.photo_id)
    assert sorted(await storage.keys_under(photo.folder)) == sorted(renditions.keys_of(photo))
    for name in ("thumb", "view"):
        known = renditions.stored(photo, name)
        answer = party.guest.get(f"{party.address}/{name}")
        assert known.file == f"{hashlib.sha256(answer.content).hexdigest()}.jpg"
        assert (known.width_px, known.height_px) == Image.open(io.BytesIO(answer.content)).size
        assert known.size_bytes == len(answer.content)


def test_a_browser_asks_every_time_and_is_told_that_nothing_changed(party: Party) -> None:
    first = party.guest.get(f"{party.address}/thumb")
    assert first.headers["cache-control"] == "private, no-cache"
    tag = first.headers["etag"]
    for sent in (tag, f"W/{tag}", f'"other", {tag}'):
        again = party.guest.get(f"{party.address}/thumb", headers={"if-none-match": sent})
        assert (again.status_code, again.content) == (304, b"")
    assert party.guest.get(f"{party.address}/thumb", headers={"if-none-match": '"other"'}).content == first.content


@pytest.mark.parametrize("what", ["hide", "delete"])
def test_a_photo_that_is_taken_away_is_gone_from_everything_at_once_also_by_an_address_that_was_kept(
    party: Party, what: str
) -> None:
    guest, address = party.guest, party.address
    tags = {name: guest.get(f"{address}/{name}").headers["etag"] for name in ("thumb", "view")}
    zip_address = "/e/PARTY234/zip?what=all&size=view"
    assert guest.get(zip_address).status_code == 200
    assert party.owner.post(f"/studio/{party.owner.event_id}/photos/{party.photo_id}/{what}").status_code == 303
    for name, tag in tags.items():
        assert guest.get(f"{address}/{name}", headers={"if-none-match": tag}).status_code == 404
    for name in ("original", "download"):
        assert guest.get(f"{address}/{name}").status_code == 404
    assert guest.photos("all") == []
    assert guest.get(zip_address).status_code == 409


@pytest.mark.anyio
async def test_a_photo_that_is_rendered_anew_is_shown_at_once_and_older_files_go_afterwards(
    party: Party, sessions: Sessions, storage: Storage, run_jobs: Jobs
) -> None:
    before = await _photo(sessions, party.photo_id)
    old_tag = party.guest.get(f"{party.address}/thumb").headers["etag"]
    await _render(sessions, storage, party.photo_id, "teal")
    answer = party.guest.get(f"{party.address}/thumb", headers={"if-none-match": old_tag})
    assert (answer.status_code, answer.content) == (200, Drawing("thumb", "teal").jpeg)
    # What is under way still finds the older ones.
    assert set(renditions.keys_of(before)) <= set(await storage.keys_under(before.folder))
    await asyncio.to_thread(run_jobs)
    after = await _photo(sessions, party.photo_id)
    assert set(await storage.keys_under(after.folder)) == set(renditions.keys_of(after))


@pytest.mark.anyio
async def test_renditions_that_come_back_before_they_were_removed_stay(
    party: Party, sessions: Sessions, storage: Storage, run_jobs: Jobs
) -> None:
    for colour in ("teal", "navy", "teal"):
        await _render(sessions, storage, party.photo_id, colour)
    await asyncio.to_thread(run_jobs)
    assert party.guest.get(f"{party.address}/view").content == Drawing("view", "teal").jpeg


@pytest.mark.anyio
async def test_a_photo_that_is_erased_leaves_no_file(
    party: Party, sessions: Sessions, storage: Storage, run_jobs: Jobs
) -> None:
    photo = await _photo(sessions, party.photo_id)
    await _render(sessions, storage, party.photo_id, "teal")
    party.owner.post(f"/studio/{party.owner.event_id}/photos/{party.photo_id}/erase")
    await asyncio.to_thread(run_jobs)
    assert await storage.keys_under(photo.folder) == []


def test_tiles_show_the_colours_of_a_photo_before_its_thumbnail_is_there(party: Party) -> None:
    desk, gallery = f"/studio/{party.owner.event_id}", "/e/PARTY234/photos?show=all"
    for page in (party.owner.get(desk).text, party.guest.get(gallery).text):
        data = b64decode(page.split('src="data:image/webp;base64,')[1].split('"')[0])
        with Image.open(io.BytesIO(data)) as blur, Image.open(io.BytesIO(_thumb(party))) as thumb:
            assert len(data) < 250 and max(blur.size) == 16
            assert abs(blur.width / blur.height - thumb.width / thumb.height) < 0.1
            near = zip(_mean(blur), _mean(thumb), strict=True)
            assert max(abs(one - other) for one, other in near) < 16


def _thumb(party: Party) -> bytes:
    return bytes(party.guest.get(f"{party.address}/thumb").content)


def _mean(image: Image.Image) -> tuple[int, ...]:
    return tuple(image.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)))


@pytest.mark.anyio
async def test_photos_from_before_are_served_from_where_they_lie(
    party: Party, settings: Settings, sessions: Sessions, storage: Storage
) -> None:
    step = ScriptDirectory.from_config(schema.config()).get_revision("0029").module
    photo = await _photo(sessions, party.photo_id)
    made = {name: renditions.stored(photo, name) for name in ("thumb", "view")}
    for name, each in made.items():
        await storage.put(f"{photo.folder}/{name}.jpg", await storage.get(each.key(photo)))
        await storage.delete([each.key(photo)])
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE photos SET renditions = '{}'")
        for name, side in (("thumb", 480), ("view", 2048)):
            connection.execute(step.OLD.format(name=name, side=side))
    before = await _photo(sessions, party.photo_id)
    for name, each in made.items():
        known = renditions.stored(before, name)
        assert (known.file, known.width_px, known.height_px) == (f"{name}.jpg", each.width_px, each.height_px)
        first = party.guest.get(f"{party.address}/{name}")
        assert first.status_code == 200
        tag = {"if-none-match": first.headers["etag"]}
        assert party.guest.get(f"{party.address}/{name}", headers=tag).status_code == 304
    assert party.guest.get("/e/PARTY234/zip?what=all&size=view").status_code == 200
