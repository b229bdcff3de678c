"""That nothing is lost, doubled or left alone while everything is killed: a short run of the long bench."""

from bench import durability
from tests.bench.test_benches import signals_stay

__all__ = ["signals_stay"]


def test_nothing_is_lost_doubled_or_left_while_everything_is_killed() -> None:
    result = durability.run(kills=6, files=48)
    assert result == {"acknowledged": 48, "lost": 0, "doubled": 0, "unprocessed": 0, "kills": 6}
