"""Opening an object store by its URL. The query says what the URL of a bucket leaves open; secrets never stand in it.

    file:///var/lib/trouvaille/photos
    s3://bucket/prefix?endpoint=https://minio.example.org&region=eu-west-3&credentials_file=/run/secrets/s3

Without a credentials file, S3's come as everywhere from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or from the
machine's role; endpoint and region may be set as AWS_ENDPOINT_URL and AWS_REGION too.
"""

import os
from configparser import ConfigParser
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit
from urllib.request import url2pathname

from obstore.store import LocalStore, S3Store, from_url

from trouvaille.core.durable import Folders

SCHEMES: Final = ("file", "s3", "gs", "az")
OPTIONS: Final = frozenset({"endpoint", "region", "path_style", "bulk_delete", "credentials_file"})
YES_OR_NO: Final = {"yes": True, "no": False}
# A request that gets no answer is given up within half a minute, so that a page says so rather than hang. What is sent
# or received slowly but steadily may take as long as it takes.
CONNECT_S: Final = 3
SILENCE_S: Final = 30
RETRIES: Final = 3


class WrongStore(ValueError):
    """A URL that names no store; its text is for the operator."""


@dataclass(frozen=True, slots=True)
class Store:
    """An opened store. ``root``: the folder of a local one, whose ``folders`` are known to be on the disk or not."""

    url: str
    handle: Any
    root: Path | None = None
    folders: Folders | None = None


def open_store(url: str) -> Store:
    """Open a store; a local folder is made where it is missing, nothing is asked of a distant one.

    Raises:
        WrongStore
        OSError: the folder can't be made, or the file with the credentials can't be read.
    """
    parts = urlsplit(check_url(url))
    if parts.scheme == "file":
        root = Path(url2pathname(parts.path))
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Store(url, LocalStore(root), root, Folders(root))
    retry: Any = {
        "max_retries": RETRIES,
        "retry_timeout": timedelta(seconds=15),
        "backoff": {"max_backoff": timedelta(seconds=2)},
    }
    client: Any = {
        "connect_timeout": timedelta(seconds=CONNECT_S),
        "read_timeout": timedelta(seconds=SILENCE_S),
        "timeout": timedelta(hours=6),
    }
    if parts.scheme != "s3":
        return Store(url, from_url(url, client_options=client, retry_config=retry))
    options = dict(parse_qsl(parts.query))
    endpoint = options.get("endpoint") or os.environ.get("AWS_ENDPOINT_URL", "")
    client["allow_http"] = endpoint.startswith("http://")
    handle = S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        client_options=client,
        retry_config=retry,
        **_s3_config(options),
    )
    return Store(url, handle)


def check_url(url: str) -> str:
    """The URL, if it is one that ``open_store`` understands.

    Raises:
        WrongStore
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme not in SCHEMES:
        raise WrongStore(f"a store's URL begins with one of {', '.join(f'{each}://' for each in SCHEMES)}")
    if parts.username or parts.password:
        raise WrongStore("credentials don't belong into a store's URL; see docs/operator.md")
    if parts.scheme != "file" and not parts.netloc:
        raise WrongStore("the URL names no bucket")
    if unknown := set(options) - (OPTIONS if parts.scheme == "s3" else set()):
        raise WrongStore(f"unknown in a store's URL: {', '.join(sorted(unknown))}")
    for name in ("path_style", "bulk_delete"):
        if options.get(name, "yes") not in YES_OR_NO:
            raise WrongStore(f"{name} is yes or no")
    if not options.get("endpoint", "http://").startswith(("http://", "https://")):
        raise WrongStore("the endpoint must start with https:// or http://")
    return url


def _s3_config(options: dict[str, str]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    endpoint = options.get("endpoint")
    if endpoint:
        config["endpoint"] = endpoint
        config["region"] = "us-east-1"  # servers other than AWS's mostly want any
    if region := options.get("region"):
        config["region"] = region
    # A bucket as part of the host name needs DNS and certificates that few servers other than AWS's have.
    if endpoint or "path_style" in options:
        config["virtual_hosted_style_request"] = not YES_OR_NO[options.get("path_style", "yes")]
    if not YES_OR_NO[options.get("bulk_delete", "yes")]:
        config["disable_bulk_delete"] = True
    if file := options.get("credentials_file"):
        config |= _credentials(Path(file))
    return config


def _credentials(path: Path) -> dict[str, str]:
    """Keys from a file as AWS's tools write it, from its first section."""
    parser = ConfigParser(interpolation=None)
    parser.read_string(path.read_text())
    section = parser[parser.sections()[0]] if parser.sections() else {}
    wanted = {
        "access_key_id": "aws_access_key_id",
        "secret_access_key": "aws_secret_access_key",
        "session_token": "aws_session_token",
    }
    found = {ours: section[theirs] for ours, theirs in wanted.items() if theirs in section}
    if not {"access_key_id", "secret_access_key"} <= set(found):
        raise WrongStore(f"{path} lacks aws_access_key_id or aws_secret_access_key")
    return found
