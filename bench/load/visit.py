"""One guest's visit, request by request, as a browser makes it; run by ``bench.load.swarm``.

The steps cover those of the older system's scenario: an account, a sign-in, a selfie, the photos, and leaving. What a
page loads is loaded too: style sheets and scripts once a visit, thumbnails as they come into view. Between the steps
people read and look.
"""

import json
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import gevent
from gevent.event import Event
from locust import FastHttpUser, task

PASSWORD = "correct horse battery"
ASSET = re.compile(r'(?:href|src)="(/static/[^"]+\.(?:css|js))"')
PHOTO = re.compile(r'data-id="([0-9a-f-]{36})"')
THUMBS, VIEWS = 15, 3
ASK_AGAIN_S, TRUST_S = 2.0, 8.0
"""As the page has it (`frontend/islands/camera.ts`)."""
STAYS_S = 24 * 3600.0
# So many guests come from one address: the event's Wi-Fi has one, phones on mobile data share others.
GUESTS_PER_ADDRESS = 100


@dataclass
class Party:
    """What all guests of a run know.

    Attributes:
        haste: think times are divided by this.
        selfies: JPEG files; guest n sends number n, round and round.
    """

    code: str = ""
    haste: float = 1.0
    selfies: list[bytes] = field(default_factory=list)
    came: int = 0
    left: int = 0

    @classmethod
    def of(cls, code: str, folder: Path, haste: float) -> "Party":
        """A party whose guests' selfies lie in a folder."""
        return cls(code, haste, [path.read_bytes() for path in sorted(folder.iterdir())])


class GaveUp(Exception):
    """A step did not do what the next one needs."""


class Guest(FastHttpUser):
    """Comes once, and leaves."""

    party: ClassVar[Party] = Party()
    concurrency = 8
    network_timeout = 60.0
    connection_timeout = 60.0

    def on_start(self) -> None:
        """Take a number, and with it a name, an address and a face."""
        self.number = self.party.came
        self.party.came += 1
        self.name = f"guest{self.number}x{random.randrange(16**6):06x}"
        group = self.number // GUESTS_PER_ADDRESS
        self.headers = {"X-Forwarded-For": f"10.{group >> 8 & 255}.{group & 255}.7", "Accept": "text/html"}
        self.base = f"/e/{self.party.code}"
        self.told = Event()
        self.state = "none"
        self.placed = -TRUST_S
        self.listening: gevent.Greenlet | None = None

    @task
    def visit(self) -> None:
        """From the code on the table to leaving with the photos."""
        try:
            self.arrive()
            self.become_a_guest()
            self.sign_in()
            matched_s = self.find_oneself()
            self.environment.events.request.fire(
                request_type="FLOW",
                name="selfie to matches",
                response_time=matched_s * 1000,
                response_length=0,
                exception=None,
                context={},
            )
            self.look_around()
        except GaveUp:
            pass  # it is counted
        finally:
            self.hush()
            self.party.left += 1
        gevent.sleep(STAYS_S)  # Locust would send somebody else in place of a user who stops

    def hush(self) -> None:
        """Close the stream of the page that is left."""
        if self.listening is not None:
            self.listening.kill(block=False)
            self.listening = None

    # The steps -------------------------------------------------------------------------------------------------

    def arrive(self) -> None:
        """Type the code, and come to the event's page; styles and scripts are loaded once."""
        self.ask("GET", "/", "home")
        self.think(2, 5)
        self.ask("GET", f"/api/v1/check-code?code={self.party.code}", "check code", json=True)
        page = self.ask("GET", self.base, "event")
        for asset in dict.fromkeys(ASSET.findall(page)):
            self.ask("GET", asset, "static")
        self.think(3, 8)

    def become_a_guest(self) -> None:
        """Fill in the form, which asks whether the name is free, and agree to face finding."""
        self.ask("GET", f"{self.base}/register", "register form")
        self.think(5, 12)
        question = {"code": self.party.code, "username": self.name, "email": f"{self.name}@example.org"}
        self.ask("POST", "/api/v1/check-availability", "check availability", body=question, json=True)
        self.think(2, 5)
        form = {
            "display_name": self.name.title(),
            "username": self.name,
            "email": f"{self.name}@example.org",
            "password": PASSWORD,
        }
        self.send(f"{self.base}/register", "register", form)
        self.ask("GET", f"{self.base}/consent", "consent form")
        self.think(3, 8)
        self.send(f"{self.base}/consent", "consent", {"agree": "yes"})

    def sign_in(self) -> None:
        """Sign in once more, as whoever changes from the computer to the phone."""
        self.ask("GET", "/sign-in", "sign-in form")
        self.think(2, 5)
        self.send("/sign-in", "sign in", {"identifier": self.name, "password": PASSWORD})

    def find_oneself(self) -> float:
        """Send a selfie and wait, live, until the photos are there; returns seconds."""
        self.ask("GET", f"{self.base}/selfie", "selfie form")
        self.think(3, 8)
        jpeg = self.party.selfies[self.number % len(self.party.selfies)]
        began = time.monotonic()
        with self.asked(
            "POST",
            f"{self.base}/selfie",
            "selfie",
            files={"selfie": ("selfie.jpg", jpeg, "image/jpeg")},
            headers={"Accept": "application/json"},
        ) as answer:
            if answer.status_code != 202:
                self.fail(answer)
        self.listening = gevent.spawn(self.listen, "/live?place=true")
        while self.state not in ("accepted", "refused"):
            self.told.wait(ASK_AGAIN_S)
            self.told.clear()
            if self.state not in ("accepted", "refused") and time.monotonic() - self.placed >= TRUST_S:
                answer = json.loads(self.ask("GET", f"{self.base}/selfie/status", "selfie status", json=True))
                self.state = answer["state"]
        self.hush()
        found = self.photos("mine", "photos")
        spent_s = time.monotonic() - began
        self.listening = gevent.spawn(self.listen, "/live")
        if self.state != "accepted" or not found:
            self.environment.events.request.fire(
                request_type="FLOW",
                name="selfie to matches",
                response_time=spent_s * 1000,
                response_length=0,
                exception=GaveUp(f"{self.state}, {len(found)} photos"),
                context={},
            )
            raise GaveUp
        return spent_s

    def look_around(self) -> None:
        """Photos twice, all photos, thumbnails, three in full size, oneself, how long it all stays."""
        mine = self.photos("mine", "photos")
        for photo in mine[:THUMBS]:
            self.ask("GET", f"{self.base}/p/{photo}/thumb", "thumbnail")
        self.think(5, 15)
        others = self.photos("all", "all photos")
        for photo in others[: max(0, THUMBS - len(mine))]:
            self.ask("GET", f"{self.base}/p/{photo}/thumb", "thumbnail")
        for photo in (mine + others)[:VIEWS]:
            self.think(2, 6)
            self.ask("GET", f"{self.base}/p/{photo}/view", "full view")
        self.ask("GET", f"{self.base}/me", "me")
        self.ask("GET", f"{self.base}/selfie/status", "status", json=True)
        self.ask("GET", self.base, "event expiry")
        self.think(5, 15)
        self.send("/sign-out", "sign out", {})

    # What they are made of ---------------------------------------------------------------------------------------

    def photos(self, show: str, name: str) -> list[str]:
        """Ids of the photos on the first page of a part of the gallery."""
        return list(dict.fromkeys(PHOTO.findall(self.ask("GET", f"{self.base}/photos?show={show}", name))))

    def listen(self, stream: str) -> None:
        """Hold the page's stream open, as a browser does, and note what is said of the selfie."""
        with self.asked(
            "GET", self.base + stream, "live", stream=True, headers={"Accept": "text/event-stream"}
        ) as answer:
            if answer.status_code != 200:
                self.fail(answer)
            self.told.set()  # what happened before the stream was open is asked for, as the page does
            event = ""
            while line := answer.stream.readline(b"\n"):  # its own default is a line end that streams don't use
                text = line.decode().strip()
                if text.startswith("event:"):
                    event = text[6:].strip()
                elif text.startswith("data:") and event == "enrolment":
                    self.state = json.loads(text[5:])["state"]
                    self.told.set()
                elif text.startswith("data:") and event == "place":
                    self.placed = time.monotonic()

    def ask(self, method: str, path: str, name: str, *, body: dict[str, Any] | None = None, json: bool = False) -> str:
        """A request that must be answered with 200; returns the text."""
        more = {"json": body} if body is not None else {}
        headers = {"Accept": "application/json"} if json else {}
        with self.asked(method, path, name, headers=headers, **more) as answer:
            if answer.status_code != 200:
                self.fail(answer)
            return "" if name in ("thumbnail", "full view", "static") else answer.text or ""

    def send(self, path: str, name: str, form: dict[str, str]) -> None:
        """A form that must lead on to another page."""
        with self.asked("POST", path, name, data=form) as answer:
            if answer.status_code != 303:
                self.fail(answer)

    @contextmanager
    def asked(
        self, method: str, path: str, name: str, headers: dict[str, str] | None = None, **more: Any
    ) -> Iterator[Any]:
        """A request under the name that its figures are kept by."""
        origin = {"Origin": self.host} if method == "POST" else {}
        with self.client.request(
            method,
            path,
            name=name,
            headers=self.headers | origin | (headers or {}),
            catch_response=True,
            allow_redirects=False,
            **more,
        ) as answer:
            yield answer

    def fail(self, answer: Any) -> None:
        """Count it as a failure, and end the visit: the next steps would fail for the same reason."""
        answer.failure(f"{answer.status_code} {str(answer.text or answer.error or '')[:200]}")
        raise GaveUp

    def think(self, least_s: float, most_s: float) -> None:
        """What a person does between two requests."""
        gevent.sleep(random.uniform(least_s, most_s) / self.party.haste)
