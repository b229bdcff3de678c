"""Who sends files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.sender import Sender
from tests.journeys.conftest import owner
from tests.people import Visitor
from trouvaille.ingest.service import Receiver
from trouvaille.ingest.sweeper import Swept, sweep

__all__ = ["owner"]


@pytest.fixture
def sender(owner: Visitor) -> Sender:
    """The owner, who sends files to PARTY234."""
    return Sender(owner.browser, f"/studio/{owner.event_id}/uploads")


@pytest.fixture
def photo(samples: dict[str, Path]) -> bytes:
    return samples["sample1.jpg"].read_bytes()


@pytest.fixture
def receiver(owner: Visitor) -> Receiver:
    """That of the web process."""
    found: Receiver = owner.browser.app.state.receiver
    return found


@pytest.fixture
def sweeping(owner: Visitor, receiver: Receiver) -> Callable[..., Swept]:
    """One round of the sweeper, on the server's own loop."""

    def run(**more: Any) -> Swept:
        async def once() -> Swept:
            return await sweep(receiver, **more)

        swept: Swept = owner.browser.portal.call(once)
        return swept

    return run
