"""The least that a server can do with a file: stream a PUT to the disk and sync it. `bench.receiver` compares with it.

python -m bench.bare_put FOLDER PORT
"""

import os
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvicorn


def app_of(folder: Path) -> Any:
    """An ASGI application that keeps every body as a file."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        handle = os.open(folder / uuid4().hex, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            more = True
            while more:
                message = await receive()
                os.write(handle, message.get("body", b""))
                more = message.get("more_body", False)
            os.fsync(handle)
        finally:
            os.close(handle)
        await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    return app


if __name__ == "__main__":
    uvicorn.run(app_of(Path(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[2]), lifespan="off", log_config=None)
