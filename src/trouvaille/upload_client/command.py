"""The command ``trouvaille upload``: what it was given, Ctrl-C, and its exit status."""

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from trouvaille.upload_client.memory import Memory, usual_path
from trouvaille.upload_client.run import Run, Wish, as_dict
from trouvaille.upload_client.screen import Screen, in_words
from trouvaille.upload_client.server import Away, Fatal, Server, Stopped

ALL_THERE, SOME_FAILED, USAGE = 0, 1, 2
PATIENCE_S = 300.0


def token_from(given: str | None, file: Path | None) -> str:
    """The access token: given, from the environment, or from a file.

    Raises:
        Fatal: there is none.
    """
    token = given or (_first_line(file) if file else None) or os.environ.get("TROUVAILLE_TOKEN")
    if not token:
        path = os.environ.get("TROUVAILLE_TOKEN_FILE")
        token = _first_line(Path(path)) if path else None
    if not token:
        raise Fatal("An access token is needed: make one at /account/tokens, and set TROUVAILLE_TOKEN.")
    return token.strip()


def _first_line(path: Path) -> str:
    try:
        return path.read_text().strip().partition("\n")[0]
    except (OSError, ValueError) as error:
        raise Fatal(f"The file with the access token can't be read: {path}") from error


def check_address(address: str | None) -> str:
    """The server's address.

    Raises:
        Fatal
    """
    address = (address or os.environ.get("TROUVAILLE_SERVER") or "").strip()
    if not address:
        raise Fatal("The server’s address is needed: --server https://photos.example.org, or TROUVAILLE_SERVER.")
    parsed = urlparse(address)
    if parsed.scheme not in ("http", "https") or not parsed.hostname:
        raise Fatal(f"{address} is no address of a server; it begins with https://")
    return address


def _warn_of_plain_http(address: str, screen: Screen) -> None:
    parsed = urlparse(address)
    if parsed.scheme == "http" and parsed.hostname not in ("localhost", "127.0.0.1", "::1"):
        screen.say("Without https:// others on the network can read the access token.")


def run(
    wish: Wish,
    *,
    code: str,
    server: str | None,
    token: str | None,
    token_file: Path | None,
    as_json: bool = False,
    quiet: bool = False,
    state: Path | None = None,
) -> int:
    """Send a folder; returns the exit status."""
    stop = threading.Event()
    with _stopping(stop), Screen(quiet=quiet) as screen:
        try:
            address, secret = check_address(server), token_from(token, token_file)
        except Fatal as error:
            print(error, file=sys.stderr)  # noqa: T201 - a command's own words
            return USAGE
        _warn_of_plain_http(address, screen)
        remote = Server(
            address,
            secret,
            stop=stop,
            patience_s=None if wish.watch else PATIENCE_S,
            on_trouble=screen.trouble,
            connections=wish.parallel,
        )
        try:
            event = remote.event(code)
            memory = Memory(state or usual_path(remote.address, event.id, wish.folder))
            running = Run(wish, remote, event, memory, screen, stop)
            failure = None
            try:
                running()
            except (Fatal, OSError) as error:
                failure = str(error)
            finally:
                memory.close()
        except (Fatal, Away) as error:
            print(error, file=sys.stderr)  # noqa: T201
            return SOME_FAILED
        except Stopped:
            return SOME_FAILED
        finally:
            remote.close()
    summary = running.summary
    _report(
        as_dict(summary, event) | ({"error": failure} if failure else {}), in_words(summary, event), as_json=as_json
    )
    if failure:
        print(failure, file=sys.stderr)  # noqa: T201
    return ALL_THERE if summary.is_whole and not failure else SOME_FAILED


def _report(result: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    with suppress(BrokenPipeError):
        print(json.dumps(result, ensure_ascii=True) if as_json else "\n".join(lines))  # noqa: T201


class _stopping:  # noqa: N801 - used like a function
    """The first Ctrl-C lets what is on its way be remembered; the second ends at once."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _: object) -> None:
        if self._stop.is_set():
            os._exit(SOME_FAILED)
        self._stop.set()
