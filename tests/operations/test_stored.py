"""`trouvaille storage check` and `move`, over a folder and over a real S3 server."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.people import Visitor
from tests.s3_server import S3Server
from trouvaille import serving
from trouvaille.core import moving
from trouvaille.core.db import Sessions
from trouvaille.core.storage import Storage
from trouvaille.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["folder", "S3"])
def settings(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path, s3: S3Server, s3_prefix: str
) -> Settings:
    """An instance whose photos lie in a folder, and one whose photos lie in S3."""
    url = (tmp_path / "photos").as_uri() if request.param == "folder" else s3.url(s3_prefix)
    return Settings(
        data_dir=tmp_path / "data", DATABASE_URL=database_url, storage_url=url, stalled_after_s=3, log_level="ERROR"
    )


def storage_command(settings: Settings, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "trouvaille", "storage", *arguments],
        env={**os.environ, **serving.environment(settings)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def rows(settings: Settings, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(settings.database_url or "") as connection:
        return connection.execute(query).fetchall()


def test_deleting_a_photo_for_good_removes_every_rendition_from_the_store(
    owner: Visitor, settings: Settings, run_jobs: Callable[[], None], samples: dict[str, Path]
) -> None:
    owner.upload(samples["sample1.jpg"], samples["sample2.jpg"])
    run_jobs()
    store = Storage(settings.photos_url)
    kept = asyncio.run(store.keys_under("events"))
    assert len(kept) == 6 and len([key for key in kept if key.endswith("/original")]) == 2
    photo = rows(settings, "SELECT id FROM photos ORDER BY file_name")[0][0]
    with psycopg.connect(settings.database_url or "", autocommit=True) as connection:
        connection.execute("UPDATE photos SET deleted_at = now() - interval '30 days' WHERE id = %s", (photo,))
    run_jobs()
    run_jobs()
    left = asyncio.run(store.keys_under("events"))
    assert len(left) == 3 and not [key for key in left if str(photo) in key]


def test_orphans_are_found_and_repaired_in_both_directions(
    owner: Visitor, settings: Settings, run_jobs: Callable[[], None], samples: dict[str, Path]
) -> None:
    owner.upload(*(samples[f"sample{number}.jpg"] for number in (1, 2, 3, 4)))
    run_jobs()
    assert storage_command(settings, "check", "--hours", "0")[0] == 0
    store = Storage(settings.photos_url)
    listed = [
        (str(photo), str(event)) for photo, event in rows(settings, "SELECT id, event_id FROM photos ORDER BY id")
    ]
    (first, event), (second, _), (third, _), (whole, _) = listed
    folder = f"events/{event}/photos"
    gone_event = "events/00000000-0000-4000-8000-000000000001"
    stray = [
        f"{folder}/00000000-0000-4000-8000-000000000000/original",
        f"{folder}/{whole}/other.jpg",
        f"{gone_event}/selfies/00000000-0000-4000-8000-000000000002/0",
        f"{gone_event}/pictures/00000000-0000-4000-8000-000000000003/shown",
    ]

    made = [
        f"{folder}/{first}/{file}"
        for (file,) in rows(
            settings,
            f"SELECT each.value->>'file' FROM photos, jsonb_each(renditions) AS each WHERE id = '{first}'",
        )
    ]
    assert len(made) == 2

    async def harm() -> None:
        for key in [*stray, "somebody/elses"]:
            await store.put(key, b"x" * 1000)
        await store.delete(made)  # a worker can make them
        await store.delete([f"{folder}/{second}/original"])  # still to be seen
        await store.delete_under(f"{folder}/{third}")  # nothing is left

    asyncio.run(harm())
    assert storage_command(settings, "check", "--json")[0] == 0  # all of it is younger than a day
    status, said = storage_command(settings, "check", "--hours", "0", "--json")
    found = json.loads(said)
    assert status == 1
    assert (found["orphans"], found["orphan_bytes"], found["unknown"], found["unmade"]) == (4, 4000, 1, 1)
    assert sorted(found["examples"]) == sorted(stray) and set(found["lost"]) == {second, third}
    assert (found["removed"], found["asked"], found["set_aside"]) == (0, 0, 0)  # looking changes nothing
    status, said = storage_command(settings, "check", "--hours", "0", "--repair", "--json")
    found = json.loads(said)
    assert status == 1  # two originals are gone for good
    assert (found["removed"], found["asked"], found["set_aside"]) == (4, 1, 1)
    run_jobs()
    assert [row[0] for row in rows(settings, "SELECT state FROM photos ORDER BY id")] == [
        "ready",
        "ready",
        "failed",
        "ready",
    ]
    # Who sends the lost files again gives the photos their originals back.
    owner.upload(*(samples[f"sample{number}.jpg"] for number in (1, 2, 3, 4)))
    run_jobs()
    assert rows(settings, "SELECT count(*), count(*) FILTER (WHERE state = 'ready') FROM photos") == [(4, 4)]
    status, said = storage_command(settings, "check", "--hours", "0", "--json")
    assert status == 0, said
    assert json.loads(said)["unknown"] == 1 and asyncio.run(store.get("somebody/elses"))


async def test_an_instance_moves_while_others_write_read_and_delete(
    sessions: Sessions, tmp_path: Path, s3: S3Server, s3_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "LOOK_EVERY_S", 0.2)
    old, new = (tmp_path / "old").as_uri(), s3.url(s3_prefix)
    first, second = Storage(old), Storage(old)
    truth = {f"events/{number}": os.urandom(500) for number in range(60)}
    for key, data in truth.items():
        await first.put(key, data)
    ended, wrong = asyncio.Event(), []

    async def live(me: Storage, other: Storage, name: str) -> None:
        """Put, read by another process, overwrite and delete, for as long as it takes."""
        turn = 0
        while not ended.is_set():
            turn += 1
            key, data = f"events/{name}-{turn}", os.urandom(300)
            await me.put(key, data)
            truth[key] = data
            if await other.get(key) != data:
                wrong.append(key)
            if turn % 3 == 0:
                truth[key] = os.urandom(300)
                await other.put(key, truth[key])
            if turn % 4 == 0:
                await other.delete([key])
                del truth[key]
            await asyncio.sleep(0.02)

    async with moving.following(sessions, first), moving.following(sessions, second):
        work = [asyncio.create_task(live(first, second, "a")), asyncio.create_task(live(second, first, "b"))]
        mover = Storage(old)
        done = await asyncio.wait_for(moving.move(sessions, mover, new), timeout=120)
        await asyncio.sleep(0.5)
        ended.set()
        await asyncio.gather(*work)
        assert not wrong and done.copied >= 60
        assert first.arrangement == second.arrangement == mover.arrangement == (new, new)
        assert sorted(await first.keys_under("events")) == sorted(truth)
        for key, data in truth.items():
            assert await second.get(key) == data
    # A process that starts with the old setting goes to the new store.
    late = Storage(old)
    await moving.settle(sessions, late)
    assert late.arrangement == (new, new)
    with pytest.raises(moving.CannotMove):
        await moving.move(sessions, Storage(old), (tmp_path / "third").as_uri())


async def test_a_move_that_is_called_off_leaves_the_old_store_whole(
    sessions: Sessions, tmp_path: Path, s3: S3Server, s3_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "LOOK_EVERY_S", 0.1)
    old, new = (tmp_path / "old").as_uri(), s3.url(s3_prefix)
    storage = Storage(old)
    await storage.put("a", b"a")
    await moving._begin(sessions, Storage(old), new)  # it was interrupted here
    async with moving.following(sessions, storage):
        assert storage.arrangement == (old, old, new)
        await storage.put("b", b"b")
        await moving.call_off(sessions)
        await asyncio.sleep(0.5)
        assert storage.arrangement == (old, old)
        await storage.delete(["b"])
        await storage.put("a", b"A")
    assert await storage.get("a") == b"A" and await storage.keys_under("") == ["a"]
    # Begun anew, what the first attempt left is not taken for what is meant.
    await Storage(new).put("a", b"x")
    os.utime(tmp_path / "old" / "a", (2**31 - 1, 2**31 - 1))
    done = await moving.move(sessions, Storage(old), new)
    assert done.removed == 1
    assert await Storage(new).get("a") == b"A" and await Storage(new).keys_under("") == ["a"]
