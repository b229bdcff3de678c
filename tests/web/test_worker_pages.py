"""The service worker's script, and which pages name it."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from tests.people import Visitor, another_browser
from trouvaille.app import create_app
from trouvaille.settings import Settings

Visitors = Callable[[], Visitor]
NAMED = 'data-worker="/sw.js"'


def test_the_worker_is_asked_for_anew_each_time_and_may_serve_the_whole_site(visitor: Visitors) -> None:
    answer = visitor().get("/sw.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert (answer.headers["cache-control"], answer.headers["service-worker-allowed"]) == ("no-cache", "/")
    assert "worker-src 'self'" in answer.headers["content-security-policy"]
    assert answer.text.startswith("self.BUILD=")
    assert "import" not in answer.text  # one classic script: also browsers without module workers run it
    again = visitor().get("/sw.js", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_only_guests_pages_name_the_worker(visitor: Visitors) -> None:
    owner, guest = visitor(), visitor()
    owner.set_up_server()
    owner.make_event()
    guest.register("PARTY234", "rose")
    assert NAMED in guest.get("/e/PARTY234/photos").text
    for stranger, path in ((visitor(), "/e/PARTY234"), (owner, "/studio"), (owner, "/e/PARTY234"), (visitor(), "/")):
        assert NAMED not in stranger.get(path).text, path


@pytest.fixture
def without(settings: Settings) -> Settings:
    """A server whose operator has switched the worker off."""
    return settings.model_copy(update={"service_worker": False})


def test_switched_off_no_page_names_it_and_browsers_that_have_it_get_one_that_leaves(without: Settings) -> None:
    with TestClient(create_app(without), follow_redirects=False) as site:
        owner, guest = Visitor(another_browser(site)), Visitor(another_browser(site))
        owner.set_up_server()
        owner.make_event()
        guest.register("PARTY234", "rose")
        assert NAMED not in guest.get("/e/PARTY234/photos").text
        script = guest.get("/sw.js").text
        assert "unregister" in script and "fetch" not in script
