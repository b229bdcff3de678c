"""An organiser and an administrator with access tokens for everything, and an event of each."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from httpx2 import Response
from PIL import Image
from starlette.testclient import TestClient

from tests.people import PASSWORD, Visitor
from trouvaille import instance
from trouvaille.accounts.models import Role
from trouvaille.accounts.tokens import Scope
from trouvaille.settings import Settings


@dataclass
class Script:
    """A program with an access token of somebody."""

    browser: TestClient
    token: str
    person: Visitor

    def ask(self, method: str, path: str, **more: object) -> Response:
        """Send a request to the API; ``path`` below ``/api/v1`` unless it begins with that."""
        headers = {"authorization": f"Bearer {self.token}", **dict(more.pop("headers", {}))}  # type: ignore[call-overload]
        where = path if path.startswith("/api/") else f"/api/v1{path}"
        return self.browser.request(method, where, headers=headers, **more)  # type: ignore[arg-type]


def token_of(person: Visitor, *scopes: str) -> str:
    """Make a token on the page."""
    page = person.post("/account/tokens", {"name": "script", "scopes": list(scopes) or [each.value for each in Scope]})
    found = re.search(r"trv_[\w-]{43}", page.text)
    assert found, page.text
    return found[0]


@pytest.fixture
def administrator(site: TestClient, visitor: Callable[[], Visitor]) -> Script:
    """Whoever runs the server, with an event of their own."""
    person = visitor()
    person.set_up_server()
    person.make_event("SERVER23")
    return Script(TestClient(site.app, follow_redirects=False), token_of(person), person)


@pytest.fixture
def organiser(site: TestClient, settings: Settings, administrator: Script, visitor: Callable[[], Visitor]) -> Script:
    """An organiser with the event PARTY234."""
    instance.create_staff(settings, email="ada@example.org", name="Ada", password=PASSWORD, role=Role.ORGANISER)
    person = visitor()
    person.sign_in("ada@example.org")
    person.make_event()
    return Script(TestClient(site.app, follow_redirects=False), token_of(person), person)


def jpeg() -> bytes:
    """A photo like no other."""
    made = io.BytesIO()
    Image.effect_noise((320, 240), 60).convert("RGB").save(made, "JPEG")
    return made.getvalue()
