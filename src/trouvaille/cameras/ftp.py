"""The FTP server for cameras: upload only, on pyftpdlib, a thread for each connection.

A photo's 226 comes after it was taken in, so a camera that marks it as sent may forget it.
"""

import asyncio
import os
import select
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import structlog
from pyftpdlib.authorizers import AuthenticationFailed
from pyftpdlib.exceptions import _RetryError
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

from trouvaille.accounts.throttle import TooOften
from trouvaille.cameras import folders
from trouvaille.cameras.receiver import Receiver
from trouvaille.cameras.service import Entrance
from trouvaille.core.errors import Refused, TooLarge, Unavailable
from trouvaille.core.images import FileTooLarge, Truncated, shown_name
from trouvaille.core.storage import KEEP_FREE_BYTES

log = structlog.get_logger()
Result = TypeVar("Result")
# CWD, LIST and SIZE, APPE, MKD, STOR: what cameras need to send, and nothing to fetch, rename or delete.
MAY = "elamw"
AT_ONCE, AT_ONCE_BY_ADDRESS = 200, 50
TAKEN_IN_WITHIN_S = 120
TAKEN_REMEMBERED = 5_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how to listen.

    Attributes:
        plain: whether cameras that know no TLS are let in.
        certificate, key: PEM files.
        public_address: what cameras are told to connect to, behind a router that changes addresses.
        passive_ports: for the second connection of each transfer; None for any.
    """

    host: str
    port: int
    staging: Path
    certificate: Path
    key: Path | None
    plain: bool
    public_address: str | None
    passive_ports: range | None


def _english(error: Refused) -> str:
    """A refusal on one line; cameras show few signs beyond ASCII."""
    text = error.text % error.params if error.params else error.text
    return " ".join(text.replace("’", "'").encode("ascii", "replace").decode().split())


class _Said(str):
    """A text that pyftpdlib's ``capitalize`` leaves as it is."""

    __slots__ = ()

    def capitalize(self) -> "_Said":
        return self


class _Bridge:
    """From the connections' threads to the event loop that the database needs."""

    def __init__(self, receiver: Receiver, loop: asyncio.AbstractEventLoop, place: Place) -> None:
        self.receiver, self.place = receiver, place
        self._loop = loop

    def wait(self, act: Coroutine[Any, Any, Result]) -> Result:
        """Do something over there.

        Raises:
            Refused
            Unavailable: also for whatever goes wrong.
        """
        future = asyncio.run_coroutine_threadsafe(act, self._loop)
        try:
            return future.result(TAKEN_IN_WITHIN_S)
        except Refused:
            raise
        except Exception as error:
            future.cancel()
            log.warning("ftp request failed", kind=type(error).__name__)
            raise Unavailable from error


class _Door:
    """pyftpdlib's authorizer: asks the product, and keeps the answer in the connection."""

    def __init__(self, bridge: _Bridge) -> None:
        self._bridge = bridge

    def validate_authentication(self, user_name: str, password: str, handler: "_Camera") -> None:
        """Let somebody in.

        Raises:
            AuthenticationFailed
        """
        try:
            handler.entrance = self._bridge.wait(self._bridge.receiver.sign_in(user_name, password, handler.remote_ip))
        except Refused as error:
            raise AuthenticationFailed(_english(error)) from error
        handler.home = str(folders.home(self._bridge.place.staging, handler.entrance.credential_id))

    def get_home_dir(self, _: str) -> str:
        """Unused: the connection knows it."""
        return "/"

    def get_msg_login(self, _: str) -> str:
        """What a camera is greeted with."""
        return "Ready for photos."

    def get_msg_quit(self, _: str) -> str:
        """And sent off with."""
        return "Goodbye."

    def has_perm(self, _: str, perm: str, path: str | None = None) -> bool:
        """Whether a command is allowed."""
        return perm in MAY

    def get_perms(self, _: str) -> str:
        """All that is allowed."""
        return MAY

    def impersonate_user(self, *_: object) -> None:
        """Nobody is."""

    def terminate_impersonation(self, *_: object) -> None:
        """Nobody was."""


class _Folder(AbstractedFS):  # type: ignore[misc]
    """The unfinished photos of one access."""

    def open(self, filename: str, mode: str) -> BinaryIO:
        """A file to write; a resumed one is opened where it is."""
        path = Path(filename)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # some cameras make no folder first
        if mode.startswith("w"):
            return folders.open_fresh(path)
        file = folders.open_again(path)
        if mode.startswith("a"):
            file.seek(0, os.SEEK_END)
        return file

    def listdir(self, path: str) -> list[str]:
        """What is unfinished, without private names."""
        return [name for name in super().listdir(path) if not name.startswith(folders.PRIVATE)]

    listdirinfo = listdir

    def mkdir(self, path: str) -> None:
        """A folder; one that is there is no error, since cameras ask for theirs each time."""
        Path(path).mkdir(parents=True, exist_ok=True, mode=0o700)


class _Receiving(TLS_DTPHandler):  # type: ignore[misc]
    """A data connection: a photo that comes in, or a listing that goes out."""

    timeout = 120
    ac_in_buffer_size = 256 * 1024
    _settled = False

    def enable_receiving(self, _: str, cmd: str) -> None:
        """Always as bytes: a photo that is sent as text would lose some."""
        super().enable_receiving("i", cmd)

    def recv(self, buffer_size: int) -> bytes:
        """The next bytes, up to the limit of one photo."""
        chunk: bytes = super().recv(buffer_size)
        file, limit = self.file_obj, self.cmd_channel.bridge.receiver.limits.bytes
        if self.receive and file is not None and not file.closed and file.tell() + len(chunk) > limit:
            self._resp = (f"552 {_english(FileTooLarge(limit=limit // 1024**2))}", log.debug)
            self._settled = True
            Path(file.name).unlink(missing_ok=True)
            self.close()
            raise _RetryError  # which is passed over
        return chunk

    def close(self) -> None:
        """Before the answer, the photo is taken in."""
        file = self.file_obj
        is_whole = self.receive and self.transfer_finished and file is not None and not file.closed
        if not self._closed and is_whole and not self._settled:
            self._settled = True  # with TLS, this is called again once that has ended
            self._resp = (self.cmd_channel.take_in(file), log.debug)
        super().close()


class _Camera(TLS_FTPHandler):  # type: ignore[misc]
    """One connection of a camera."""

    banner = "Trouvaille"
    timeout = 600
    auth_failed_timeout = 1
    max_login_attempts = 3
    use_sendfile = False
    abstracted_fs = _Folder
    dtp_handler = _Receiving
    permit_foreign_addresses = False
    permit_privileged_ports = False
    bridge: _Bridge
    entrance: Entrance
    home = "/"

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._taken: dict[str, int] = {}
        self._name = ""

    def process_command(self, cmd: str, *given: Any, **named: Any) -> None:
        """Every command, as if TYPE I came before: photos are bytes, also for a camera that forgot to say so."""
        self._current_type = "i"
        super().process_command(cmd, *given, **named)

    def handle_auth_success(self, _: str, password: str, message: str) -> None:
        """Into the folder of this access."""
        super().handle_auth_success(self.home, "", message)  # the password is kept no longer than needed

    def handle_auth_failed(self, message: str, password: str) -> None:
        """Say why."""
        super().handle_auth_failed(_Said(message), "")

    def ftp_STOR(self, file: str, mode: str = "w") -> Any:  # noqa: N802 - pyftpdlib's name
        """Receive a photo, if one is wanted."""
        bridge = self.bridge
        try:
            bridge.wait(bridge.receiver.check(self.entrance))
            if not folders.has_room(bridge.place.staging, KEEP_FREE_BYTES):
                return self.respond("452 The server's disk is full.")
        except Refused as error:
            self._restart_position = 0
            return self.respond(_answer(error))
        self._name = Path(file).name
        return super().ftp_STOR(file, mode)

    def ftp_STOU(self, line: str) -> Any:  # noqa: N802
        """Under a name of our own: the photo's is then ours as well."""
        return self.ftp_STOR(self.fs.ftp2fs(f"photo-{os.urandom(6).hex()}.jpg"))

    def ftp_SIZE(self, path: str) -> Any:  # noqa: N802
        """How much of a photo is here; also of one that was taken in, since cameras compare."""
        if path in self._taken and not Path(path).exists():
            return self.respond(f"213 {self._taken[path]}")
        return super().ftp_SIZE(path)

    def take_in(self, file: BinaryIO) -> str:
        """Make a photo of a file that arrived, and say what became of it."""
        path = Path(file.name)
        try:
            file.flush()
            os.fsync(file.fileno())
            size_bytes = os.fstat(file.fileno()).st_size
        except OSError:
            return "452 The server's disk is full."
        if _has_gone(self.socket):
            return "426 The connection was lost; go on with it later."
        try:
            name = shown_name(self._name)
            photo_id = self.bridge.wait(self.bridge.receiver.take_in(self.entrance, path, name))
        except (Truncated, Unavailable) as error:  # it stays, so that the camera may go on
            return f"451 {_english(error)}"
        except Refused as error:
            path.unlink(missing_ok=True)
            return _answer(error)
        if len(self._taken) < TAKEN_REMEMBERED:
            self._taken[str(path.with_name(self._name))] = size_bytes
        path.unlink(missing_ok=True)
        return "226 Photo added." if photo_id else "226 This photo is already here."


def _answer(error: Refused) -> str:
    """A reply for a refusal: 552 for too much, 451 for later, 550 for never."""
    code = 552 if isinstance(error, TooLarge) else 451 if isinstance(error, (Unavailable, TooOften)) else 550
    return f"{code} {_english(error)}"


def _has_gone(connection: Any) -> bool:
    """Whether the camera closed its control connection as well: then the end of the data was no end of the photo."""
    try:
        handle = connection.fileno()
        readable, _, _ = select.select([handle], [], [], 0)
        if not readable:
            return False
        with socket.socket(fileno=os.dup(handle)) as twin:
            return twin.recv(1, socket.MSG_PEEK) == b""
    except (BlockingIOError, InterruptedError):
        return False
    except (OSError, ValueError):
        return True


def serve(
    receiver: Receiver, loop: asyncio.AbstractEventLoop, place: Place, on_ready: Callable[[int], None]
) -> ThreadedFTPServer:
    """A server that listens; ``serve_forever`` runs it.

    Args:
        loop: runs in another thread.
        on_ready: told the port.

    Raises:
        OSError: the port, or the certificate.
    """
    place.staging.mkdir(parents=True, exist_ok=True, mode=0o700)
    bridge = _Bridge(receiver, loop, place)
    handler = type(
        "Camera",
        (_Camera,),
        {
            "bridge": bridge,
            "authorizer": _Door(bridge),
            "certfile": str(place.certificate),
            "keyfile": str(place.key or place.certificate),
            "tls_control_required": not place.plain,
            "tls_data_required": not place.plain,
            "masquerade_address": place.public_address,
            "passive_ports": list(place.passive_ports) if place.passive_ports else None,
            "ssl_context": None,
        },
    )
    server = ThreadedFTPServer((place.host, place.port), handler)
    server.max_cons, server.max_cons_per_ip = AT_ONCE, AT_ONCE_BY_ADDRESS
    on_ready(server.address[1])
    return server
