"""`make bench-checks`: how soon a form hears that a code is right, or that a name is taken.

`trouvaille serve` as users start it, an event with thousands of guests, one browser that keeps its connection and asks
one question after the other. `/livez`, which asks no database, is timed beside them in the same turns: it is what any
answer costs on this machine.
"""

import argparse
import json
import os
import statistics
import time
import urllib.parse
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from uuid import UUID

from sqlalchemy import text

from bench.instances import served
from trouvaille import instance
from trouvaille.core.db import Sessions, transaction
from trouvaille.events.models import Event

PER_ADDRESS = 10
"""Questions before another address asks: who types asks this often."""


async def fill(sessions: Sessions, event_id: UUID, guests: int) -> str:
    """Give an event guests; returns its code."""
    rows = text(
        "INSERT INTO guests (id, event_id, username, email, display_name, locale, created_at)"
        " SELECT gen_random_uuid(), :event, 'guest' || n, 'guest' || n || '@example.org', 'Guest ' || n, 'en', now()"
        " FROM generate_series(1, :guests) AS n"
    )
    async with transaction(sessions) as session:
        await session.execute(rows, {"event": event_id, "guests": guests})
        return (await session.get_one(Event, event_id)).code


def ask(port: int, code: str, guests: int, rounds: int) -> dict[str, Any]:
    """The times of all questions, in ms."""
    with closing(HTTPConnection("127.0.0.1", port)) as connection:
        return _ask(connection, code, guests, rounds)


def _ask(connection: HTTPConnection, code: str, guests: int, rounds: int) -> dict[str, Any]:
    asked = 0

    def send(method: str, path: str, body: dict[str, str] | None, expected: str) -> float:
        nonlocal asked
        asked += 1
        group = asked // PER_ADDRESS
        headers = {"X-Forwarded-For": f"10.{group >> 8 & 255}.{group & 255}.7", "Accept": "application/json"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{connection.port}"}
        began = time.perf_counter()
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        said = answer.read().decode()
        spent_ms = 1000 * (time.perf_counter() - began)
        if answer.status != 200 or expected not in said:
            raise SystemExit(f"{path}: {answer.status} {said[:200]}")
        return spent_ms

    def availability(name: str, expected: str) -> float:
        question = {"code": code, "username": name, "email": f"{name}@example.org"}
        return send("POST", "/api/v1/check-availability", question, expected)

    code_path = f"/api/v1/check-code?code={urllib.parse.quote(code)}"
    questions: dict[str, Callable[[int], float]] = {
        "livez": lambda _: send("GET", "/livez", None, "ok"),
        "check code": lambda _: send("GET", code_path, None, "true"),
        "name free": lambda turn: availability(f"nobody{turn}", "true"),
        "name taken": lambda turn: availability(f"guest{turn % guests + 1}", "false"),
    }
    times: dict[str, list[float]] = {name: [] for name in questions}
    for turn in range(-10, rounds):
        for name, question in questions.items():
            spent_ms = question(turn)
            if turn >= 0:  # the first ones open connections and compile templates
                times[name].append(spent_ms)
    base = statistics.median(times["livez"])
    return {
        name: {
            "p50_ms": round(statistics.median(each), 2),
            "p95_ms": round(statistics.quantiles(each, n=20)[-1], 2),
            "times_livez": round(statistics.median(each) / base, 1),
        }
        for name, each in times.items()
    }


def run(guests: int, rounds: int) -> dict[str, Any]:
    """Serve, fill, ask."""
    before = os.getloadavg()[0]
    with served(trusted_proxies="127.0.0.1") as there:
        url = urllib.parse.urlsplit(there.address)
        code = instance.on_database(there.settings, lambda sessions, _: fill(sessions, there.event_id, guests))
        answers = ask(url.port or 0, code, guests, rounds)
    return {"guests": guests, "rounds": rounds, "load_average_before": round(before, 2), **answers}


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guests", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=500)
    given = parser.parse_args()
    print(json.dumps(run(given.guests, given.rounds)))


if __name__ == "__main__":
    main()
