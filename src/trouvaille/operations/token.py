"""What a monitor shows to read the figures: set by the operator, or made at the first start."""

import hmac
import os
import secrets
from pathlib import Path

FILE = "metrics.token"


def load_token(data_dir: Path, given: str | None = None) -> str:
    """The token: the one that is set, or that of the data folder, made with mode 0600 at the first start."""
    if given:
        return given
    path = data_dir / FILE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass  # another process was first, and its token counts
        finally:
            fresh.unlink()
    return path.read_text().strip()


def fits(authorization: str, token: str) -> bool:
    """Whether a request brings the token."""
    kind, _, given = authorization.partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
