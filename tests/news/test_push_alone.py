"""A server without mail, as one command starts it: its own rounds tell browsers."""

from collections.abc import Callable

import pytest

from tests.news.conftest import ask
from tests.news.test_push import enrol
from tests.news.test_told import found
from tests.people import Visitor
from tests.push_service import PushService
from trouvaille.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings of an instance that sends no mail, and has no quiet hours: any hour is good for this test."""
    more = {"smtp_host": None, "public_url": None, "push_private_networks": True, "quiet_hours": "0-0"}
    return settings.model_copy(update=more)


def test_the_rounds_of_a_server_without_mail_tell_browsers(
    owner: Visitor,
    visitor: Callable[[], Visitor],
    push_service: PushService,
    run_jobs: Callable[[], None],
    settings: Settings,
) -> None:
    rose, lily = visitor(), visitor()
    rose.register("PARTY234", "rose", agree="yes")
    lily.register("PARTY234", "lily", agree="yes")
    enrol(settings)
    assert rose.post("/e/PARTY234/push", push_service.subscription().form).status_code == 201
    found(settings, 2)
    ask(
        settings,
        "UPDATE guest_news SET counted = 2, pending_since = now() - interval '2 hours',"
        " changed_at = now() - interval '2 hours', check_at = now()",
    )
    run_jobs()
    run_jobs()
    (pushed,) = push_service.received
    assert pushed.said["body"] == "2 new photos of you"
    assert pushed.claims["sub"] == "https://localhost"  # nobody else is known to write to
    # Who can't be told by anything is not looked at.
    assert ask(settings, "SELECT username FROM guest_news JOIN guests ON id = guest_id") == [("rose",)]
