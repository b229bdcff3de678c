"""Originals for guests: position, serial numbers and maker notes are covered; the picture and its length stay."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from tests.people import Visitor
from trouvaille.photos.blanks import Blank, CannotBlank, cover, covered, kept, read
from trouvaille.photos.finding import find
from trouvaille.settings import Settings

pillow_heif.register_heif_opener()
EXIF, GPS = 0x8769, 0x8825
SECRETS = (b"BODY-4711", b"LENS-0815", b"OWNER-MAX", b"MAKER-99", b"CAMRAW-5")
XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:aux="http://ns.adobe.com/exif/1.0/aux/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" aux:SerialNumber="BODY-4711" aux:OwnerName='OWNER-MAX' xmp:Rating="5"
 exif:GPSLatitude="48,51.3961N"><aux:LensSerialNumber>LENS-0815</aux:LensSerialNumber>
<exif:GPSLongitude>2,21.1308E</exif:GPSLongitude><xmp:Label>Best</xmp:Label></rdf:Description></rdf:RDF></x:xmpmeta>"""
XMP_SECRETS = (b"48,51.3961N", b"2,21.1308E")


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x013B], exif[0x010F] = 6, "Paula Photographer", "ACME"
    exif[0xFDE9] = "CAMRAW-5"
    inner = exif.get_ifd(EXIF)
    inner[0x9003] = "2026:06:13 19:40:05"
    inner[0xA430], inner[0xA431], inner[0xA435] = "OWNER-MAX", "BODY-4711", "LENS-0815"
    inner[0x927C] = b"MAKER-99 and more of it"
    gps = exif.get_ifd(GPS)
    gps[1], gps[2], gps[3], gps[4] = "N", (48.0, 51.0, 23.77), "E", (2.0, 21.0, 7.85)
    gps[29] = "2026:06:13"
    return exif


@pytest.fixture(scope="session")
def picture(samples: dict[str, Path]) -> Image.Image:
    return Image.open(samples["sample1.jpg"]).convert("RGB").resize((320, 240))


def _saved(picture: Image.Image, kind: str, **more: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, exif=_exif().tobytes(), **more)
    return file.getvalue()


def _files(picture: Image.Image) -> dict[str, tuple[bytes, str]]:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    text.add_text("Author", "Paula Photographer")
    text.add_text("Raw profile type exif", "BODY-4711 in hex", zip=True)
    packed = PngImagePlugin.PngInfo()
    packed.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
    return {
        "jpeg": (_saved(picture, "JPEG", xmp=XMP), "image/jpeg"),
        "progressive jpeg": (_saved(picture, "JPEG", progressive=True), "image/jpeg"),
        "png": (_saved(picture, "PNG", pnginfo=text), "image/png"),
        "png with packed xmp": (_saved(picture, "PNG", pnginfo=packed), "image/png"),
        "webp": (_saved(picture, "WEBP", xmp=XMP), "image/webp"),
        "tiff": (_saved(picture, "TIFF"), "image/tiff"),
        "avif": (_saved(picture, "AVIF", xmp=XMP), "image/avif"),
        "heic": (_saved(picture, "HEIF", xmp=XMP), "image/heic"),
    }


KINDS = ("jpeg", "progressive jpeg", "png", "png with packed xmp", "webp", "tiff", "avif", "heic")


@pytest.fixture(scope="session")
def files(picture: Image.Image) -> dict[str, tuple[bytes, str]]:
    return _files(picture)


def _told(data: bytes) -> Image.Exif:
    with Image.open(io.BytesIO(data)) as image:
        return image.getexif()


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_tells_neither_place_nor_serial_numbers_and_shows_the_same_picture(
    files: dict[str, tuple[bytes, str]], kind: str
) -> None:
    data, media_type = files[kind]
    assert _told(data).get_ifd(GPS), "the file must tell its place before"
    clean = cover(data, find(data, media_type))
    assert len(clean) == len(data)
    for secret in (*SECRETS, *XMP_SECRETS):
        assert secret not in clean
    exif = _told(clean)
    assert exif.get_ifd(GPS) == {}
    inner = exif.get_ifd(EXIF)
    for tag in (0xA430, 0xA431, 0xA435):
        assert not inner.get(tag, "").strip("\0")
    assert not bytes(inner.get(0x927C, b"")).strip(b"\0")
    # What makes the picture and its maker known stays.
    assert exif.get(0x013B) == "Paula Photographer"
    assert inner[0x9003] == "2026:06:13 19:40:05"
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(clean)) as after:
        after.load()
        before.load()
        assert np.array_equal(np.asarray(before), np.asarray(after))
        assert before.size == after.size and exif.get(0x0112) == _told(data).get(0x0112)


@pytest.mark.parametrize("kind", ("jpeg", "webp", "heic", "avif"))
def test_xmp_stays_well_formed_and_keeps_what_tells_nobody(files: dict[str, tuple[bytes, str]], kind: str) -> None:
    from xml.etree import ElementTree

    data, media_type = files[kind]
    clean = cover(data, find(data, media_type))
    packet = clean[clean.index(b"<x:xmpmeta") : clean.index(b"</x:xmpmeta>") + 12]
    told = ElementTree.tostring(ElementTree.fromstring(packet), encoding="unicode")
    assert 'Rating="5"' in told and "Best" in told
    assert "GPSLatitude" in told and "48,51" not in told


def test_covering_twice_changes_nothing_more(files: dict[str, tuple[bytes, str]]) -> None:
    for data, media_type in files.values():
        clean = cover(data, find(data, media_type))
        assert cover(clean, find(clean, media_type)) == clean


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


def test_makers_own_segments_films_and_trailers_are_covered(files: dict[str, tuple[bytes, str]]) -> None:
    plain, kind = files["jpeg"]
    resource = b"8BIM" + (0x0422).to_bytes(2, "big") + b"\0\0"
    exif = _exif().tobytes()[6:]
    resource += len(exif).to_bytes(4, "big") + exif
    extra = (
        _segment(0xE6, b"GoPro\0SERIAL-6")
        + _segment(0xEB, b"JP\0\0SERIAL-11")
        + _segment(0xED, b"Photoshop 3.0\0" + resource)
        + _segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"G" * 40 + b"<a>SERIAL-EXT</a>")
    )
    data = plain[:2] + extra + plain[2:] + b"\0\0\0" + plain + b"\0\0\0\x18ftypmp42 \xa9xyz +48.8566+002.3522/"
    clean = cover(data, find(data, kind))
    for secret in (*SECRETS, b"SERIAL-6", b"SERIAL-11", b"SERIAL-EXT", b"+48.8566"):
        assert secret not in clean
    # The second picture is still one.
    second = clean.index(b"\xff\xd8\xff", len(plain) + len(extra) - 2)
    with Image.open(io.BytesIO(clean[second:])) as image:
        image.load()
        assert image.size == (320, 240)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_or_damaged_is_refused_or_covered_but_raises_nothing_else(
    files: dict[str, tuple[bytes, str]], kind: str
) -> None:
    data, media_type = files[kind]
    for cut in range(0, len(data), max(1, len(data) // 97)):
        for damaged in (data[:cut], data[:cut] + b"\xff" * 8 + data[cut + 8 :]):
            try:
                blanks = find(damaged, media_type)
            except CannotBlank:
                continue
            assert len(cover(damaged, blanks)) == len(damaged)


def test_a_film_of_pictures_and_an_unknown_kind_are_refused(files: dict[str, tuple[bytes, str]]) -> None:
    data, kind = files["heic"]
    with pytest.raises(CannotBlank):
        find(data + b"\0\0\0\x08moov", kind)
    with pytest.raises(CannotBlank):
        find(data, "image/x-canon-cr3")


@given(st.data())
def test_a_file_covered_in_pieces_is_the_file_covered_at_once(draw: st.DataObject) -> None:
    data = draw.draw(st.binary(max_size=60))
    one = st.builds(Blank, st.integers(0, 60), st.integers(1, 20), st.sampled_from((b"\0", b" ", b"abcd")))
    blanks = read(kept(draw.draw(st.lists(one, max_size=4))))
    assert blanks is not None
    offset, size = draw.draw(st.integers(0, 60)), draw.draw(st.integers(1, 9))

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(offset, len(data), size):
            yield data[at : at + size]

    async def joined() -> bytes:
        return b"".join([each async for each in covered(pieces(), blanks, offset=offset)])

    assert asyncio.run(joined()) == cover(data, blanks)[offset:]


def test_guests_get_originals_without_place_and_serial_numbers_and_staff_as_they_are(
    visitor: Callable[[], Visitor],
    files: dict[str, tuple[bytes, str]],
    run_jobs: Callable[[], None],
    settings: Settings,
) -> None:
    owner, guest = visitor(), visitor()
    owner.set_up_server()
    owner.make_event(gallery="guests", faces=None)
    data = files["jpeg"][0]
    (photo,) = owner.upload(("one.jpg", data))["accepted"]
    run_jobs()
    guest.register("PARTY234", "rose")
    clean = cover(data, find(data, "image/jpeg"))
    base = f"/e/PARTY234/p/{photo['id']}"

    def zipped() -> bytes:
        with zipfile.ZipFile(io.BytesIO(guest.get("/e/PARTY234/zip?what=all").content)) as opened:
            assert opened.testzip() is None
            (name,) = opened.namelist()
            return opened.read(name)

    assert owner.get(f"{base}/original").content == data
    for name in ("original", "download"):
        answer = guest.get(f"{base}/{name}")
        assert (answer.content, int(answer.headers["content-length"])) == (clean, len(data))
    assert zipped() == clean
    whole = guest.get("/e/PARTY234/zip?what=all").content
    part = guest.get("/e/PARTY234/zip?what=all", headers={"range": "bytes=500-"})
    assert (part.status_code, part.content) == (206, whole[500:])

    owner.change(gallery="guests", camera_data="yes")
    assert guest.get(f"{base}/original").content == data
    assert zipped() == data
    owner.change(gallery="guests")

    # Of one that can't be covered, or that nobody has looked at yet, they get the largest rendition.
    view = guest.get(f"{base}/view").content
    for blanks in ('{"ranges": null}', None):
        with psycopg.connect(settings.database_url or "") as connection:
            connection.execute("UPDATE photos SET blanks = %s", (blanks,))
        for name in ("original", "download"):
            assert guest.get(f"{base}/{name}").content == view
        assert zipped() == view
        assert owner.get(f"{base}/original").content == data
    run_jobs()  # who was not looked at yet is looked at now
    assert guest.get(f"{base}/original").content == clean
