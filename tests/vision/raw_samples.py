"""RAW files, written on the spot: no camera's own may be passed on here, so these follow their makers' layouts."""

import io
import struct

from PIL import Image

LONG, SHORT, ASCII, BYTE, UNDEFINED, RATIONAL = 4, 3, 2, 1, 7, 5
Tag = tuple[int, int, bytes]


def shorts(tag: int, *values: int) -> Tag:
    """Numbers of two bytes."""
    return tag, SHORT, struct.pack(f"<{len(values)}H", *values)


def longs(tag: int, *values: int) -> Tag:
    """Numbers of four bytes."""
    return tag, LONG, struct.pack(f"<{len(values)}I", *values)


def words(tag: int, text: str) -> Tag:
    """A text."""
    return tag, ASCII, text.encode() + b"\0"


def _ifd(tags: list[Tag], at: int) -> bytes:
    """A directory that lies at an offset, with its long values behind it."""
    tags = sorted(tags)
    rest, body = b"", struct.pack("<H", len(tags))
    start = at + 2 + 12 * len(tags) + 4
    for tag, kind, value in tags:
        count = len(value) // {LONG: 4, SHORT: 2, RATIONAL: 8}.get(kind, 1)
        if len(value) <= 4:
            place = value.ljust(4, b"\0")
        else:
            place = struct.pack("<I", start + len(rest))
            rest += value + b"\0" * (len(value) % 2)
        body += struct.pack("<HHI", tag, kind, count) + place
    return body + struct.pack("<I", 0) + rest


def jpeg(picture: Image.Image) -> bytes:
    """A preview as cameras write it: no EXIF of its own."""
    made = io.BytesIO()
    picture.save(made, "JPEG", quality=92)
    return made.getvalue()


def raw(
    preview: bytes | None,
    *,
    size_wh: tuple[int, int] = (1200, 800),
    make: str = "Nikon",
    model: str = "NIKON Z 6",
    orientation: int = 1,
    taken: str = "2026:06:20 15:04:05",
    offset: str | None = None,
    serial: str | None = None,
    dng: bool = True,
) -> bytes:
    """A TIFF with a JPEG preview, a mosaic below it, and EXIF; ``dng`` makes it Adobe's."""
    mosaic = struct.pack("<H", 800) * (64 * 48)
    exif = [words(0x9003, taken)]
    exif += [words(0x9011, offset)] if offset else []
    exif += [words(0xA431, serial)] if serial else []
    shot = preview or b""
    at_preview = 8
    at_mosaic = at_preview + len(shot) + len(shot) % 2
    at_exif = at_mosaic + len(mosaic)
    exif_ifd = _ifd(exif, at_exif)
    at_sub = at_exif + len(exif_ifd)
    sub = _ifd(
        [
            longs(0xFE, 0),
            longs(0x100, 64),
            longs(0x101, 48),
            shorts(0x102, 16),
            shorts(0x103, 1),
            shorts(0x106, 32803),
            longs(0x111, at_mosaic),
            shorts(0x115, 1),
            longs(0x116, 48),
            longs(0x117, len(mosaic)),
            shorts(0x828D, 2, 2),
            (0x828E, BYTE, b"\0\1\1\2"),
            shorts(0xC61D, 4095),
        ],
        at_sub,
    )
    at_first = at_sub + len(sub)
    first = [
        longs(0xFE, 1),
        words(0x10F, make),
        words(0x110, model),
        shorts(0x112, orientation),
        longs(0x14A, at_sub),
        longs(0x8769, at_exif),
    ]
    if preview:
        first += [
            longs(0x100, size_wh[0]),
            longs(0x101, size_wh[1]),
            shorts(0x102, 8, 8, 8),
            shorts(0x103, 7 if dng else 6),
            shorts(0x106, 6),
            longs(0x111, at_preview),
            shorts(0x115, 3),
            longs(0x116, size_wh[1]),
            longs(0x117, len(shot)),
        ]
        if not dng:
            first += [longs(0x201, at_preview), longs(0x202, len(shot))]
    if dng:
        first += [(0xC612, BYTE, b"\1\4\0\0"), (0xC613, BYTE, b"\1\1\0\0"), words(0xC614, model)]
    body = shot + b"\0" * (len(shot) % 2) + mosaic + exif_ifd + sub + _ifd(first, at_first)
    return b"II*\0" + struct.pack("<I", at_first) + body


def raf(preview: bytes) -> bytes:
    """Fuji's: a header that says where the JPEG lies, which has all of the EXIF."""
    head = b"FUJIFILMCCD-RAW 0201FF383501X-T4".ljust(84, b"\0")
    return head + struct.pack(">6I", 160, len(preview), 0, 0, 0, 0).ljust(76, b"\0") + preview
