"""Guests are tested with a mail server, since their accounts are confirmed and found again by mail."""

from collections.abc import Callable

import pytest

from tests.accounts.conftest import post_office, settings
from tests.people import Visitor

__all__ = ["post_office", "settings"]


@pytest.fixture
def owner(visitor: Callable[[], Visitor]) -> Visitor:
    """The first administrator, with an open event PARTY234 whose face finding is on."""
    owner = visitor()
    owner.set_up_server()
    owner.make_event()
    return owner
