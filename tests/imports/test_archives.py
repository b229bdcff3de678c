"""ZIPs are unpacked member by member, whatever they say of themselves."""

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from tests.imports.conftest import Begin, finish, jpeg, photos, told
from trouvaille.imports.archives import Archive, NotAZip, TooBig
from trouvaille.imports.models import ImportState
from trouvaille.imports.running import Bench

pytestmark = pytest.mark.anyio


def zipped(*members: tuple[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    """A ZIP."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", kind) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return made.getvalue()


async def bring(bench: Bench, begin: Begin, root: Path, data: bytes) -> tuple[ImportState, dict[str, str]]:
    """Import a ZIP that lies on the server."""
    (root / "photos.zip").write_bytes(data)
    one = await begin(path=str(root / "photos.zip"))
    ended = await finish(bench, one)
    return ended.state, await told(bench, one)


async def test_all_photos_of_a_zip_come_in_under_names_fit_to_keep(bench: Bench, begin: Begin, root: Path) -> None:
    data = zipped(
        ("party/a.jpg", jpeg()),
        ("../../etc/b.jpg", jpeg()),
        ("C:\\photos\\c.jpg", jpeg()),
        ("party/a.jpg ", b"x"),
        ("__MACOSX/party/._a.jpg", b"x"),
        ("notes.txt", b"x"),
    )
    state, found = await bring(bench, begin, root, data)
    assert state is ImportState.DONE
    assert [found["party/a.jpg"], found["../../etc/b.jpg"], found["notes.txt"]] == ["added", "added", "left_out"]
    assert await photos(bench) == ["a.jpg", "b.jpg", "c.jpg"]


async def test_two_members_of_one_name_are_two_photos(bench: Bench, begin: Begin, root: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = zipped(("a.jpg", jpeg()), ("a.jpg", jpeg()))
    assert (await bring(bench, begin, root, data))[0] is ImportState.DONE
    assert await photos(bench) == ["a.jpg", "a.jpg"]


async def test_a_bomb_is_refused_by_its_word_and_by_what_comes_out(bench: Bench, begin: Begin, root: Path) -> None:
    bomb = bytes(50_000_000)
    honest = zipped(("bomb.jpg", bomb), ("fine.jpg", jpeg()), kind=zipfile.ZIP_DEFLATED)
    _, found = await bring(bench, begin, root, honest)
    assert found["bomb.jpg"].startswith("refused: This file unpacks to far more")
    assert found["fine.jpg"] == "added"
    lying = bytearray(zipped(("bomb.jpg", bomb), kind=zipfile.ZIP_DEFLATED))
    for signature, at in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        place = lying.index(signature) + at
        lying[place : place + 4] = struct.pack("<I", 1000)
    _, found = await bring(bench, begin, root, bytes(lying))
    assert found["bomb.jpg"].startswith("refused: ")
    assert not list(bench.rules.staging.iterdir())


async def test_a_member_larger_than_a_photo_may_be_is_refused_though_it_says_less(
    bench: Bench, begin: Begin, root: Path
) -> None:
    from dataclasses import replace

    small = Bench(bench.sessions, bench.storage, bench.vault, replace(bench.rules, photo_bytes=2000))
    data = zipped(("big.jpg", bytes(range(256)) * 40), ("fine.jpg", jpeg()))
    _, found = await bring(small, begin, root, data)
    assert found["big.jpg"].startswith("refused: This file is larger than") and found["fine.jpg"] == "added"


async def test_archives_links_and_encrypted_members_are_refused_by_name_and_reason(
    bench: Bench, begin: Begin, root: Path
) -> None:
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("inner.zip", zipped(("a.jpg", jpeg())))
        archive.writestr(link, "/etc/passwd")
        archive.writestr("secret.jpg", jpeg())
        archive.writestr("fine.jpg", jpeg())
    data = bytearray(made.getvalue())
    in_directory = data.rindex(b"PK\1\2", 0, data.rindex(b"secret.jpg"))
    in_front = data.rindex(b"PK\3\4", 0, data.index(b"secret.jpg"))
    data[in_directory + 8] |= 1
    data[in_front + 6] |= 1
    _, found = await bring(bench, begin, root, bytes(data))
    assert found == {
        "inner.zip": "refused: This is an archive inside the ZIP, which is not opened.",
        "link.jpg": "refused: This is no ordinary file.",
        "secret.jpg": "refused: This file is encrypted. Please make the ZIP without a password.",
        "fine.jpg": "added",
    }


async def test_a_damaged_member_costs_no_other(bench: Bench, begin: Begin, root: Path) -> None:
    whole = bytearray(zipped(("a.jpg", jpeg()), ("b.jpg", jpeg())))
    whole[60] ^= 0xFF
    _, found = await bring(bench, begin, root, bytes(whole))
    assert found == {"a.jpg": "refused: This file is damaged inside the ZIP.", "b.jpg": "added"}


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
async def test_what_is_no_whole_zip_ends_the_import_with_a_reason(
    share: float, bench: Bench, begin: Begin, root: Path
) -> None:
    whole = zipped(("a.jpg", jpeg()), ("b.jpg", jpeg()))
    assert (await bring(bench, begin, root, whole[: int(len(whole) * share)]))[0] is ImportState.FAILED


def test_a_directory_that_would_fill_the_memory_is_refused_unread() -> None:
    data = bytearray(zipped(("a.jpg", b"x")))
    at = data.rindex(b"PK\5\6") + 12
    data[at : at + 4] = struct.pack("<I", 3_000_000_000)
    with pytest.raises(TooBig):
        Archive(io.BytesIO(bytes(data)))
    with pytest.raises(NotAZip):
        Archive(io.BytesIO(b""))
