"""Files that nobody cares for any more are swept: whole ones become photos, others go when their time is over."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.ingest.sender import Sender, metadata
from tests.ingest.test_protocol import originals, staged
from tests.people import Visitor
from trouvaille.ingest.service import Receiver
from trouvaille.ingest.sweeper import Swept
from trouvaille.settings import Settings

Sweeping = Callable[..., Swept]
DAY_S = 86_400


def _age(settings: Settings, path: str, by_s: float) -> None:
    """As if the last byte had come so long ago."""
    file = settings.staging_dir / path.rsplit("/", 1)[1]
    then = time.time() - by_s
    os.utime(file, (then, then))


def _left_whole(sender: Sender, settings: Settings, data: bytes, **told: str) -> str:
    """An upload whose process died after the last byte; returns its address."""
    created = sender.ask("POST", sender.base, upload_length=str(len(data)), upload_metadata=metadata(**told))
    path = created.headers["location"]
    (settings.staging_dir / path.rsplit("/", 1)[1]).write_bytes(data)
    return str(path)


def test_an_upload_expires_when_it_said_and_not_before(
    sender: Sender, photo: bytes, settings: Settings, sweeping: Sweeping
) -> None:
    created = sender.create(len(photo), first=photo[:100])
    path = created.headers["location"]
    said = parsedate_to_datetime(created.headers["upload-expires"]).timestamp()
    assert said == pytest.approx(time.time() + settings.uploads_kept_hours * 3600, abs=60)
    _age(settings, path, DAY_S - 600)
    assert sweeping() == Swept()
    assert sender.head(path).headers["upload-offset"] == "100"
    _age(settings, path, DAY_S + 1)
    assert sweeping() == Swept(expired=1)
    assert sender.head(path).status_code == 404
    assert staged(settings) == []


def test_every_byte_puts_the_end_off(sender: Sender, photo: bytes, settings: Settings, sweeping: Sweeping) -> None:
    path = sender.create(len(photo), first=photo[:100]).headers["location"]
    _age(settings, path, DAY_S + 1)
    sender.patch(path, 100, photo[100:200])
    assert sweeping() == Swept()
    assert sender.head(path).headers["upload-offset"] == "200"


def test_a_whole_file_that_nobody_asks_for_becomes_a_photo(
    sender: Sender, photo: bytes, settings: Settings, sweeping: Sweeping
) -> None:
    path = _left_whole(sender, settings, photo)
    assert sweeping() == Swept()  # somebody may just be at it
    assert sweeping(untouched_s=0) == Swept(finished=1)
    assert sender.head(path).headers["trouvaille-result"] == "accepted"
    assert (originals(settings), staged(settings)) == ([photo], [])


def test_a_whole_file_whose_sender_comes_back_becomes_a_photo_at_once(
    sender: Sender, photo: bytes, settings: Settings, sweeping: Sweeping
) -> None:
    path = _left_whole(sender, settings, photo)
    assert sender.head(path).headers["trouvaille-result"] == "accepted"
    assert sweeping(untouched_s=0) == Swept()
    assert originals(settings) == [photo]


def test_sweepers_and_senders_at_once_make_one_photo(
    sender: Sender, photo: bytes, settings: Settings, sweeping: Sweeping
) -> None:
    path = _left_whole(sender, settings, photo)
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(sender.head, path) for _ in range(3)]
        swept = [pool.submit(sweeping, untouched_s=0) for _ in range(3)]
        assert {each.result().headers["trouvaille-result"] for each in asked} == {"accepted"}
        assert sum(each.result().refused for each in swept) == 0
    assert originals(settings) == [photo]
    with psycopg.connect(settings.database_url or "") as connection:
        assert connection.execute("SELECT count(*) FROM photos").fetchone() == (1,)
        named = "SELECT count(*) FROM procrastinate_jobs WHERE queue_name = 'photos'"
        assert connection.execute(named).fetchone() == (1,)


def test_a_whole_file_that_is_no_good_goes(sender: Sender, settings: Settings, sweeping: Sweeping) -> None:
    path = _left_whole(sender, settings, b"no picture" * 100)
    assert sweeping(untouched_s=0) == Swept(refused=1)
    assert sender.head(path).status_code == 404
    assert (staged(settings), originals(settings)) == ([], [])


def test_a_whole_file_of_somebody_who_may_no_longer_send_becomes_no_photo(
    owner: Visitor,
    visitor: Callable[[], Visitor],
    sender: Sender,
    photo: bytes,
    settings: Settings,
    sweeping: Sweeping,
) -> None:
    zoe = visitor()
    zoe.accept(owner.invite(), "zoe@example.org")
    _left_whole(Sender(zoe.browser, sender.base), settings, photo)
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("DELETE FROM event_photographers")
    assert sweeping(untouched_s=0) == Swept(refused=1)
    assert (staged(settings), originals(settings)) == ([], [])


def test_files_without_rows_and_rows_without_files_go_after_a_while(
    sender: Sender, photo: bytes, settings: Settings, receiver: Receiver, sweeping: Sweeping
) -> None:
    stray: UUID = uuid4()
    receiver.staging.create(stray).close()
    (settings.staging_dir / str(uuid4())).write_bytes(b"a file that never had a turn")
    lost = sender.create(len(photo)).headers["location"]
    receiver.staging.unlink(UUID(lost.rsplit("/", 1)[1]))
    assert sweeping() == Swept()
    assert sweeping(stray_s=0) == Swept(strays=3)
    assert staged(settings) == []
    assert sender.head(lost).status_code == 404


def test_what_was_answered_is_told_for_a_day(
    sender: Sender, photo: bytes, settings: Settings, sweeping: Sweeping
) -> None:
    path = sender.create(len(photo), first=photo).headers["location"]
    sweeping(stray_s=0)
    assert sender.head(path).headers["trouvaille-result"] == "accepted"
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE uploads SET finished_at = now() - interval '25 hours'")
    sweeping()
    assert sender.head(path).status_code == 404
    assert originals(settings) == [photo]


def test_files_of_another_machine_are_left_alone(
    sender: Sender, photo: bytes, settings: Settings, sweeping: Sweeping, tmp_path: Path
) -> None:
    path = sender.create(len(photo)).headers["location"]
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE uploads SET folder_id = gen_random_uuid()")
    assert sweeping() == Swept()
    assert sender.head(path).status_code == 404
    with psycopg.connect(settings.database_url or "") as connection:
        assert connection.execute("SELECT count(*) FROM uploads").fetchone() == (1,)
