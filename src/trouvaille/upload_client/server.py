"""The server as this client knows it: HTTP alone, and of that the tus protocol 1.0 and two questions."""

import base64
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO
from urllib.parse import quote, urljoin

import httpx2

from trouvaille.upload_client.folder import Found

PIECE_BYTES = 256 * 1024
# A proxy may refuse larger requests, and a lost connection costs no more than this where the server keeps nothing.
REQUEST_BYTES = 32 * 1024**2
AT_ONCE_BYTES = 2 * 1024**2
"""Files up to this size come with the request that announces them."""
ASKED_AT_ONCE = 500
LONGEST_WAIT_S = 30.0
FAULTS_ALLOWED = 5
TUS = {"Tus-Resumable": "1.0.0"}


class Fatal(Exception):
    """Nothing can be sent: the reason is a sentence for the user."""


class Rejected(Exception):
    """The server does not want this file, and says why."""


class Changed(Exception):
    """The file changed while it was sent."""


class Stopped(Exception):
    """The user wants to stop."""


class Away(Exception):
    """The server could not be reached for longer than we are willing to wait."""


@dataclass(frozen=True, slots=True)
class Event:
    """The event that photos go to."""

    id: str
    name: str
    code: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a file: ``accepted`` or ``duplicate``."""

    result: str


class Server:
    """One event of one server; may be used from several threads.

    Args:
        stop: set when the user wants to stop.
        patience_s: how long to go on trying while nothing gets through; None for ever.
        on_trouble: told what is wrong each time something is tried again, and None once it is over.
    """

    def __init__(
        self,
        address: str,
        token: str,
        *,
        stop: threading.Event,
        patience_s: float | None,
        on_trouble: Callable[[str | None], None],
        connections: int = 4,
    ) -> None:
        self.address = address.rstrip("/")
        self._stop, self._patience_s, self._on_trouble = stop, patience_s, on_trouble
        self._http = httpx2.Client(
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": "application/json",
                "User-Agent": "trouvaille-upload",
            },
            timeout=httpx2.Timeout(60, connect=10),
            limits=httpx2.Limits(max_connections=connections + 2),
        )

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def event(self, code: str) -> Event:
        """The event with this code.

        Raises:
            Fatal: the token or the code is wrong.
        """
        found = self._ask("GET", f"{self.address}/api/v1/events/by-code/{quote(code, safe='')}")
        if found.status_code == 404:
            raise Fatal(f"There is no event {code} that this token may add photos to.")
        said = self._json(found)
        return Event(str(said["id"]), str(said["name"]), str(said["code"]))

    def known(self, event: Event, files: list[dict[str, Any]]) -> list[str]:
        """For each file ``yes``, ``maybe`` or ``no``."""
        answers: list[str] = []
        for start in range(0, len(files), ASKED_AT_ONCE):
            body = {"files": files[start : start + ASKED_AT_ONCE]}
            found = self._json(self._ask("POST", f"{self._uploads(event)}/known", json=body))
            answers += [str(each["known"]) for each in found["files"]]
        return answers

    def send(
        self,
        event: Event,
        photo: Found,
        *,
        sha256: str,
        upload_url: str | None,
        on_begun: Callable[[str], None],
        on_bytes: Callable[[int], None],
    ) -> Sent:
        """Send one file, from where it was left, until the server has said what became of it.

        Args:
            upload_url: where it was begun before.
            on_begun: told the address under which to go on after a restart.
            on_bytes: told how many bytes of the file are there.

        Raises:
            Rejected, Changed, Stopped, Away, Fatal
            OSError: the file can't be read.
        """
        with photo.path.open("rb") as file:
            url, offset = upload_url, 0
            if url is not None:
                url, offset, sent = self._where(url, photo)
                if sent:
                    return sent
            if url is None:
                url, sent = self._begin(event, photo, file, sha256)
                if sent:
                    on_bytes(photo.size_bytes)
                    return sent
                offset = 0
                on_begun(url)
            while True:
                on_bytes(offset)
                url_now, offset, sent = self._append(url, photo, file, offset, on_bytes)
                if sent:
                    return sent
                if url_now is None:  # the server has forgotten it
                    url, sent = self._begin(event, photo, file, sha256)
                    if sent:
                        return sent
                    offset = 0
                    on_begun(url)

    def _uploads(self, event: Event) -> str:
        return f"{self.address}/api/v1/events/{event.id}/uploads"

    def _begin(self, event: Event, photo: Found, file: BinaryIO, sha256: str) -> tuple[str, Sent | None]:
        told = {
            "filename": photo.name.rsplit("/", 1)[-1],
            "modified": str(photo.modified_ns // 1_000_000),
            "sha256": sha256,
            "source": "command",
        }
        metadata = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in told.items())
        headers = TUS | {"Upload-Length": str(photo.size_bytes), "Upload-Metadata": metadata}
        body = b""
        if photo.size_bytes <= AT_ONCE_BYTES:
            file.seek(0)
            body = file.read()
            if len(body) != photo.size_bytes:
                raise Changed
            headers["Content-Type"] = "application/offset+octet-stream"
        answer = self._ask("POST", self._uploads(event), headers=headers, content=body)
        if answer.status_code == 404:
            raise Fatal("The event is not there any more, or this token may not add photos to it.")
        self._check(answer)
        return urljoin(str(answer.request.url), answer.headers["Location"]), _sent(answer)

    def _where(self, url: str, photo: Found) -> tuple[str | None, int, Sent | None]:
        """How much the server has; no address when it has nothing, or another file."""
        answer = self._ask("HEAD", url, headers=TUS)
        if answer.status_code in (403, 404, 410):
            return None, 0, None
        self._check(answer)
        if answer.headers.get("Upload-Length") != str(photo.size_bytes):
            return None, 0, None
        return url, int(answer.headers.get("Upload-Offset", "0")), _sent(answer)

    def _append(
        self, url: str, photo: Found, file: BinaryIO, offset: int, on_bytes: Callable[[int], None]
    ) -> tuple[str | None, int, Sent | None]:
        """Send the next part; on trouble find out where the server is and go on there."""
        until = min(photo.size_bytes, offset + REQUEST_BYTES)
        headers = TUS | {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(until - offset),
        }
        try:
            body = self._pieces(file, offset, until, on_bytes)
            answer = self._http.request("PATCH", url, headers=headers, content=body)
        except httpx2.TransportError:
            answer = None
        if self._stop.is_set():
            raise Stopped
        if answer is not None and answer.status_code == 204:
            return url, int(answer.headers["Upload-Offset"]), _sent(answer)
        if answer is not None and answer.status_code not in (409, 404, 410) and not _is_transient(answer):
            self._check(answer)
        if answer is not None and _is_transient(answer):
            self._pause(_retry_after_s(answer) or 1.0)
        return self._where(url, photo)  # which waits for the server to come back

    def _pieces(self, file: BinaryIO, offset: int, until: int, on_bytes: Callable[[int], None]) -> Iterator[bytes]:
        file.seek(offset)
        while offset < until:
            if self._stop.is_set():
                raise Stopped
            piece = file.read(min(PIECE_BYTES, until - offset))
            if not piece:
                raise Changed
            yield piece
            offset += len(piece)
            on_bytes(offset)

    def _ask(self, method: str, url: str, **more: Any) -> httpx2.Response:
        """Ask, again and again while the server is away or busy.

        Raises:
            Stopped, Away
        """
        began, tries = time.monotonic(), 0
        answered = 0
        while True:
            if self._stop.is_set():
                raise Stopped
            try:
                answer = self._http.request(method, url, **more)
                if not _is_transient(answer):
                    self._on_trouble(None)
                    return answer
                answered = answer.status_code
                trouble, wait_s = f"the server is busy ({answered})", _retry_after_s(answer)
            except httpx2.TransportError as error:
                trouble, wait_s = f"no connection ({type(error).__name__})", None
            if self._patience_s is not None and time.monotonic() - began > self._patience_s:
                raise Away(trouble)
            if answered == 500 and tries >= FAULTS_ALLOWED:
                raise Rejected(trouble)  # the fault has to do with this request, and would stay for ever
            tries += 1
            self._on_trouble(trouble)
            # Several clients that lost the server together don't come back together.
            self._pause(wait_s or min(LONGEST_WAIT_S, 0.5 * 2 ** min(tries, 10)) * (0.5 + random.random() / 2))  # noqa: S311

    def _pause(self, wait_s: float) -> None:
        if self._stop.wait(wait_s):
            raise Stopped

    def _check(self, answer: httpx2.Response) -> None:
        """Raise what a refusal means.

        Raises:
            Fatal: for every file. Rejected: for this one.
        """
        if answer.is_success:
            return
        said = _detail(answer)
        if answer.status_code in (401, 403):
            raise Fatal(f"The server does not accept the access token: {said}")
        if answer.status_code in (409, 413, 422) or answer.status_code == 460:
            raise Rejected(said)
        raise Fatal(f"The server answered {answer.status_code}: {said}")

    def _json(self, answer: httpx2.Response) -> Any:
        self._check_asked(answer)
        try:
            return answer.json()
        except ValueError as error:
            raise Fatal(f"{self.address} does not answer as Trouvaille does.") from error

    def _check_asked(self, answer: httpx2.Response) -> None:
        try:
            self._check(answer)
        except Rejected as error:
            raise Fatal(str(error)) from error


def _sent(answer: httpx2.Response) -> Sent | None:
    result = answer.headers.get("Trouvaille-Result")
    return Sent(result) if result else None


def _is_transient(answer: httpx2.Response) -> bool:
    return answer.status_code in (408, 423, 425, 429) or answer.status_code >= 500


def _retry_after_s(answer: httpx2.Response) -> float | None:
    value = answer.headers.get("Retry-After")
    if not value:
        return None
    try:
        wait_s = float(value)
    except ValueError:
        try:
            wait_s = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(wait_s, 0.1), 300.0)


def _detail(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase or str(answer.status_code)
