"""How many calls run at once, for threads, processes and the dead; and what is counted of them."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.rekognition.conftest import MakeCollections
from tests.rekognition.server import Account, picture
from trouvaille.core.db import Sessions, transaction
from trouvaille.rekognition import costs as costs_module
from trouvaille.rekognition.client import Collections
from trouvaille.rekognition.costs import Tariff, calls_left, costs
from trouvaille.rekognition.errors import Away, BudgetSpent, Busy
from trouvaille.rekognition.meter import Meter
from trouvaille.rekognition.slots import Slots

CALLER = Path(__file__).with_name("caller.py")
TARIFF = Tariff(Decimal(1), Decimal(50))


@contextmanager
def caller(
    database_url: str, endpoint: str, *, limit: int, threads: int, calls: int
) -> Iterator[subprocess.Popen[str]]:
    """Another process that has begun to call."""
    argv = (sys.executable, str(CALLER), database_url, endpoint, str(limit), str(threads), str(calls))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def until(holds: Callable[[], bool], within_s: float = 15) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def counted(database_url: str) -> dict[str, int]:
    with psycopg.connect(database_url) as connection:
        return dict(connection.execute("SELECT operation, calls FROM rekognition_calls").fetchall())


def test_threads_of_one_process_share_the_slots(make_collections: MakeCollections, account: Account) -> None:
    collections = make_collections(limit=4)
    account.seconds = 0.05
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: collections.events(), range(40)))
    assert account.most_at_once == 4
    assert account.counts["ListCollections"] == 40


def test_two_processes_share_the_slots(database_url: str, endpoint: str, account: Account) -> None:
    account.seconds = 0.05
    with (
        caller(database_url, endpoint, limit=5, threads=8, calls=40) as one,
        caller(database_url, endpoint, limit=5, threads=8, calls=40) as two,
    ):
        assert one.wait(60) == two.wait(60) == 0
    assert account.counts["ListCollections"] == 80
    assert account.most_at_once == 5


def test_a_killed_process_frees_its_slots(
    database_url: str, endpoint: str, account: Account, make_collections: MakeCollections
) -> None:
    collections = make_collections(limit=3)
    account.trouble("ListCollections", "hang", times=3, seconds=3)
    with caller(database_url, endpoint, limit=3, threads=3, calls=3) as victim:
        until(lambda: account.now == 3)
        victim.kill()
    begun = time.monotonic()
    collections.events()
    assert time.monotonic() - begun < 2


def test_who_waits_too_long_is_sent_back_to_the_queue(database_url: str) -> None:
    slots = Slots(database_url, limit=1, timeout_s=0.2)
    with slots.one(), ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(_hold, slots) for _ in range(2)]
        for each in waiting:
            with pytest.raises(Busy):
                each.result()
    with slots.one():
        pass
    slots.close()


def test_another_process_waits_at_the_turnstile_no_longer_than_its_limit(database_url: str) -> None:
    ours, theirs = (Slots(database_url, limit=1, timeout_s=0.5) for _ in range(2))
    third = Slots(database_url, limit=1, timeout_s=0.2)
    with ours.one(), ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(_hold, each) for each in (theirs, third)]
        for each in waiting:
            with pytest.raises(Busy):
                each.result()
    for slots in (ours, theirs, third):
        slots.close()


def _hold(slots: Slots, seconds: float = 0.0) -> float:
    with slots.one():
        time.sleep(seconds)
        return time.monotonic()


def test_a_lone_selfie_does_not_wait_behind_all_photos_of_another_process(database_url: str) -> None:
    photos, selfies = Slots(database_url, limit=1), Slots(database_url, limit=1)
    with ThreadPoolExecutor(21) as pool:
        crowd = [pool.submit(_hold, photos, 0.05) for _ in range(20)]
        until(lambda: any(each.done() for each in crowd))
        begun = time.monotonic()
        waited = pool.submit(_hold, selfies).result() - begun
        still_waiting = sum(not each.done() for each in crowd)
    assert still_waiting >= 10, waited
    photos.close()
    selfies.close()


def test_threads_are_served_in_the_order_in_which_they_came(database_url: str) -> None:
    slots = Slots(database_url, limit=1)
    served: list[int] = []

    def take(number: int) -> None:
        with slots.one():
            served.append(number)
            time.sleep(0.02)

    threads = []
    with slots.one():
        for number in range(8):
            threads.append(threading.Thread(target=take, args=(number,)))
            threads[-1].start()
            until(lambda: len(slots._line) == len(threads))
    for thread in threads:
        thread.join()
    assert served == list(range(8))
    slots.close()


def test_a_restarted_database_is_connected_to_again(database_url: str) -> None:
    slots = Slots(database_url, limit=2)
    with slots.one(), psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'trouvaille rekognition slots' AND datname = current_database()"
        )
    with pytest.raises(psycopg.OperationalError):  # the queue tries such jobs again
        _hold(slots)
    with slots.one(), slots.one():
        pass
    slots.close()


def test_every_attempt_is_counted_also_retries_and_failures(
    make_collections: MakeCollections, account: Account, database_url: str
) -> None:
    collections = make_collections(attempts=3, read_timeout_s=0.3)
    collections.create(uuid4())
    account.trouble("IndexFaces", "500", times=1)
    event_id = uuid4()
    collections.create(event_id)
    collections.index_photo(event_id, uuid4(), picture(1))
    account.trouble("SearchFaces", "hang", times=3, seconds=0.6)
    with pytest.raises(Away):
        collections.search_guest(event_id, collections.faces(event_id)[0].id, threshold=0.9)
    assert counted(database_url) == dict(account.counts)
    assert counted(database_url) == {"CreateCollection": 2, "IndexFaces": 2, "ListFaces": 1, "SearchFaces": 3}


def test_what_never_reached_the_service_is_not_counted(make_collections: MakeCollections, database_url: str) -> None:
    with pytest.raises(Away):
        make_collections(url="http://127.0.0.1:9", attempts=2).events()
    assert counted(database_url) == {"ListCollections": 0}


def test_a_call_is_counted_before_it_is_sent(database_url: str, endpoint: str, account: Account) -> None:
    account.trouble("ListCollections", "hang", times=1, seconds=2)
    with caller(database_url, endpoint, limit=3, threads=1, calls=1) as victim:
        until(lambda: account.now == 1)
        victim.kill()
    assert counted(database_url) == {"ListCollections": 1}


def test_the_ceiling_stops_billed_calls_and_never_a_deletion(
    make_collections: MakeCollections, account: Account, database_url: str
) -> None:
    collections = make_collections(ceiling=0.003)
    event_id, guest_id = uuid4(), uuid4()
    collections.create(event_id)
    [face] = collections.index_photo(event_id, uuid4(), picture(1))
    collections.enrol(event_id, guest_id, face.id)
    collections.search_photo_face(event_id, face.id, threshold=0.9)
    with pytest.raises(BudgetSpent):
        collections.index_photo(event_id, uuid4(), picture(2))
    with pytest.raises(BudgetSpent):
        collections.search_guest(event_id, face.id, threshold=0.9)
    assert account.counts["IndexFaces"] == 1
    assert account.counts["SearchFaces"] == 0
    assert collections.delete_faces(event_id, [face.id]) == {face.id}
    collections.delete_user(event_id, guest_id)
    collections.delete(event_id)
    assert account.collections == {}
    assert counted(database_url)["DisassociateFaces"] == 1


def test_a_retry_over_the_ceiling_is_not_sent(make_collections: MakeCollections, account: Account) -> None:
    collections = make_collections(ceiling=0.001)
    event_id = uuid4()
    collections.create(event_id)
    account.trouble("IndexFaces", "500", times=1)
    with pytest.raises(BudgetSpent):
        collections.index_photo(event_id, uuid4(), picture(1))
    assert account.counts["IndexFaces"] == 1


def test_calls_at_the_same_moment_do_not_pass_the_ceiling_together(database_url: str) -> None:
    meters = [Meter(database_url, Tariff(Decimal(1), Decimal("0.010"))) for _ in range(3)]

    def count(number: int) -> bool:
        try:
            meters[number % 3].count("IndexFaces")
        except BudgetSpent:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(count, range(40))) == 10
    for meter in meters:
        meter.close()


@pytest.mark.anyio
async def test_the_operator_reads_what_a_month_has_cost(
    database_url: str, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Meter(database_url, Tariff(Decimal(2), Decimal("0.007")))
    for operation in ("IndexFaces", "SearchFaces", "IndexFaces", "CreateUser"):
        meter.count(operation)
    async with transaction(sessions) as session:
        found = await costs(session, Tariff(Decimal(2), Decimal("0.007")))
        assert [(line.operation, line.calls, line.dollars) for line in found.lines] == [
            ("IndexFaces", 2, Decimal("0.004")),
            ("SearchFaces", 1, Decimal("0.002")),
            ("CreateUser", 1, Decimal(0)),
        ]
        assert (found.dollars, found.spent) == (Decimal("0.006"), False)
        assert await calls_left(session, Tariff(Decimal(2), Decimal("0.007"))) == 0
        assert await calls_left(session, Tariff(Decimal(2), Decimal("0.008"))) == 1
    monkeypatch.setattr(costs_module, "now", lambda: datetime(2031, 2, 3, tzinfo=UTC))
    async with transaction(sessions) as session:
        found = await costs(session, TARIFF)
        assert (found.month, found.lines, found.dollars) == (date(2031, 2, 1), (), Decimal(0))
    meter.close()


def test_a_client_can_be_closed_twice(collections: Collections) -> None:
    collections.events()
    collections.close()
