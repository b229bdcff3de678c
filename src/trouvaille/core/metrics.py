"""What this process counts and times, in a registry of its own; ``core.snapshots`` puts all processes together.

Labels are route templates, job names and a few fixed words: never an id, a name or an address.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.metrics_core import Metric

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()

FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 10)
SLOW = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
SCORES = tuple(round(0.3 + 0.05 * step, 2) for step in range(14))
MANY = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500)

REQUESTS = Counter(
    "trouvaille_http_requests", "Requests that were answered.", ("method", "route", "status"), registry=REGISTRY
)
REQUEST_S = Histogram(
    "trouvaille_http_request_seconds",
    "From a request's first byte to its answer's last; of streams, to the first.",
    ("method", "route"),
    buckets=FAST,
    registry=REGISTRY,
)
JOBS = Counter("trouvaille_jobs", "Jobs that ended.", ("job", "outcome"), registry=REGISTRY)
JOB_WAIT_S = Histogram(
    "trouvaille_job_wait_seconds",
    "From when a job could begin until it did.",
    ("job",),
    buckets=SLOW,
    registry=REGISTRY,
)
JOB_RUN_S = Histogram(
    "trouvaille_job_run_seconds", "From a job's begin to its end.", ("job",), buckets=SLOW, registry=REGISTRY
)
ENGINE_S = Histogram(
    "trouvaille_engine_seconds", "Time in the face engine and the decoder.", ("step",), buckets=SLOW, registry=REGISTRY
)
PHOTOS = Counter("trouvaille_photos", "Photos that a worker has read.", ("outcome",), registry=REGISTRY)
SIMILARITY = Histogram(
    "trouvaille_match_similarity", "How alike a match is.", ("tier",), buckets=SCORES, registry=REGISTRY
)
FOUND = Histogram(
    "trouvaille_matches_found", "Matches of one selfie, or of one photo.", ("of",), buckets=MANY, registry=REGISTRY
)
STORAGE_ERRORS = Counter(
    "trouvaille_storage_errors", "Calls of the object store that failed.", ("verb",), registry=REGISTRY
)
MAIL = Counter("trouvaille_mail", "Letters that were handed to the relay, or not.", ("outcome",), registry=REGISTRY)
PUSH = Counter(
    "trouvaille_push", "Notices that were handed to a push service, or not.", ("outcome",), registry=REGISTRY
)
TURNED_AWAY = Counter(
    "trouvaille_turned_away", "Requests that were asked to come back later.", ("reason",), registry=REGISTRY
)
STARTS = Counter("trouvaille_process_starts", "Processes that began.", ("kind",), registry=REGISTRY)
POOL_SIZE = Gauge("trouvaille_database_pool_size", "Database connections at most.", ("kind",), registry=REGISTRY)
POOL_USED = Gauge("trouvaille_database_pool_used", "Database connections in use.", ("kind",), registry=REGISTRY)
STREAMS = Gauge("trouvaille_streams", "Open live streams.", registry=REGISTRY)
HASHING = Gauge("trouvaille_hashing_waiting", "Passwords that wait to be hashed.", registry=REGISTRY)
MEMORY = Gauge("trouvaille_process_memory_bytes", "Resident memory.", ("kind",), registry=REGISTRY)


@contextmanager
def timed(histogram: Histogram) -> Iterator[None]:
    """Observe how long the block takes, also when it fails."""
    began = perf_counter()
    try:
        yield
    finally:
        histogram.observe(perf_counter() - began)


Labels = tuple[tuple[str, str], ...]


@dataclass
class Family:
    """One metric of one or several processes: its samples by name and labels."""

    name: str
    kind: str
    help: str
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)

    def add(self, name: str, labels: dict[str, str], value: float) -> None:
        """Add to a sample."""
        key = (name, tuple(sorted(labels.items(), key=_bucket_order)))
        self.samples[key] = self.samples.get(key, 0.0) + value


def _bucket_order(label: tuple[str, str]) -> tuple[bool, str]:
    return label[0] == "le", label[0]


Families = dict[str, Family]


def collected() -> Families:
    """What this process has counted until now."""
    found: Families = {}
    for metric in REGISTRY.collect():
        family = found.setdefault(metric.name, Family(metric.name, metric.type, metric.documentation))
        for sample in metric.samples:
            family.add(sample.name, sample.labels, sample.value)
    return found


def summed(several: Iterable[Families], *, lasting: bool = False) -> Families:
    """Several processes as one.

    Args:
        lasting: leave out gauges, which end with their process.
    """
    total: Families = {}
    for families in several:
        for name, family in families.items():
            if lasting and family.kind == "gauge":
                continue
            into = total.setdefault(name, Family(name, family.kind, family.help))
            for key, value in family.samples.items():
                into.samples[key] = into.samples.get(key, 0.0) + value
    return total


def without(families: Families, before: Families) -> Families:
    """What was counted since ``before``; gauges stay as they are."""
    left = summed([families])
    for name, family in before.items():
        if family.kind != "gauge" and name in left:
            for key, value in family.samples.items():
                left[name].samples[key] = left[name].samples.get(key, 0.0) - value
    return left


def packed(families: Families) -> list[dict[str, Any]]:
    """As JSON keeps it."""
    return [
        {
            "name": family.name,
            "kind": family.kind,
            "help": family.help,
            "samples": [[name, dict(labels), value] for (name, labels), value in family.samples.items()],
        }
        for family in families.values()
    ]


def unpacked(packed: list[dict[str, Any]]) -> Families:
    """Undo ``packed``."""
    found: Families = {}
    for each in packed:
        family = found.setdefault(each["name"], Family(each["name"], each["kind"], each["help"]))
        for name, labels, value in each["samples"]:
            family.add(name, labels, value)
    return found


class _Fixed:
    def __init__(self, families: Families) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families.values():
            metric = Metric(family.name, family.help, family.kind)
            for (name, labels), value in family.samples.items():
                metric.add_sample(name, dict(labels), value)
            yield metric


def exposition(families: Families) -> bytes:
    """Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(_Fixed(families))
    return generate_latest(registry)


def total(families: Families, sample: str, **labels: str) -> float:
    """The sum of a sample over all label values but those that are named."""
    return sum(
        value
        for family in families.values()
        for (name, given), value in family.samples.items()
        if name == sample and labels.items() <= dict(given).items()
    )


def buckets(families: Families, name: str, **labels: str) -> dict[str, float]:
    """The cumulative buckets of a histogram by their upper bound, summed over the other labels."""
    found: dict[str, float] = {}
    if name in families:
        for (sample, given), value in families[name].samples.items():
            named = dict(given)
            if sample == f"{name}_bucket" and labels.items() <= named.items():
                found[named["le"]] = found.get(named["le"], 0.0) + value
    return found


def quantile(counts: dict[str, float], share: float) -> float | None:
    """The value below which ``share`` of a histogram's observations lie, as Prometheus estimates it; None without any.

    Args:
        counts: cumulative counts by upper bound.
    """
    ordered = sorted((float(bound), count) for bound, count in counts.items())
    if not ordered or ordered[-1][1] <= 0:
        return None
    wanted, below, floor = ordered[-1][1] * share, 0.0, 0.0
    for bound, count in ordered:
        if count >= wanted:
            if bound == float("inf"):
                return floor
            return floor + (bound - floor) * (wanted - below) / max(count - below, 1e-9)
        below, floor = count, bound
    return floor
