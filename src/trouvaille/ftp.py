"""The FTP process: photos straight from cameras. Needs the database, and the store, as a worker does."""

import asyncio
import signal
import socket
import threading
from contextlib import suppress
from urllib.parse import urlparse

import structlog

from trouvaille.cameras import folders
from trouvaille.cameras.certificate import self_signed
from trouvaille.cameras.ftp import Place, serve
from trouvaille.cameras.receiver import Receiver
from trouvaille.core.db import connect, sessions_of
from trouvaille.core.moving import following
from trouvaille.core.secrets import Vault, load_key
from trouvaille.core.storage import Storage
from trouvaille.photos import quotas
from trouvaille.photos.intake import Limits
from trouvaille.settings import Settings

log = structlog.get_logger()
SWEEP_EVERY_S = 3600.0
POOL = 5


def place_of(settings: Settings) -> Place:
    """Where and how to listen, by the settings; makes the certificate at the first start."""
    folder = settings.data_dir / "ftp"
    host = settings.ftp_public_address or urlparse(settings.public_url or "").hostname or "localhost"
    certificate = settings.ftp_certificate or self_signed(folder / "certificate.pem", host)
    return Place(
        host=settings.ftp_host or settings.host,
        port=settings.ftp_port or 0,
        staging=folder / "arriving",
        certificate=certificate,
        key=settings.ftp_key,
        plain=settings.ftp_plain,
        public_address=_numeric(settings.ftp_public_address),
        passive_ports=settings.passive_ports(),
    )


def _numeric(address: str | None) -> str | None:
    """Cameras are told numbers; a name is looked up once, at the start."""
    return socket.gethostbyname(address) if address else None


def run(settings: Settings) -> None:
    """Receive photos until SIGTERM or SIGINT."""
    if settings.database_url is None:
        raise ValueError("the FTP process needs DATABASE_URL; `trouvaille serve` sets it")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="database", daemon=True)
    thread.start()
    engine = connect(settings.database_url, pool_size=POOL, application="trouvaille ftp")
    sessions = sessions_of(engine)
    quotas.set_defaults(sessions, settings.quotas())
    storage = Storage(settings.photos_url)
    moves = following(sessions, storage)
    asyncio.run_coroutine_threadsafe(moves.__aenter__(), loop).result(30)
    receiver = Receiver(
        sessions,
        storage,
        Vault(load_key(settings.data_dir / "secret.key")),
        Limits(settings.photo_limit_bytes, settings.photo_limit_pixels),
    )
    place = place_of(settings)
    server = serve(receiver, loop, place, lambda port: log.info("ftp ready", port=port))
    folders.sweep(place.staging)
    server.ioloop.call_every(SWEEP_EVERY_S, lambda: folders.sweep(place.staging))
    signal.signal(signal.SIGTERM, _end)
    try:
        with suppress(KeyboardInterrupt, SystemExit):
            server.serve_forever(handle_exit=True)
    finally:
        asyncio.run_coroutine_threadsafe(moves.__aexit__(None, None, None), loop).result(10)
        asyncio.run_coroutine_threadsafe(engine.dispose(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)


def _end(*_: object) -> None:
    raise SystemExit
