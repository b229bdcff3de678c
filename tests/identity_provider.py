"""A real OpenID Connect provider for tests, in a process of its own: oidc-provider-mock, and what it leaves out.

It adds PKCE, which that package takes and does not check, and spoils its answers when a test asks for it.
"""

import base64
import hashlib
import io
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlparse

Start = Callable[..., Any]
Environ = dict[str, Any]


class Front:
    """What stands between the application and the provider.

    ``PUT /spoil`` with a word makes the next answers wrong in one respect: ``nonce``, ``issuer``, ``audience``,
    ``signature``; an empty word ends it. ``GET /refused`` says how many codes PKCE has refused.
    """

    def __init__(self, app: Callable[[Environ, Start], Iterable[bytes]]) -> None:
        self.app = app
        self.spoil = ""
        self.challenges: dict[str, str] = {}
        self.refused = 0

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/spoil":
            self.spoil = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0)).decode()
            return _plain(start, "204 No Content", b"")
        if path == "/refused":
            return _plain(start, "200 OK", str(self.refused).encode())
        if path == "/oauth2/authorize" and environ["REQUEST_METHOD"] == "POST":
            return self._authorize(environ, start)
        if path == "/oauth2/token":
            return self._token(environ, start)
        return self.app(environ, start)

    def _authorize(self, environ: Environ, start: Start) -> Iterable[bytes]:
        asked = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
        challenge = asked.get("code_challenge", "") if asked.get("code_challenge_method") == "S256" else ""
        if self.spoil == "nonce":
            asked["nonce"] = "another"
        if self.spoil == "audience":
            asked["client_id"] = "another"
        environ["QUERY_STRING"] = urlencode(asked)

        def noted(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            location = dict(headers).get("Location", "")
            for code in parse_qs(urlparse(location).query).get("code", ()):
                self.challenges[code] = challenge
            return start(status, headers, *more)

        return self.app(environ, noted)

    def _token(self, environ: Environ, start: Start) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        sent = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        made = base64.urlsafe_b64encode(hashlib.sha256(sent.get("code_verifier", "").encode()).digest())
        challenge = self.challenges.get(sent.get("code", ""), "")
        if not challenge or challenge != made.decode().rstrip("="):
            self.refused += 1
            return _plain(start, "400 Bad Request", b'{"error": "invalid_grant"}')
        if self.spoil == "issuer":
            environ["HTTP_HOST"] = "localhost:1"
        if self.spoil == "audience":
            environ["HTTP_AUTHORIZATION"] = "Basic " + base64.b64encode(b"another:secret").decode()
        answer: dict[str, Any] = {}

        def held(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            answer["status"] = status

        token = json.loads(b"".join(self.app(environ, held)))
        if self.spoil == "signature" and "id_token" in token:
            head, payload, _ = token["id_token"].split(".")
            token["id_token"] = ".".join((head, payload, base64.urlsafe_b64encode(b"x" * 256).decode().rstrip("=")))
        return _plain(start, answer["status"], json.dumps(token).encode())


def _plain(start: Start, status: str, body: bytes) -> list[bytes]:
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def main(port: int) -> None:
    """Serve until the process is ended."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    import oidc_provider_mock
    from werkzeug.serving import make_server

    make_server("127.0.0.1", port, Front(oidc_provider_mock.app()), threaded=True).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
