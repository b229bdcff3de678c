"""Who sends files."""

from pathlib import Path

import pytest

from tests.ingest.sender import Sender
from tests.journeys.conftest import owner
from tests.people import Visitor

__all__ = ["owner"]


@pytest.fixture
def sender(owner: Visitor) -> Sender:
    """The owner, who sends files to PARTY234."""
    return Sender(owner.browser, f"/studio/{owner.event_id}/uploads")


@pytest.fixture
def photo(samples: dict[str, Path]) -> bytes:
    return samples["sample1.jpg"].read_bytes()
