"""Who the journeys about a running instance begin with."""

from collections.abc import Callable

import pytest

from tests.people import Visitor


@pytest.fixture
def owner(visitor: Callable[[], Visitor]) -> Visitor:
    """The first administrator, with an open event PARTY234 whose face finding is on."""
    owner = visitor()
    owner.set_up_server()
    owner.make_event()
    return owner
