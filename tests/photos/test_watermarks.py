"""Watermarks: on everything that guests get, on nothing that staff take home, and never a moment without a picture."""

import asyncio
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.people import Visitor, for_guests
from trouvaille import worker
from trouvaille.core.clock import now
from trouvaille.core.db import connect, sessions_of, transaction
from trouvaille.core.storage import Storage
from trouvaille.operations import stored
from trouvaille.photos import mark_tasks, marks, service
from trouvaille.settings import Settings
from trouvaille.vision.engine import LocalEngine

Jobs = Callable[[], None]
MARK = {"kind": "text", "text": "Studio Rivage", "position": "centre", "size": "60", "opacity": "100"}


@dataclass
class Party:
    """An event with one photo that all guests see, its organiser, and a guest."""

    owner: Visitor
    guest: Visitor
    photo_id: str
    run_jobs: Jobs
    database_url: str

    @property
    def address(self) -> str:
        return f"/e/PARTY234/p/{self.photo_id}"

    def rows(self, query: str, **given: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query, given).fetchall()

    def mark(self, **more: str) -> None:
        answer = self.owner.post(f"/studio/{self.owner.event_id}/watermark", MARK | more)
        assert answer.status_code == 303, answer.text

    def unmark(self) -> None:
        assert self.owner.post(f"/studio/{self.owner.event_id}/watermark", {"do": "off"}).status_code == 303

    def jpeg(self, name: str, by: Visitor | None = None) -> bytes:
        answer = (by or self.guest).get(f"{self.address}/{name}")
        assert answer.status_code == 200, answer.text
        return answer.content


@pytest.fixture
def party(visitor: Callable[[], Visitor], samples: dict[str, Path], run_jobs: Jobs, settings: Settings) -> Party:
    owner, guest = visitor(), visitor()
    owner.set_up_server()
    owner.make_event(gallery="guests")
    (accepted,) = owner.upload(samples["sample1.jpg"])["accepted"]
    run_jobs()
    guest.register("PARTY234", "rose")
    return Party(owner, guest, accepted["id"], run_jobs, settings.database_url or "")


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return Storage(settings.photos_url)


def _pixels(jpeg: bytes) -> NDArray[np.int16]:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"), np.int16)


def _is_marked(jpeg: bytes, plain: bytes) -> bool:
    """Whether the middle differs as letters make it differ, and the edges only as a JPEG does."""
    one, other = _pixels(jpeg), _pixels(plain)
    if one.shape != other.shape:
        other = np.asarray(Image.open(io.BytesIO(plain)).convert("RGB").resize((one.shape[1], one.shape[0])), np.int16)
    differs = np.abs(one - other).max(axis=2)
    height, width = differs.shape
    edges = np.concatenate([differs[: height // 4].ravel(), differs[-height // 4 :].ravel()])
    assert np.percentile(edges, 99) < 40, "pixels outside the mark are what they were"
    middle = differs[height * 2 // 5 : height * 3 // 5, width // 4 : width * 3 // 4]
    return bool((middle > 80).mean() > 0.01)


def _png(colour: tuple[int, int, int, int] = (255, 0, 0, 255), size: tuple[int, int] = (300, 100)) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", size, colour).save(file, "PNG")
    return file.getvalue()


def _send(party: Party, data: bytes, name: str = "mark.png") -> Any:
    return party.owner.send_picture("watermark", data, name)


def test_photos_that_are_there_get_the_mark_and_lose_it_again(party: Party) -> None:
    plain, thumb = party.jpeg("view"), party.jpeg("thumb")
    party.mark()
    assert party.jpeg("view") == plain, "the older one stays until the new one is there"
    assert "0 of 1" in party.owner.get(f"/studio/{party.owner.event_id}/watermark").text
    party.run_jobs()
    assert _is_marked(party.jpeg("view"), plain)
    assert party.jpeg("thumb") == thumb
    assert "1 photo carries it." in party.owner.get(f"/studio/{party.owner.event_id}/watermark").text
    party.unmark()
    party.run_jobs()
    assert party.jpeg("view") == plain
    assert party.rows("SELECT renditions ? 'full', mark FROM photos") == [(False, None)]


def test_guests_get_no_unmarked_byte_by_any_way_and_staff_get_the_file_as_it_was(
    party: Party, samples: dict[str, Path]
) -> None:
    original = samples["sample1.jpg"].read_bytes()
    assert party.jpeg("original") == for_guests(samples["sample1.jpg"])
    before = party.jpeg("view")
    party.mark()
    party.run_jobs()
    whole = Image.open(io.BytesIO(original)).size
    for way in ("original", "download", "download?size=original", "download?size=view", "view"):
        got = party.jpeg(way)
        assert _is_marked(got, original), way
        assert Image.open(io.BytesIO(got)).size == (Image.open(io.BytesIO(before)).size if "view" in way else whole)
        assert not Image.open(io.BytesIO(got)).getexif()
    chosen = party.guest.post("/e/PARTY234/zip", {"ids": party.photo_id}, headers={"accept": "application/json"})
    zips = [f"/e/PARTY234/zip?what=all&size={size}" for size in ("original", "view")]
    for address in ("/e/PARTY234/zip?what=all", *zips, chosen.json()["url"]):
        parcel = zipfile.ZipFile(io.BytesIO(party.guest.get(address).content))
        (name,) = parcel.namelist()
        assert _is_marked(parcel.read(name), original), address
    assert party.jpeg("original", party.owner) == original
    assert party.jpeg("download", party.owner) == original
    assert _is_marked(party.jpeg("view", party.owner), original), "the desk shows what guests see"


def test_the_live_wall_and_those_without_an_account_get_the_mark(party: Party, visitor: Callable[[], Visitor]) -> None:
    plain = party.jpeg("view")
    party.owner.post(f"/studio/{party.owner.event_id}/wall", {"shows": "general", "seconds": "7"})
    link = party.owner.get(f"/studio/{party.owner.event_id}/wall").text.split('data-copy="')[1].split('"')[0]
    party.owner.change(gallery="everyone")
    party.mark()
    party.run_jobs()
    stranger = visitor()
    wall = link.removeprefix("http://testserver")
    (slide,) = stranger.get(f"{wall}/photos").json()["photos"]
    assert _is_marked(stranger.get(slide["url"]).content, plain)
    for way in ("view", "original", "download"):
        assert _is_marked(party.jpeg(way, stranger), plain), way


def test_before_a_photo_has_its_mark_there_is_no_original_of_it(party: Party, samples: dict[str, Path]) -> None:
    plain = party.jpeg("view")
    party.mark()
    for way in ("original", "download"):
        assert party.jpeg(way) == plain, "the size that pages show, which guests have seen already"
    parcel = zipfile.ZipFile(io.BytesIO(party.guest.get("/e/PARTY234/zip?what=all").content))
    assert parcel.read(parcel.namelist()[0]) == plain
    party.unmark()
    assert party.jpeg("original") == for_guests(samples["sample1.jpg"])


def test_a_new_photo_is_marked_as_it_is_read_and_its_faces_are_those_without(
    party: Party, samples: dict[str, Path], engine: LocalEngine
) -> None:
    party.mark(position="tiled", size="20")
    (accepted,) = party.owner.upload(samples["sample2.jpg"])["accepted"]
    party.run_jobs()
    looked = engine.analyse_photo(samples["sample2.jpg"].read_bytes())
    query = "SELECT box_xyxy FROM faces WHERE photo_id = %(id)s"
    boxes = [row[0] for row in party.rows(query, id=accepted["id"])]
    assert len(looked.faces) > 1
    assert sorted(boxes) == pytest.approx(np.array(sorted(face.box_xyxy for face in looked.faces)), abs=1e-6)
    plain = next(each.jpeg for each in looked.renditions if each.name == "view")
    shown = party.guest.get(f"/e/PARTY234/p/{accepted['id']}/view").content
    assert (np.abs(_pixels(shown) - _pixels(plain)) > 80).mean() > 0.005
    assert party.rows("SELECT count(*) FROM photos JOIN events ON events.mark = photos.mark") == [(2,)]


async def _make_anew(settings: Settings, photo_id: str) -> None:
    engine = connect(settings.database_url or "")
    async with transaction(sessions_of(engine)) as session:
        assert await service.make_anew(session, UUID(photo_id)) == 1
    await engine.dispose()


def test_looking_for_faces_again_reads_the_original(party: Party, settings: Settings) -> None:
    faces = "SELECT box_xyxy, quality FROM faces ORDER BY box_xyxy"
    before = party.rows(faces)
    party.mark(position="tiled", size="20")
    party.run_jobs()
    marked = party.rows("SELECT renditions->'view'->>'file' FROM photos")
    asyncio.run(_make_anew(settings, party.photo_id))
    party.run_jobs()
    assert before
    assert party.rows(faces) == before
    assert party.rows("SELECT renditions->'view'->>'file' FROM photos") == marked


def test_what_is_hidden_from_others_carries_the_mark_too(party: Party, samples: dict[str, Path]) -> None:
    plain = party.jpeg("view")
    with psycopg.connect(party.database_url) as connection:
        connection.execute(
            "INSERT INTO veils (id, event_id, photo_id, guest_id, box_xyxy, state, created_at)"
            " SELECT gen_random_uuid(), event_id, id, NULL, ARRAY[0, 0, 0.1, 0.1], 'agreed', now() FROM photos"
        )
        connection.execute(
            "INSERT INTO veiled_photos (photo_id, version, guest_ids, faces, made_at)"
            " SELECT id, 'old', '{}', 1, now() FROM photos"
        )
        connection.execute(
            "UPDATE photos SET renditions = renditions || jsonb_build_object('veiled_view', renditions->'view',"
            " 'veiled_thumb', renditions->'thumb')"
        )
    party.mark()
    party.run_jobs()
    veiled = party.jpeg("view")
    assert veiled != party.jpeg("view", party.owner)
    middle = np.abs(_pixels(veiled) - _pixels(plain)).max(axis=2)
    height, width = middle.shape
    assert (middle[height * 2 // 5 : height * 3 // 5, width // 4 : width * 3 // 4] > 80).mean() > 0.01
    assert party.guest.get(f"{party.address}/original").status_code == 403
    assert party.jpeg("download") == veiled


@pytest.mark.anyio
async def test_changed_settings_make_all_anew_without_a_moment_of_nothing(
    party: Party, settings: Settings, engine: LocalEngine, samples: dict[str, Path]
) -> None:
    party.mark()
    await asyncio.to_thread(party.run_jobs)
    first = party.jpeg("view")
    party.mark(text="Another", position="top_left")
    answers, running = [], True

    def look() -> None:
        while running:
            answers.append(party.guest.get(f"{party.address}/view"))
            answers.append(party.guest.get(f"{party.address}/original"))

    looking = asyncio.create_task(asyncio.to_thread(look))
    await worker.run(settings, worker.QUEUES, concurrency=2, forever=False, engine=engine)
    await asyncio.sleep(0.2)
    running = False
    await looking
    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].content == first
    assert answers[-2].content != first


def test_what_an_older_set_had_is_gone_from_the_store_after_a_while(party: Party, storage: Storage) -> None:
    party.mark()
    party.run_jobs()
    (full,) = party.rows("SELECT event_id, id, renditions->'full'->>'file' FROM photos")
    key = f"events/{full[0]}/photos/{full[1]}/{full[2]}"
    assert asyncio.run(storage.size(key)) > 0
    party.owner.change(gallery="guests", downloads="view")
    party.run_jobs()
    assert party.rows("SELECT renditions ? 'full' FROM photos") == [(False,)]
    assert party.guest.get(f"{party.address}/original").status_code == 403
    with psycopg.connect(party.database_url) as connection:
        connection.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'")
    party.run_jobs()
    assert key not in asyncio.run(storage.keys_under(f"events/{full[0]}/photos"))


def test_a_change_while_a_photo_is_made_is_made_next(party: Party) -> None:
    # The job that was deferred for the first settings finds the second ones; and one that no job is about is found.
    party.mark()
    party.mark(text="Second", position="top_left")
    party.run_jobs()
    assert party.rows("SELECT photos.mark = events.mark FROM photos, events") == [(True,)]
    with psycopg.connect(party.database_url) as connection:
        connection.execute("UPDATE photos SET mark = 'older'")
        connection.execute("UPDATE events SET mark_made = 'older'")
    party.run_jobs()
    party.run_jobs()
    assert party.rows("SELECT photos.mark = events.mark FROM photos, events") == [(True,)]


def test_a_photo_whose_original_is_gone_is_marked_from_what_is_shown_and_never_twice(
    party: Party, storage: Storage
) -> None:
    plain = party.jpeg("view")
    asyncio.run(storage.delete([f"events/{party.owner.event_id}/photos/{party.photo_id}/original"]))
    party.mark()
    party.run_jobs()
    marked = party.jpeg("view")
    assert _is_marked(marked, plain)
    assert party.jpeg("original") == marked
    party.mark(text="Another", position="top_left")
    party.run_jobs()
    assert party.jpeg("view") == marked


def _seen_by_guests(party: Party) -> list[int]:
    return [
        party.guest.get(f"{party.address}/view").status_code,
        party.guest.get(f"{party.address}/thumb").status_code,
        party.guest.get("/e/PARTY234/photos?show=all").text.count("data-id="),
    ]


@pytest.mark.parametrize("view", ["broken", "gone"])
def test_a_photo_that_can_not_be_marked_is_shown_to_no_guest_until_it_can_or_need_not_be(
    party: Party, storage: Storage, view: str
) -> None:
    folder = f"events/{party.owner.event_id}/photos/{party.photo_id}"
    original, plain = asyncio.run(storage.get(f"{folder}/original")), party.jpeg("view")
    ((file,),) = party.rows("SELECT renditions->'view'->>'file' FROM photos")
    asyncio.run(storage.put(f"{folder}/original", b"no picture"))
    if view == "broken":
        asyncio.run(storage.put(f"{folder}/{file}", b"no picture either"))
    else:
        asyncio.run(storage.delete([f"{folder}/{file}"]))
    party.mark()
    party.run_jobs()
    assert party.rows("SELECT state, reason, mark FROM photos") == [("failed", "unmarked", None)]
    assert _seen_by_guests(party) == [404, 404, 0]
    assert "can’t be drawn on this photo" in party.owner.get(f"/studio/{party.owner.event_id}").text

    asyncio.run(storage.put(f"{folder}/{file}", plain))
    party.unmark()
    party.run_jobs()
    assert _seen_by_guests(party) == [200, 200, 1] and party.jpeg("view") == plain

    party.mark()
    asyncio.run(storage.delete([f"{folder}/{file}"]))
    party.run_jobs()
    assert _seen_by_guests(party) == [404, 404, 0]
    asyncio.run(storage.put(f"{folder}/original", original))
    assert party.owner.post(f"/studio/{party.owner.event_id}/photos/{party.photo_id}/retry").status_code == 303
    party.run_jobs()
    assert _seen_by_guests(party) == [200, 200, 1] and _is_marked(party.jpeg("view"), plain)


@pytest.mark.parametrize(
    ("faces_on", "looked_by", "reason"), [(True, None, "put_off"), (True, "test/1", None), (False, None, None)]
)
def test_a_photo_whose_faces_nobody_has_looked_for_yet_is_looked_at_once_it_is_shown_again(
    party: Party, faces_on: bool, looked_by: str | None, reason: str | None
) -> None:
    with psycopg.connect(party.database_url) as connection:
        connection.execute("UPDATE photos SET state = 'failed', reason = 'unmarked', engine = %s", (looked_by,))
        connection.execute("UPDATE events SET faces_attested_at = %s", (now() if faces_on else None,))

    async def show() -> None:
        database = connect(party.database_url)
        async with transaction(sessions_of(database)) as session:
            await marks.show_unmarked(session, UUID(party.owner.event_id))
        await database.dispose()

    asyncio.run(show())
    assert party.rows("SELECT state, reason FROM photos") == [("ready", reason)]


@pytest.mark.parametrize(("marked", "left"), [(None, "failed"), ("older", "ready")])
def test_a_photo_over_which_workers_die_keeps_an_older_mark_and_is_not_shown_without_one(
    party: Party, marked: str | None, left: str
) -> None:
    party.mark()
    party.run_jobs()
    with psycopg.connect(party.database_url) as connection:
        connection.execute("UPDATE photos SET mark = %s", (marked,))

    async def give_up() -> None:
        engine = connect(party.database_url)
        async with transaction(sessions_of(engine)) as session:
            asked = {"photo_id": party.photo_id, "event_id": party.owner.event_id}
            await mark_tasks._give_up(session, asked, "worker_died")
        await engine.dispose()

    asyncio.run(give_up())
    assert party.rows("SELECT state FROM photos") == [(left,)]


def test_a_picture_is_drawn_once_it_is_ready_replaced_and_removed(party: Party) -> None:
    plain = party.jpeg("view")
    refused = party.owner.post(f"/studio/{party.owner.event_id}/watermark", MARK | {"kind": "picture"})
    assert refused.status_code == 422
    assert "Please send a picture first" in refused.text
    assert 'value="Studio Rivage"' in refused.text
    assert _send(party, _png()).headers["location"].endswith("/watermark#watermark")
    party.run_jobs()
    assert party.jpeg("view") == plain, "sending one draws nothing yet"
    party.mark(kind="picture", opacity="100", size="30")
    party.run_jobs()
    height, width = _pixels(plain).shape[:2]
    assert _pixels(party.jpeg("view"))[height // 2, width // 2] == pytest.approx([254, 0, 0], abs=6)
    _send(party, _png((0, 0, 255, 255)))
    party.run_jobs()
    assert _pixels(party.jpeg("view"))[height // 2, width // 2] == pytest.approx([0, 0, 254], abs=6)
    assert party.rows("SELECT count(*) FROM event_pictures") == [(1,)]
    assert party.owner.post(f"/studio/{party.owner.event_id}/watermark/remove").status_code == 303
    party.run_jobs()
    assert party.rows("SELECT count(*) FROM event_pictures") == [(0,)]
    party.mark()
    party.run_jobs()
    assert _is_marked(party.jpeg("view"), plain), "the text is drawn where a picture was"


def test_where_the_picture_s_file_is_gone_its_text_is_drawn_and_no_photo_stays_plain(
    party: Party, storage: Storage
) -> None:
    plain = party.jpeg("view")
    _send(party, _png())
    party.run_jobs()
    pictures = asyncio.run(storage.keys_under(f"events/{party.owner.event_id}/pictures"))
    assert pictures
    asyncio.run(storage.delete(pictures))
    party.mark(kind="picture")
    party.run_jobs()
    assert party.rows("SELECT state, reason, mark IS NOT NULL FROM photos") == [("ready", None, True)]
    assert _is_marked(party.jpeg("view"), plain)


def test_only_staff_see_the_picture_by_itself(party: Party, visitor: Callable[[], Visitor]) -> None:
    _send(party, _png())
    party.run_jobs()
    ((picture_id,),) = party.rows("SELECT id FROM event_pictures")
    assert party.owner.get(f"/e/PARTY234/picture/{picture_id}").headers["content-type"] == "image/png"
    assert party.guest.get(f"/e/PARTY234/picture/{picture_id}").status_code == 404
    assert visitor().get(f"/e/PARTY234/picture/{picture_id}").status_code == 404


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (b"", "choose a picture|empty"),
        (_png()[:40], "incomplete"),
        (for_guests, "clear ground"),
    ],
)
def test_what_is_no_png_or_webp_is_refused(party: Party, samples: dict[str, Path], data: Any, words: str) -> None:
    data = data(samples["sample1.jpg"]) if callable(data) else data
    answer = _send(party, data)
    assert answer.status_code == 422
    assert any(word in answer.text for word in words.split("|"))
    assert party.rows("SELECT count(*) FROM event_pictures") == [(0,)]


def test_a_picture_in_which_nothing_is_to_be_seen_is_told_and_not_drawn(party: Party) -> None:
    _send(party, _png((0, 0, 0, 4)))
    party.run_jobs()
    assert "all of it is transparent" in party.owner.get(f"/studio/{party.owner.event_id}/watermark").text
    answer = party.owner.post(f"/studio/{party.owner.event_id}/watermark", MARK | {"kind": "picture"})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "  "},
        {"text": "x" * 81},
        {"size": "4"},
        {"size": "101"},
        {"size": ""},
        {"opacity": "9"},
        {"opacity": "half"},
        {"position": "outside"},
        {"position": ""},
    ],
)
def test_what_can_not_be_drawn_is_refused_and_what_was_typed_stays(party: Party, wrong: dict[str, str]) -> None:
    answer = party.owner.post(f"/studio/{party.owner.event_id}/watermark", MARK | wrong)
    assert answer.status_code == 422
    assert party.rows("SELECT watermark FROM events") == [(None,)]
    if "text" not in wrong:
        assert 'value="Studio Rivage"' in answer.text


def test_a_copy_of_the_event_has_the_mark_and_writes_where_a_picture_stays_behind(party: Party) -> None:
    _send(party, _png())
    party.run_jobs()
    party.mark(kind="picture", size="33")
    party.owner.post(f"/studio/{party.owner.event_id}/duplicate")
    ((mark, picture, size),) = party.rows(
        "SELECT mark IS NOT NULL, watermark->>'picture', watermark->>'size' FROM events WHERE state = 'draft'"
    )
    assert (mark, picture, size) == (True, None, "33")


def test_the_store_s_check_knows_the_picture_and_the_full_size_and_both_go_with_the_event(
    party: Party, storage: Storage, settings: Settings
) -> None:
    _send(party, _png())
    party.run_jobs()
    party.mark(kind="picture")
    party.run_jobs()

    async def check() -> stored.Found:
        engine = connect(settings.database_url or "")
        found = await stored.check(sessions_of(engine), storage, repair=False, older_than_s=0)
        await engine.dispose()
        return found

    with psycopg.connect(party.database_url) as connection:
        connection.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'")
    party.run_jobs()
    found = asyncio.run(check())
    assert (found.orphans, found.unmade, found.lost) == (0, 0, [])
    assert party.owner.post(f"/studio/{party.owner.event_id}/delete", {"name": "Lea & Tom"}).status_code == 303
    party.run_jobs()
    assert asyncio.run(storage.keys_under(f"events/{party.owner.event_id}")) == []
