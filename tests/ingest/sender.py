"""Somebody who sends files by the tus protocol, one request at a time."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

from httpx2 import Response

TUS = {"tus-resumable": "1.0.0"}
BODY = {"content-type": "application/offset+octet-stream"}


def metadata(**told: str) -> str:
    """``Upload-Metadata``."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in told.items())


def checksum(data: bytes, algorithm: str = "sha1") -> dict[str, str]:
    """``Upload-Checksum``."""
    return {"upload-checksum": f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"}


@dataclass
class Sender:
    """``browser``: a client of the application, or of a process of its own. ``base``: where uploads are created."""

    browser: Any
    base: str
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, *, content: bytes | None = None, **headers: str) -> Response:
        """One request; underscores in a header's name stand for hyphens."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        more = {**TUS, **self.headers, **more}
        more = {name: value for name, value in more.items() if value}
        answer: Response = self.browser.request(method, path, content=content, headers=more)
        return answer

    def create(self, size: int, *, first: bytes | None = None, told: dict[str, str] | None = None) -> Response:
        """Begin an upload, perhaps with its first bytes."""
        more = {"upload_length": str(size), "upload_metadata": metadata(**({"filename": "a.jpg"} | (told or {})))}
        if first is not None:
            more |= {"content_type": BODY["content-type"]}
        return self.ask("POST", self.base, content=first, **more)

    def patch(self, path: str, offset: int, data: bytes, **headers: str) -> Response:
        """Send some bytes."""
        more = {"upload_offset": str(offset), "content_type": BODY["content-type"]} | headers
        return self.ask("PATCH", path, content=data, **more)

    def head(self, path: str) -> Response:
        """Ask how far it is."""
        return self.ask("HEAD", path)

    def delete(self, path: str) -> Response:
        """Give it up."""
        return self.ask("DELETE", path)
