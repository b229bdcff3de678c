"""A provider of OpenID Connect on this machine, and people who have an account there."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlparse

import httpx2
import pytest
from httpx2 import Response

from tests.crew.conftest import ada, administrator, organisers, query  # noqa: F401 - fixtures
from tests.people import Visitor
from tests.post_office import free_port
from trouvaille.settings import Settings


@dataclass
class Provider:
    """The provider, as tests steer it."""

    url: str

    def knows(self, subject: str, **claims: object) -> None:
        """Give somebody an account there."""
        self._put(f"/users/{quote(subject)}", json=claims)

    def spoil(self, what: str) -> None:
        """Make its next answers wrong in one respect; "" ends it."""
        self._put("/spoil", content=what.encode())

    def refused_by_pkce(self) -> int:
        """How many codes came without the right verifier."""
        return int(httpx2.get(f"{self.url}/refused").text)

    def _put(self, path: str, **more: object) -> None:
        httpx2.put(f"{self.url}{path}", **more).raise_for_status()  # type: ignore[arg-type]

    def say_yes(self, address: str, subject: str) -> str:
        """Sign in there and agree; returns the way back, as the browser would follow it."""
        answer = httpx2.post(address, data={"sub": subject})
        assert answer.status_code in (302, 303), answer.text
        back = urlparse(answer.headers["location"])
        assert back.netloc == "testserver"
        return f"{back.path}?{back.query}"


@pytest.fixture(scope="session")
def provider_url() -> Iterator[str]:
    """Where the provider listens."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.identity_provider", str(port)])
    url = f"http://127.0.0.1:{port}"
    for _ in range(200):
        try:
            httpx2.get(f"{url}/.well-known/openid-configuration")
            break
        except httpx2.TransportError:
            time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(10)


@pytest.fixture
def provider(provider_url: str) -> Iterator[Provider]:
    """The provider, which knows Rose and whose answers are right until a test spoils them."""
    provider = Provider(provider_url)
    provider.knows("rose-1", email="rose@example.org", email_verified=True, name="Rose")
    yield provider
    provider.spoil("")


@pytest.fixture
def settings(settings: Settings, provider_url: str) -> Settings:
    """Settings of an instance that lets people sign on there."""
    more = {"public_url": "http://testserver", "oidc_issuer": provider_url, "oidc_name": "Club"}
    return settings.model_copy(update=more | {"oidc_client_id": "us", "oidc_client_secret": "secret"})


SignOn = Callable[..., Response]


@pytest.fixture
def sign_on(provider: Provider) -> SignOn:
    """Sends somebody there and back; returns the answer to their coming back."""

    def go(visitor: Visitor, subject: str = "rose-1", why: str = "") -> Response:
        away = visitor.get(f"/sign-on/oidc{'?' + why if why else ''}")
        assert away.status_code == 303, away.text
        return visitor.get(provider.say_yes(away.headers["location"], subject))

    return go
