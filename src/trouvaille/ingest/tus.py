"""The words of the tus protocol, version 1.0 (https://tus.io/protocols/resumable-upload): headers in, headers out."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from starlette.datastructures import Headers

from trouvaille.core.errors import Refused

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,expiration,checksum"
ALGORITHMS = ("sha1", "sha256")
BODY_TYPE = "application/offset+octet-stream"


class BadRequest(Refused):
    """A header that is missing or can't be read; 400. The text is for whoever writes a client, and not translated."""

    status = 400


class WrongVersion(BadRequest):
    """Another version of the protocol."""

    status = 412


class WrongBodyType(BadRequest):
    """Bytes that do not say that they are such."""

    status = 415


class WrongOffset(BadRequest):
    """The bytes don't begin where the file ends."""

    status = 409


class WrongChecksum(BadRequest):
    """The bytes are not those that were sent. 460 is the protocol's own number."""

    status = 460


class TooSlow(BadRequest):
    """Nothing came for a long while."""

    status = 408


class TooMuch(BadRequest):
    """More bytes than the file was said to have."""

    status = 413


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a sender tells of a file, all of it as they like."""

    file_name: str | None = None
    modified_at: datetime | None = None
    sha256: bytes | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the body's bytes must hash to."""

    algorithm: str
    digest: bytes


def number(headers: Headers, name: str) -> int:
    """A whole number that is not negative.

    Raises:
        BadRequest
    """
    value = headers.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise BadRequest(f"{name} must be a number.")
    return int(value)


def metadata(headers: Headers) -> Metadata:
    """``Upload-Metadata``; keys that we don't know are passed over.

    Raises:
        BadRequest
    """
    found: dict[str, str] = {}
    for pair in headers.get("upload-metadata", "").split(","):
        key, _, value = pair.strip().partition(" ")
        if key:
            try:
                found[key] = base64.b64decode(value.strip(), validate=True).decode()
            except (binascii.Error, ValueError) as error:
                raise BadRequest("Upload-Metadata holds pairs of a key and a value in base64, of UTF-8.") from error
    return Metadata(
        found.get("filename"), moment(found.get("modified")), digest(found.get("sha256")), found.get("source")
    )


def moment(value: str | int | float | None) -> datetime | None:
    """Milliseconds since 1970.

    Raises:
        BadRequest
    """
    try:
        return datetime.fromtimestamp(float(value) / 1000, UTC) if value not in (None, "") else None
    except (ValueError, OverflowError, OSError) as error:
        raise BadRequest("modified is in milliseconds since 1970.") from error


def digest(value: str | None) -> bytes | None:
    """A SHA-256 in hexadecimal digits.

    Raises:
        BadRequest
    """
    try:
        made = bytes.fromhex(value) if value else None
    except ValueError as error:
        raise BadRequest("sha256 is in hexadecimal digits.") from error
    if made is not None and len(made) != hashlib.sha256().digest_size:
        raise BadRequest("sha256 has 64 digits.")
    return made


def checksum(headers: Headers) -> Checksum | None:
    """``Upload-Checksum``; None where the sender wants none.

    Raises:
        BadRequest
    """
    value = headers.get("upload-checksum")
    if value is None:
        return None
    algorithm, _, encoded = value.partition(" ")
    try:
        sum_ = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise BadRequest("Upload-Checksum is in base64.") from error
    if algorithm not in ALGORITHMS or len(sum_) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise BadRequest(f"Upload-Checksum is one of {', '.join(ALGORITHMS)}.")
    return Checksum(algorithm, sum_)


def check_version(headers: Headers) -> None:
    """Refuse other versions of the protocol.

    Raises:
        WrongVersion
    """
    if headers.get("tus-resumable") != VERSION:
        raise WrongVersion(f"Tus-Resumable must be {VERSION}.")


def check_body_type(headers: Headers) -> None:
    """Refuse a body that is not said to be bytes of a file.

    Raises:
        WrongBodyType
    """
    if headers.get("content-type", "").partition(";")[0].strip().lower() != BODY_TYPE:
        raise WrongBodyType(f"Content-Type must be {BODY_TYPE}.")


def expires(at: float) -> dict[str, str]:
    """When a file that gets no more bytes is given up.

    Args:
        at: seconds since 1970.
    """
    return {"Upload-Expires": format_datetime(datetime.fromtimestamp(at, UTC), usegmt=True)}


def capabilities(limit_bytes: int) -> dict[str, str]:
    """What ``OPTIONS`` answers."""
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
        "Tus-Max-Size": str(limit_bytes),
    }
