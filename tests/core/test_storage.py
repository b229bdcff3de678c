"""The same verbs over a folder and over a real S3 server."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import obstore
import pytest

from tests.s3_server import S3Server, serving
from trouvaille.core.errors import NotFound, Unavailable
from trouvaille.core.storage import NO_ROOM, Storage
from trouvaille.core.stores import WrongStore, check_url, open_store

pytestmark = pytest.mark.anyio
MB = 1024**2


@pytest.fixture(params=["folder", "S3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, s3: S3Server, s3_prefix: str) -> Storage:
    return Storage((tmp_path / "photos").as_uri() if request.param == "folder" else s3.url(s3_prefix))


async def test_what_is_put_is_read_whole_and_from_any_offset(storage: Storage) -> None:
    data = os.urandom(3 * MB)
    await storage.put("a/b/original", data)
    assert await storage.get("a/b/original") == data
    assert await storage.size("a/b/original") == len(data)
    for offset in (0, 1, 2 * MB + 5, len(data) - 1):
        assert b"".join([piece async for piece in await storage.stream("a/b/original", offset=offset)]) == data[offset:]


async def test_what_is_not_there_is_not_found_and_deleting_it_is_no_error(storage: Storage) -> None:
    for ask in (storage.get("nothing"), storage.size("nothing"), storage.stream("nothing")):
        with pytest.raises(NotFound):
            await ask
    await storage.delete(["nothing", "nothing/at/all"])
    await storage.delete_under("nothing")
    assert await storage.keys_under("nothing") == []


async def test_deleting_below_a_folder_leaves_its_neighbours(storage: Storage) -> None:
    for key in ("photos/1/thumb", "photos/1/view", "photos/1/veiled/x", "photos/12/thumb", "photos/2/thumb"):
        await storage.put(key, b"x")
    await storage.delete_under("photos/1")
    assert sorted(await storage.keys_under("photos")) == ["photos/12/thumb", "photos/2/thumb"]


async def test_more_keys_than_one_request_takes_are_all_deleted(s3: S3Server, s3_prefix: str) -> None:
    storage = Storage(s3.url(s3_prefix))
    await asyncio.gather(*(storage.put(f"many/{number:04}", b"x") for number in range(1203)))
    assert len(await storage.keys_under("many")) == 1203
    await storage.delete_under("many")
    assert s3.files(s3_prefix) == []


async def test_a_large_file_goes_in_parts_and_arrives_whole(
    s3: S3Server, s3_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:  # sparse, with something at both ends and in the middle
        for at in (0, 40 * MB + 7, 70 * MB):
            file.seek(at)
            file.write(os.urandom(1000))
    asked: list[dict[str, object]] = []
    put = obstore.put_async

    async def watched(*args: object, **more: object) -> object:
        asked.append(more)
        return await put(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(obstore, "put_async", watched)
    storage = Storage(s3.url(s3_prefix))
    await storage.put_file("large", large)
    assert asked == [{"chunk_size": 8 * MB, "max_concurrency": 4}]  # no more than 32 MB at once
    there = hashlib.sha256()
    async for piece in await storage.stream("large"):
        there.update(piece)
    assert there.digest() == hashlib.sha256(large.read_bytes()).digest()


async def test_a_store_that_is_away_is_unavailable_within_seconds_and_back_when_it_is(tmp_path: Path) -> None:
    with serving() as server:
        storage = Storage(server.url())
        await storage.put("kept", b"kept")
        server.stop()
        asks: tuple[Callable[[], object], ...] = (
            lambda: storage.put("new", b"new"),
            lambda: storage.get("kept"),
            lambda: storage.size("kept"),
            lambda: storage.stream("kept"),
            lambda: storage.delete(["kept"]),
            lambda: storage.delete_under("kept"),
            lambda: storage.keys_under("kept"),
        )
        for ask in asks:
            with pytest.raises(Unavailable):
                await asyncio.wait_for(ask(), timeout=60)  # type: ignore[arg-type]
        server.start()
        assert await storage.get("kept") == b"kept"


async def test_a_store_that_never_answers_is_given_up(unused_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trouvaille.core.stores.SILENCE_S", 1)
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda reader, writer: held.append(writer), "127.0.0.1", unused_s3.port)
    try:
        with pytest.raises(Unavailable):
            await asyncio.wait_for(Storage(unused_s3.url()).get("anything"), timeout=120)
    finally:
        for writer in held:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        server.close()


@pytest.fixture
def unused_s3(tmp_path: Path) -> S3Server:
    """Where no server was started."""
    return S3Server(tmp_path)


async def test_wrong_credentials_are_not_taken_for_a_missing_file(s3: S3Server, tmp_path: Path) -> None:
    wrong = tmp_path / "credentials"
    wrong.write_text("[default]\naws_access_key_id = trouvaille\naws_secret_access_key = something-else\n")
    storage = Storage(f"s3://photos?endpoint=http://127.0.0.1:{s3.port}&credentials_file={wrong}")
    with pytest.raises(Unavailable):
        await storage.get("anything")


async def test_credentials_and_endpoint_may_come_from_the_environment(
    s3: S3Server, s3_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "trouvaille",
        "AWS_SECRET_ACCESS_KEY": "a-secret-of-tests",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3.port}",
        "AWS_REGION": "eu-west-3",
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    storage = Storage(f"s3://photos/{s3_prefix}")
    await storage.put("a", b"a")
    assert await storage.get("a") == b"a"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://somewhere/photos",
        "/var/photos",
        "s3://",
        "s3://key:secret@bucket",
        "s3://bucket?endpiont=https://example.org",
        "s3://bucket?path_style=perhaps",
        "s3://bucket?endpoint=minio:9000",
        "file:///photos?region=x",
    ],
)
async def test_an_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(WrongStore):
        check_url(url)


async def test_a_credentials_file_without_keys_is_refused(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = x\n")
    with pytest.raises(WrongStore, match="lacks"):
        open_store(f"s3://bucket?credentials_file={tmp_path / 'credentials'}")


async def test_while_it_moves_all_is_written_and_deleted_in_both_stores_and_read_in_one(
    tmp_path: Path, s3: S3Server, s3_prefix: str
) -> None:
    old, new = (tmp_path / "old").as_uri(), s3.url(s3_prefix)
    storage = Storage(old)
    await storage.put("a/1", b"old")
    storage.arrange(old, old, new)
    staged = tmp_path / "staged"
    staged.write_bytes(b"whole")
    await storage.put("a/2", b"new")
    await storage.put_file("a/3", staged)
    assert [await storage.get(f"a/{number}") for number in (1, 2, 3)] == [b"old", b"new", b"whole"]
    assert s3.files(s3_prefix) == ["a/2", "a/3"]
    storage.arrange(new, old, new)
    assert [await storage.get(f"a/{number}") for number in (2, 3)] == [b"new", b"whole"]
    with pytest.raises(NotFound):
        await storage.get("a/1")
    await storage.delete(["a/1", "a/2"])
    assert await Storage(old).keys_under("a") == ["a/3"] == await storage.keys_under("a")
    await storage.delete_under("a")
    assert s3.files(s3_prefix) == [] and not list((tmp_path / "old").rglob("a/*"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB of its own."""
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("only root may mount a file system")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)  # the store keeps folders open


async def test_a_full_disk_is_told_as_such_and_leaves_what_was_there(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = tmp_path / "staged"
    staged.write_bytes(os.urandom(9 * MB))
    storage = Storage((small_disk / "photos").as_uri())
    with pytest.raises(Unavailable) as early:  # before the disk is full: the database needs room too
        await storage.put("a", b"before")
    monkeypatch.setattr("trouvaille.core.storage.KEEP_FREE_BYTES", -(1024**4))  # it fills up between look and writing
    await storage.put("a", b"before")
    for attempt in (storage.put("a", os.urandom(9 * MB)), storage.put_file("a", staged)):
        with pytest.raises(Unavailable) as late:
            await attempt
        assert late.value.text == early.value.text == NO_ROOM
    assert await storage.get("a") == b"before"
    assert [path.name for path in (small_disk / "photos").iterdir()] == ["a"]
    for _ in range(50):  # the thread that wrote in vain may still have the removed file open, and with it its room
        if shutil.disk_usage(small_disk).free > MB:
            break
        await asyncio.sleep(0.1)
    await storage.put("b", b"after")
