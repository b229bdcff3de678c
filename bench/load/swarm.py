"""The guests of ``bench.load``, in a process of their own: Locust, whose events live beside no asyncio."""

import argparse
import csv
import json
import time
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment
from locust.html import get_html_report
from locust.stats import StatsEntry, stats_history

from bench.load.visit import Guest, Party

PATIENCE_S = 240
# Streams are open for as long as a page is: their length is no response time.
NOT_TIMED = {"live"}


def run(host: str, guests: int, minutes: float, out: Path) -> dict[str, Any]:
    """Let all guests come, evenly over the minutes, and wait until the last one has left."""
    environment = Environment(user_classes=[Guest], host=host)
    runner = environment.create_local_runner()
    gevent.spawn(stats_history, runner)
    times: list[tuple[float, str, float, bool]] = []
    began, began_at = time.monotonic(), time.time()

    def note(name: str, response_time: float, exception: Exception | None, **_: Any) -> None:
        times.append((time.monotonic() - began, name, response_time, exception is not None))

    environment.events.request.add_listener(note)
    runner.start(guests, spawn_rate=max(0.1, guests / (minutes * 60)))
    until = began + minutes * 60 + PATIENCE_S
    while Guest.party.left < guests and time.monotonic() < until:
        gevent.sleep(0.5)
    seconds = time.monotonic() - began
    runner.stop()
    (out / "report.html").write_text(get_html_report(environment))
    with (out / "requests.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("at_s", "step", "ms", "failed"), *times])
    stats = environment.stats
    asked = [entry for entry in stats.entries.values() if entry.method != "FLOW"]
    return {
        "began_at": began_at,
        "guests_came": Guest.party.came,
        "guests_left": Guest.party.left,
        "seconds": round(seconds, 1),
        "requests": sum(entry.num_requests for entry in asked),
        "requests_per_s": round(sum(entry.num_requests for entry in asked) / seconds, 1),
        "failures": sum(entry.num_failures for entry in stats.entries.values()),
        "errors": [f"{error.name}: {error.error} ({error.occurrences})" for error in stats.errors.values()][:20],
        "steps": {entry.name: figures(entry) for entry in sorted(stats.entries.values(), key=lambda each: each.name)},
    }


def figures(entry: StatsEntry) -> dict[str, float]:
    """Count, failures and times of one step, in ms."""
    made: dict[str, float] = {"count": entry.num_requests, "failures": entry.num_failures}
    if entry.name not in NOT_TIMED:
        for percent in (50, 95, 99):
            made[f"p{percent}_ms"] = entry.get_response_time_percentile(percent / 100) or 0
    return made


def main() -> None:
    """Parse, run, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--code", required=True)
    parser.add_argument("--selfies", type=Path, required=True)
    parser.add_argument("--guests", type=int, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--haste", type=float, default=1.0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    Guest.party = Party.of(given.code, given.selfies, given.haste)
    print(json.dumps(run(given.host, given.guests, given.minutes, given.out)))


if __name__ == "__main__":
    main()
