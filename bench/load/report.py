"""What a run says: plots, growth, and how fast it recovered."""

import csv
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from bench.load.watch import PARTS, Watch

PLOTTED = ("register", "sign in", "photos", "thumbnail", "selfie to matches")
BUCKET_S = 10.0
# A part that was killed is started within a second; its models take a few more.
LOOKED_AT_S = 30.0


def requests(out: Path) -> list[tuple[float, str, float, bool]]:
    """When, which step, how long in ms, and whether it failed."""
    with (out / "requests.csv").open() as file:
        return [(float(r["at_s"]), r["step"], float(r["ms"] or 0), r["failed"] == "True") for r in csv.DictReader(file)]


def draw(out: Path, watch: Watch) -> None:
    """Response times and memory over the run, as PNG."""
    times: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for at, step, ms, _ in requests(out):
        times[step][int(at // BUCKET_S)].append(ms)
    figure = Figure(figsize=(9, 7))
    above, below = figure.subplots(2, 1, sharex=True)
    for step in PLOTTED:
        buckets = sorted(times[step].items())
        above.plot([b * BUCKET_S for b, _ in buckets], [_p95(each) for _, each in buckets], label=step)
    above.set_ylabel("p95, ms")
    above.set_yscale("log")
    above.legend(fontsize=8)
    for part in PARTS:
        below.plot([at for at, _ in watch.memory], [sizes.get(part, 0) for _, sizes in watch.memory], label=part)
    below.set_ylabel("memory (PSS), MB")
    below.set_xlabel("seconds")
    below.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(out / "load.png", dpi=110)


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))]


def slopes(watch: Watch) -> dict[str, float]:
    """Growth an hour in the second half of the run: MB and open files of each part."""
    made = {}
    for unit, samples in (("mb", watch.memory), ("files", watch.files)):
        later = samples[len(samples) // 2 :]
        for part in PARTS:
            made[f"{part}_{unit}_per_h"] = _slope([(at, sizes[part]) for at, sizes in later if part in sizes])
    return made


def _slope(points: Sequence[tuple[float, float]]) -> float:
    if len(points) < 2:
        return 0.0
    return round(3600 * statistics.linear_regression(*zip(*points, strict=True)).slope, 1)


def recoveries(out: Path, began_at: float, happened: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each part that was killed: how many requests failed, and for how long some still did, in s.

    Args:
        began_at: when the first guest came, and ``at`` of a kill: seconds since the epoch.
    """
    asked = requests(out)
    made = []
    for kill in happened:
        at_s = kill["at"] - began_at
        failed = [at for at, _, _, bad in asked if bad and at_s <= at <= at_s + LOOKED_AT_S]
        last_s = round(max(failed) - at_s, 2) if failed else 0.0
        made.append(
            {"part": kill["part"], "at_s": round(at_s, 1), "failed": len(failed), "last_failure_after_s": last_s}
        )
    return made
