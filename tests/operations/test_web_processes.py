"""Several web processes at one port: each takes its share, and one that dies is not missed."""

import time
from collections import Counter

import httpx2
import psutil

from tests.web_process import running_web
from trouvaille.settings import Settings

PATIENCE_S = 30.0


def _serving(process: psutil.Process) -> list[psutil.Process]:
    """The children that listen."""
    return [
        each
        for each in process.children(recursive=True)
        if any(c.status == "LISTEN" for c in each.net_connections("tcp"))
    ]


def _until_two(process: psutil.Process) -> list[psutil.Process]:
    end = time.monotonic() + PATIENCE_S
    while len(found := _serving(process)) != 2:
        assert time.monotonic() < end, f"{len(found)} processes listen"
        time.sleep(0.1)
    return found


def test_two_processes_share_the_port_and_one_that_is_killed_is_not_missed(settings: Settings) -> None:
    with running_web(settings.model_copy(update={"web_processes": 2})) as (address, parent):
        both = _until_two(psutil.Process(parent.pid))
        clients = [httpx2.Client(base_url=address, timeout=10) for _ in range(24)]
        assert {client.get("/livez").status_code for client in clients} == {200}
        held = Counter(each.pid for each in both for c in each.net_connections("tcp") if c.status == "ESTABLISHED")
        assert set(held) == {each.pid for each in both}, "each has some of the connections"

        both[0].kill()
        both[0].wait(10)
        with httpx2.Client(base_url=address, timeout=10) as fresh:
            assert fresh.get("/livez").status_code == 200
        again = _until_two(psutil.Process(parent.pid))
        assert both[0].pid not in {each.pid for each in again}
        for client in clients:
            client.close()
    assert psutil.pid_exists(again[0].pid) is False and psutil.pid_exists(again[1].pid) is False


def test_who_comes_while_none_is_running_waits_instead_of_being_refused(settings: Settings) -> None:
    with running_web(settings.model_copy(update={"web_processes": 2})) as (address, parent):
        both = _until_two(psutil.Process(parent.pid))
        for each in both:
            each.kill()
        with httpx2.Client(base_url=address, timeout=PATIENCE_S) as fresh:
            assert fresh.get("/livez").status_code == 200
        assert {each.pid for each in both}.isdisjoint({each.pid for each in _until_two(psutil.Process(parent.pid))})
