"""Accounts are tested with a mail server, since much of their life goes through mailboxes."""

from collections.abc import Callable, Iterator

import pytest

from tests.people import Visitor
from tests.post_office import PostOffice, free_port
from trouvaille.core.relay import Security
from trouvaille.settings import Settings


@pytest.fixture
def post_office() -> Iterator[PostOffice]:
    """The server that our mail goes to."""
    office = PostOffice(free_port())
    office.open()
    yield office
    office.close()


@pytest.fixture
def settings(settings: Settings, post_office: PostOffice) -> Settings:
    """Settings of an instance that sends mail."""
    return settings.model_copy(
        update={
            "public_url": "http://testserver",
            "smtp_host": "127.0.0.1",
            "smtp_port": post_office.port,
            "smtp_security": Security.NONE,
            "smtp_sender": "Trouvaille <photos@example.net>",
        }
    )


@pytest.fixture
def owner(visitor: Callable[[], Visitor]) -> Visitor:
    """The first administrator, with an open event PARTY234."""
    owner = visitor()
    owner.set_up_server()
    owner.make_event()
    return owner
