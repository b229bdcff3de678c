"""Somebody of every kind at one instance, and every page that they see: for looking at each page in turn."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Instance, serving
from tests.people import PASSWORD
from tests.post_office import PostOffice, free_port
from trouvaille.core.secrets import Vault, load_key
from trouvaille.demo.party import GUESTS, selfie_jpeg

CODE, OTHER = "AXE23456", "AXE34567"

# Pages by who looks at them; the addresses stand for the routes in the same words.
PAGES: dict[str, list[str]] = {
    "stranger": [
        "/",
        "/go?code=NOSUCH99",
        "/sign-in",
        "/forgot",
        "/privacy",
        "/api",
        "/setup",
        "/reset/{reset}",
        "/reset/{none}",
        "/confirm/{confirm}",
        "/confirm/{none}",
        "/invitation/{invitation}",
        "/invitation/{none}",
        "/return/{return}",
        "/return/{none}",
        "/i/{invited}",
        "/i/{none}",
        "/wall/{wall}",
        "/wall/{none}",
        "/e/{code}",
        "/e/NOSUCH99",
        "/e/{code}/register",
        "/e/{code}/pass",
        "/e/{code}/gone?{erased}",
        "/legal/notice",
        "/legal/privacy",
        "/legal/{page}",
        "/news/{news}",
        "/news/{none}",
        "/sign-on/{none}",
    ],
    "elsewhere": ["/e/{code}/sign-on"],
    "newcomer": ["/e/{code}/consent", "/e/{code}/upgrade", "/e/{code}/photos", "/e/{code}/me", "/account"],
    "guest": [
        "/account",
        "/account/devices",
        "/account/sign-on",
        "/e/{code}/selfie?again=true",
        "/e/{code}/photos",
        "/e/{code}/photos?show=maybe",
        "/e/{code}/photos?show=favourites",
        "/e/{code}/photos?show=all",
        "/e/{code}/photos/{photo}?show=all",
        "/e/{code}/photos/{photo}/ask",
        "/e/{code}/me",
        "/e/{code}/offline",
        "/e/{code}/contact",
        "/e/{other}/join",
    ],
    "photographer": [
        "/studio",
        "/studio/{event}",
        "/studio/{event}/camera",
        "/studio/{event}/clocks",
        "/studio/{event}/import",
        "/account",
        "/account/tokens",
    ],
    "owner": [
        "/account/tokens",
        "/studio",
        "/studio/new",
        "/studio/{event}",
        "/studio/{event}?show=no_faces",
        "/studio/{event}/edit",
        "/studio/{event}/people",
        "/studio/{event}/guests",
        "/studio/{event}/guests/{guest}",
        "/studio/{event}/invitations",
        "/studio/{event}/messages",
        "/studio/{event}/requests",
        "/studio/{event}/wall",
        "/studio/{event}/watermark",
        "/studio/{event}/print",
        "/studio/{event}/camera",
        "/studio/{event}/clocks",
        "/studio/{event}/import",
        "/studio/{empty}",
        "/studio/{empty}/guests",
        "/studio/{empty}/invitations",
        "/studio/{empty}/messages",
        "/studio/{empty}/requests",
        "/studio/server/status",
        "/server/staff",
        "/server/staff/{staff}/delete",
        "/server/audit",
        "/server/reset-link",
    ],
}
# What is no page that is there: how it is answered.
STATUSES = {
    "/go?code=NOSUCH99": 404,
    "/setup": 404,
    "/reset/{none}": 410,
    "/confirm/{none}": 410,
    "/invitation/{none}": 410,
    "/return/{none}": 410,
    "/i/{none}": 404,
    "/wall/{none}": 404,
    "/e/NOSUCH99": 404,
    "/news/{none}": 404,
    "/sign-on/{none}": 404,
}
# What leads on to another page.
LEADS = {"/i/{invited}": "/e/{code}/register?invitation={invited}"}


@dataclass
class Crowd:
    """Everybody's browser, and what fills the addresses of ``PAGES``."""

    pages: dict[str, Page]
    fill: dict[str, str]
    first_run: list[str] = field(default_factory=list)
    """What was found on the page that makes the first account, while there was none."""

    def go(self, who: str, path: str) -> Page:
        """Open a page for somebody, and make sure that it is this one."""
        page, address = self.pages[who], path.format(**self.fill)
        answer = page.goto(address, wait_until="load")
        assert answer is not None and answer.status == STATUSES.get(path, 200), (who, path, answer and answer.status)
        assert page.url.endswith(LEADS.get(path, path).format(**self.fill)), (who, path, page.url)
        return page


@contextmanager
def gathered(
    scratch: Path, chromium: Browser, samples: dict[str, Path], look: Callable[[Page, str], list[str]]
) -> Iterator[Crowd]:
    """An instance with letters and a sign-on elsewhere, and its people.

    Args:
        look: finds faults on a page, by its name.
    """
    office, provider = PostOffice(free_port()), free_port()

    def settings(port: int) -> dict[str, str]:
        return {
            "PUBLIC_URL": f"http://localhost:{port}",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(office.port),
            "SMTP_SECURITY": "none",
            "SMTP_SENDER": "Trouvaille <photos@example.net>",
            "OIDC_ISSUER": f"http://127.0.0.1:{provider}",
            "OIDC_NAME": "Club",
            "OIDC_CLIENT_ID": "us",
            "OIDC_CLIENT_SECRET": "secret",
            "LEGAL_NAME": "Ada Lovelace Photography",
            "LEGAL_ADDRESS": "12 Harbour Street\\n56000 Vannes",
            "LEGAL_EMAIL": "legal@example.org",
        }

    with ExitStack() as stack:
        office.open()
        stack.callback(office.close)
        elsewhere = subprocess.Popen([sys.executable, "-m", "tests.identity_provider", str(provider)])
        stack.callback(elsewhere.wait)
        stack.callback(elsewhere.terminate)
        instance = stack.enter_context(serving(scratch, settings))
        pages = {}
        for who in PAGES:
            context = chromium.new_context(base_url=instance.address, locale="en", permissions=["camera"])
            stack.callback(context.close)
            pages[who] = context.new_page()
        made = Making(instance, office, pages, samples)
        pages["owner"].goto(instance.setup, wait_until="load")
        first_run = look(pages["owner"], "/setup")
        _sign_on(f"http://127.0.0.1:{provider}", pages["elsewhere"], made)
        yield Crowd(pages, made.fill, first_run)


@dataclass
class Making:
    """How the crowd comes about."""

    instance: Instance
    office: PostOffice
    pages: dict[str, Page]
    samples: dict[str, Path]
    fill: dict[str, str] = field(
        default_factory=lambda: {"none": "no-such-link", "page": "terms", "code": CODE, "other": OTHER}
    )

    def __post_init__(self) -> None:
        self._done = False

    def post(self, who: str, path: str, **form: Any) -> Any:
        """Send a form as somebody's browser does."""
        ask, headers = self.pages[who].request, {"Origin": self.instance.address}
        if any(isinstance(each, dict) for each in form.values()):
            answer = ask.post(path, headers=headers, max_redirects=0, multipart=form)
        else:  # a name may come more than once, which Playwright's own forms can't
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            answer = ask.post(path, headers=headers, max_redirects=0, data=urlencode(form, doseq=True))
        assert answer.status in (200, 202, 303), (path, answer.status, answer.text()[:500])
        return answer

    def find(self, who: str, path: str, pattern: str) -> str:
        """What a page holds, once it does."""
        until = time.monotonic() + 60
        while not (found := re.search(pattern, self.pages[who].request.get(path).text())):
            assert time.monotonic() < until, (path, pattern)
            time.sleep(0.2)
        return found[1]

    def letter(self, address: str, kind: str) -> str:
        """What the link of a letter ends with, once it has come."""
        until = time.monotonic() + 60
        while True:
            try:
                return self.office.link_to(address, kind).rsplit("/", 1)[1]
            except AssertionError:
                assert time.monotonic() < until, (address, kind)
                time.sleep(0.2)

    def everything(self) -> None:
        """Make events, people, and what they leave on each other's pages."""
        token = self.instance.setup.partition("token=")[2]
        self.post("owner", "/setup", token=token, display_name="Ada", email="ada@example.org", password=PASSWORD)
        for code, name in ((OTHER, "empty"), (CODE, "event")):
            form = {"name": "Lea & Tom", "code": code, "time_zone": "Europe/Paris", "accent": "#b4532a"}
            form |= {"gallery": "guests", "downloads": "original", "guest_pass": "yes", "faces": "yes"}
            made = self.post("owner", "/studio/new", locales=["en", "fr"], **form)
            self.fill[name] = made.headers["location"].rsplit("/", 1)[1]
        self._photos_and_guests()
        self._links()

    def _photos_and_guests(self) -> None:
        desk = f"/studio/{self.fill['event']}"
        for name in ("sample1.jpg", "sample3.jpg"):
            photo = {"name": name, "mimeType": "image/jpeg", "buffer": self.samples[name].read_bytes()}
            self.post("owner", f"{desk}/photos", photos=photo)
        rose = next(each for each in GUESTS if each.username == "rose")
        more = {"username": "rose", "email": "rose@example.org", "password": PASSWORD, "agree": "yes"}
        self.post("guest", f"/e/{CODE}/register", display_name="Rose", **more)
        self.post("newcomer", f"/e/{CODE}/pass", display_name="Lily")
        selfie = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": selfie_jpeg(rose, self.samples)}
        self.post("guest", f"/e/{CODE}/selfie", selfie=selfie)
        photo = self.fill["photo"] = self.find("guest", f"/e/{CODE}/photos", r'data-id="([0-9a-f-]{36})"')
        self.post("guest", f"/e/{CODE}/photos/{photo}/favourite", on="yes")
        self.post("guest", f"/e/{CODE}/photos/{photo}/report", reason="other", text="Please look at this one.")
        self.post("guest", f"/e/{CODE}/contact", text="Hello")
        self.post("owner", f"{desk}/wall", shows="general", seconds="7", shows_code="yes")
        self.fill["wall"] = self.find("owner", f"{desk}/wall", r"/wall/([\w-]{20,})")
        self.post("owner", f"{desk}/people/invite", email="kim@example.org")
        self.post(
            "photographer",
            f"/invitation/{self.letter('kim@example.org', 'invitation')}",
            display_name="Kim",
            email="kim@example.org",
            password=PASSWORD,
        )

    def _links(self) -> None:
        desk = f"/studio/{self.fill['event']}"
        with self.instance.database() as database:
            row = database.execute("SELECT id FROM guests WHERE username = 'rose'").fetchone()
            staff = database.execute("SELECT id FROM staff WHERE email = 'kim@example.org'").fetchone()
        assert row is not None and staff is not None
        self.fill["guest"], self.fill["staff"] = str(row[0]), str(staff[0])
        self.fill["news"] = Vault(load_key(self.instance.folder / "secret.key")).link("news", row[0])
        self.post("owner", f"{desk}/people/invite", email="max@example.org")
        self.post("owner", f"{desk}/invitations", people="Mia, mia@example.org")
        self.post("stranger", "/forgot", email="rose@example.org")
        self.post("stranger", f"/e/{CODE}/pass", display_name="Max")
        left = self.post("stranger", f"/e/{CODE}/me/delete", username="Max")
        self.fill["erased"] = left.headers["location"].partition("?")[2]
        self.post("newcomer", f"/e/{CODE}/me/return-link", email="lily@example.org")
        for name, address, kind in (
            ("invitation", "max@example.org", "invitation"),
            ("invited", "mia@example.org", "i"),
            ("confirm", "rose@example.org", "confirm"),
            ("reset", "rose@example.org", "reset"),
            ("return", "lily@example.org", "return"),
        ):
            self.fill[name] = self.letter(address, kind)


def _sign_on(provider: str, page: Page, made: Making) -> None:
    """Bring everybody there, and one of them back from elsewhere, before the last step."""
    made.everything()
    claims = {"email": "fern@example.org", "email_verified": True, "name": "Fern"}
    httpx2.put(f"{provider}/users/fern-1", json=claims).raise_for_status()
    page.goto(f"/sign-on/oidc?event={CODE}")
    page.locator("input[name=sub]").fill("fern-1")
    page.locator("input[name=sub]").press("Enter")
    page.wait_for_url(f"**/e/{CODE}/sign-on")
