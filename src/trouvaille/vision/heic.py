"""HEIC pictures (phones' HEVC stills), which the packaged libvips can't decode, through libheif of pillow-heif."""

from dataclasses import dataclass

import numpy as np
import pillow_heif
from numpy.typing import NDArray

from trouvaille.vision.types import Unreadable, UnreadableReason

_HEVC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_GENERIC_BRANDS = {b"mif1", b"msf1", b"mif2"}


@dataclass(frozen=True, slots=True)
class HeicPicture:
    """An opened HEIC file whose pixels are not decoded yet.

    Attributes:
        width_px: upright: libheif applies the file's own rotation, which takes precedence over EXIF.
        height_px: upright.
        exif: raw block, may be empty.
        icc_profile: raw profile, may be empty.
    """

    file: pillow_heif.HeifFile
    width_px: int
    height_px: int
    exif: bytes
    icc_profile: bytes

    def pixels(self) -> NDArray[np.uint8]:
        """(h, w, 3 or 4) uint8.

        Raises:
            Unreadable: the stream ends early or is broken.
        """
        try:
            return np.asarray(self.file, dtype=np.uint8)
        except (ValueError, RuntimeError, OSError, EOFError, SyntaxError) as error:
            raise Unreadable(UnreadableReason.truncated) from error


def is_heic(data: bytes) -> bool:
    """Whether the file-type box names HEVC; an AVIF file shares the generic brands and is not ours."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12]} | {data[at : at + 4] for at in range(16, end - 3, 4)}
    if b"avif" in brands or b"avis" in brands:
        return False
    return bool(brands & (_HEVC_BRANDS | _GENERIC_BRANDS))


def open_heic(data: bytes) -> HeicPicture:
    """Read the header.

    Raises:
        Unreadable: broken, or no still picture inside.
    """
    try:
        file = pillow_heif.open_heif(data, convert_hdr_to_8bit=True)
        width_px, height_px = file.size
    except (ValueError, RuntimeError, OSError, EOFError, SyntaxError) as error:
        raise Unreadable(UnreadableReason.truncated) from error
    return HeicPicture(
        file=file,
        width_px=width_px,
        height_px=height_px,
        exif=bytes(file.info.get("exif") or b""),
        icc_profile=bytes(file.info.get("icc_profile") or b""),
    )
