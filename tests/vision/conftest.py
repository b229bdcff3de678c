"""What the vision tests share: one loaded engine, and pictures made on the spot."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from trouvaille.vision import weights
from trouvaille.vision.engine import LocalEngine


@pytest.fixture(scope="session")
def engine() -> LocalEngine:
    return LocalEngine(weights.locate(), threads=2)


Encode = Callable[..., bytes]


@pytest.fixture(scope="session")
def encode() -> Encode:
    """Encode an array or a Pillow image: encode(image, "JPEG", quality=90)."""

    def encoded(image: NDArray[np.uint8] | Image.Image, kind: str = "JPEG", **options: object) -> bytes:
        buffer = io.BytesIO()
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        picture.save(buffer, kind, **options)
        return buffer.getvalue()

    return encoded


@pytest.fixture(scope="session")
def portrait(samples: dict[str, Path]) -> Image.Image:
    """A sharp, bright, frontal portrait of one person, 910 x 1137."""
    return Image.open(samples["obama.jpg"]).convert("RGB")


@pytest.fixture(scope="session")
def bare_png() -> Callable[[int, int], bytes]:
    """A PNG whose header declares any size, with next to no data behind it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    def png(width_px: int, height_px: int) -> bytes:
        header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
        pixels = zlib.compress(bytes(1000))
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")

    return png
