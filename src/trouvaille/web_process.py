"""One web process: Uvicorn with the application, and what its nursery does before it."""

import importlib
import socket

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from trouvaille import app, serving
from trouvaille.settings import Settings
from trouvaille.web.patience import PatientProtocol


def warm_up() -> None:
    """Prepare what is the same in all web processes, before they are forked from this one."""
    app.warm_up()
    # Uvicorn imports these by name when it starts.
    for name in ("uvicorn.loops.auto", "uvicorn.lifespan.on", "uvicorn.protocols.websockets.auto"):
        importlib.import_module(name)


def run(settings: Settings, listening: socket.socket | None) -> int:
    """Answer requests until SIGTERM or SIGINT; gives the exit status.

    Args:
        listening: where connections come in; None opens the port of the settings.
    """
    serving.raise_file_limit()
    config = uvicorn.Config(
        "trouvaille.cli:application",
        factory=True,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=serving.GRACE_S,
        # Longer than most proxies keep a connection: else they send on one that we are just closing (decision 0046).
        timeout_keep_alive=125,
        http=PatientProtocol,
        backlog=serving.BACKLOG,
    )
    server = uvicorn.Server(config)
    server.run([listening] if listening is not None else None)
    return 0 if server.started else STARTUP_FAILURE
