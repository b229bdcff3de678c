"""A server in front of the instance, as a proxy stands there, whose answers a test may change."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlparse

PER_CONNECTION = {"transfer-encoding", "connection", "content-length", "keep-alive"}


class Front(ThreadingHTTPServer):
    """Passes everything on but streams; ``instead`` holds other bodies by path, for programs that were changed."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.behind = urlparse(behind).netloc
        self.address = f"http://localhost:{self.server_address[1]}"
        self.instead: dict[str, bytes] = {}


class _Passing(BaseHTTPRequestHandler):
    server: Front

    def do_GET(self) -> None:
        if self.path.partition("?")[0].endswith("/live"):
            self.send_error(503)
        else:
            self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        behind = http.client.HTTPConnection(self.server.behind, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in PER_CONNECTION}
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        behind.request(self.command, self.path, body or None, headers)
        answer = behind.getresponse()
        content = answer.read()
        instead = self.server.instead.get(self.path)
        self.send_response(200 if instead else answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in PER_CONNECTION and not (instead and name.lower() == "etag"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(instead or content)
        behind.close()

    def log_request(self, *_: object) -> None:
        """Say nothing."""

    log_error = log_request


@contextmanager
def front(behind: str) -> Iterator[Front]:
    """Such a server before the one at this address."""
    with Front(behind) as made:
        serving = threading.Thread(target=made.serve_forever, daemon=True)
        serving.start()
        yield made
        made.shutdown()
        serving.join()
