"""People who use the product in tests, by its pages alone."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from httpx2 import Response
from starlette.testclient import TestClient

from trouvaille.core.secrets import Vault, load_key
from trouvaille.photos.blanks import cover
from trouvaille.photos.finding import find

PASSWORD = "correct horse battery"
SETTINGS: dict[str, object] = {
    "name": "Lea & Tom",
    "locales": ["en", "fr"],
    "time_zone": "Europe/Paris",
    "accent": "#b4532a",
    "gallery": "nobody",
    "downloads": "original",
}


def for_guests(path: Path) -> bytes:
    """A JPEG original as guests get it; tests/photos/test_blanks.py says what that means."""
    data = path.read_bytes()
    return cover(data, find(data, "image/jpeg"))


def another_browser(site: TestClient, **more: str) -> TestClient:
    """Another browser on the same server: on its event loop, as connections and locks of the server belong to that."""
    browser = TestClient(site.app, follow_redirects=False, **more)
    browser.portal = site.portal
    return browser


@dataclass
class Visitor:
    """One browser and what its person does with it."""

    browser: TestClient
    event_id: str = ""
    code: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **more: object) -> Response:
        """Look at a page."""
        return self.browser.get(path, **more)

    def post(self, path: str, data: dict[str, object] | None = None, **more: object) -> Response:
        """Send a form."""
        return self.browser.post(path, data=data or {}, **more)

    def set_up_server(self, email: str = "owner@example.org") -> None:
        """Make the first account, as the page does that the server's console names."""
        settings = self.browser.app.state.settings
        token = Vault(load_key(settings.data_dir / "secret.key")).setup_token()
        form = {"token": token, "display_name": "Owner", "email": email, "password": PASSWORD}
        answer = self.post("/setup", form)
        assert answer.status_code == 303, answer.text

    def make_event(self, code: str = "PARTY234", **more: object) -> str:
        """Create an event with face finding on; returns its id."""
        form = {**SETTINGS, "code": code, "faces": "yes"}
        answer = self.post("/studio/new", {key: value for key, value in (form | more).items() if value is not None})
        assert answer.status_code == 303, answer.text
        self.event_id, self.code = answer.headers["location"].rsplit("/", 1)[1], code
        return self.event_id

    def upload(self, *paths: Path | tuple[str, bytes]) -> dict[str, list[dict[str, str]]]:
        """Upload photos in one form, as a script; returns what the page says of each."""
        named = [(p.name, p.read_bytes()) if isinstance(p, Path) else p for p in paths]
        files = [("photos", (name, data)) for name, data in named]
        answer = self.browser.post(
            f"/studio/{self.event_id}/photos", files=files, headers={"accept": "application/json"}
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def invite(self, where: str = "", email: str = "") -> str:
        """Invite a photographer to one's event, or whoever the page at ``where`` invites; returns the link's path."""
        page = self.post(f"{where or f'/studio/{self.event_id}/people'}/invite", {"email": email})
        assert page.status_code == 200, page.text
        link = re.search(r"/invitation/[\w-]+", page.text)
        return link[0] if link else ""

    def accept(self, link: str, email: str) -> Response:
        """Become staff by an invitation."""
        name = email.partition("@")[0]
        return self.post(link, {"display_name": name, "email": email, "password": PASSWORD})

    def move(self, to: str) -> Response:
        """Bring the event into another state."""
        return self.post(f"/studio/{self.event_id}/state", {"to": to})

    def change(self, **more: object) -> Response:
        """Change the event's settings; what is not named becomes as ``make_event`` makes it."""
        form = {**SETTINGS, "code": self.code, **more}
        return self.post(f"/studio/{self.event_id}/edit", {key: each for key, each in form.items() if each is not None})

    def send_picture(self, kind: str, data: bytes, name: str = "picture.jpg") -> Response:
        """Send a cover or a logo."""
        return self.browser.post(f"/studio/{self.event_id}/{kind}/picture", files={"picture": (name, data)})

    def register(self, code: str, username: str, **more: str) -> Response:
        """Register as a guest."""
        self.code = code
        form = {
            "display_name": username.title(),
            "username": username,
            "email": f"{username}@example.org",
            "password": PASSWORD,
        }
        return self.post(f"/e/{code}/register", form | more)

    def agree(self) -> Response:
        """Consent to face finding."""
        return self.post(f"/e/{self.code}/consent", {"agree": "yes"})

    def send_selfie(self, data: bytes) -> Response:
        """Send a selfie from a file."""
        return self.browser.post(f"/e/{self.code}/selfie", files={"selfie": ("selfie.jpg", data, "image/jpeg")})

    def photos(self, show: str = "mine") -> list[UUID]:
        """The ids of the photos on a gallery page, in order."""
        answer = self.get(f"/e/{self.code}/photos?show={show}")
        assert answer.status_code == 200, answer.text
        return list(dict.fromkeys(map(UUID, re.findall(r'data-id="([0-9a-f-]{36})"', answer.text))))

    def sign_in(self, identifier: str, password: str = PASSWORD, **more: str) -> Response:
        """Sign in with a username or an e-mail address."""
        return self.post("/sign-in", {"identifier": identifier, "password": password, **more})
