"""Whatever kind of file a photo comes in, it gives the right faces or a clear reason, with bounded memory."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image

from tests.vision import corpus
from trouvaille.vision.decode import HELD_LIMIT_BYTES, decode
from trouvaille.vision.detect import overlap
from trouvaille.vision.engine import LocalEngine
from trouvaille.vision.types import Face, Unreadable, UnreadableReason

HELD_MB = HELD_LIMIT_BYTES / 1024**2


@pytest.fixture(scope="module")
def photo(samples: dict[str, Path]) -> Image.Image:
    """Five people."""
    return Image.open(samples["sample5.jpg"]).convert("RGB")


@pytest.fixture(scope="module")
def expected(engine: LocalEngine, photo: Image.Image) -> tuple[Face, ...]:
    faces = engine.analyse_photo(corpus.READABLE["baseline JPEG"](photo)).faces
    assert len(faces) == 5
    return faces


def assert_same_faces(found: tuple[Face, ...], expected: tuple[Face, ...]) -> None:
    assert len(found) == len(expected)
    boxes = np.array([face.box_xyxy for face in found], np.float32)
    for face in expected:
        overlaps = overlap(np.array(face.box_xyxy, np.float32), boxes)
        assert overlaps.max() >= 0.5
        assert found[int(overlaps.argmax())].template @ face.template >= 0.9


@pytest.mark.parametrize("name", corpus.READABLE)
def test_every_kind_of_file_gives_the_same_faces(
    name: str, engine: LocalEngine, photo: Image.Image, expected: tuple[Face, ...]
) -> None:
    assert_same_faces(engine.analyse_photo(corpus.READABLE[name](photo)).faces, expected)


def test_adobe_rgb_gives_the_same_faces_and_colours(
    engine: LocalEngine, photo: Image.Image, expected: tuple[Face, ...], tmp_path: Path
) -> None:
    data = corpus.in_adobe_rgb(photo, tmp_path)
    as_numbers = np.asarray(Image.open(io.BytesIO(data))).astype(int)
    shown, original = decode(data).image_rgb.astype(int), np.asarray(photo).astype(int)
    assert np.abs(shown - original).mean() < np.abs(as_numbers - original).mean() / 2
    assert_same_faces(engine.analyse_photo(data).faces, expected)


@pytest.mark.parametrize("orientation", corpus.TURNED)
def test_every_orientation_gives_the_same_faces(
    orientation: int, engine: LocalEngine, photo: Image.Image, expected: tuple[Face, ...]
) -> None:
    assert_same_faces(engine.analyse_photo(corpus.turned(photo, orientation)).faces, expected)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("name", ["baseline JPEG", "progressive JPEG", "interlaced PNG", "HEIC", "AVIF", "lossy WebP"])
def test_a_file_that_ends_early_is_refused_as_cut(
    name: str, share: float, engine: LocalEngine, photo: Image.Image
) -> None:
    data = corpus.READABLE[name](photo.resize((700, 510)))
    assert refusal(engine, data[: int(len(data) * share)]) == UnreadableReason.truncated


@pytest.mark.parametrize("data", [b"", b"Dear guests, the photos follow.\n" * 40], ids=["empty", "text"])
def test_what_is_no_picture_is_refused_as_such(data: bytes, engine: LocalEngine) -> None:
    assert refusal(engine, data) == UnreadableReason.not_an_image


def refusal(engine: LocalEngine, data: bytes) -> UnreadableReason:
    with pytest.raises(Unreadable) as refused:
        engine.analyse_photo(data)
    return refused.value.reason


def test_a_header_that_declares_400_megapixels_is_enough_to_refuse(
    engine: LocalEngine, bare_png: Callable[[int, int], bytes]
) -> None:
    assert refusal(engine, bare_png(20_000, 20_000)) == UnreadableReason.too_many_pixels


DECODE = """
import resource, sys
from pathlib import Path
from trouvaille.vision.decode import decode
from trouvaille.vision.types import Unreadable
data = Path(sys.argv[1]).read_bytes()
idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    answer = decode(data).width_px
except Unreadable as error:
    answer = error.reason
print(answer, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) / 1024)
"""


def decoded_apart(data: bytes, folder: Path) -> tuple[str, float]:
    """What a process of its own answers, and by how many MB its memory grew at most."""
    file = folder / "photo.jpg"  # whatever it is: nothing may depend on the name
    file.write_bytes(data)
    answer = subprocess.run([sys.executable, "-c", DECODE, str(file)], check=True, capture_output=True, text=True)
    word, grown = answer.stdout.split()
    return word, float(grown)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_real_picture_of_400_megapixels_is_refused_in_next_to_no_memory(kind: str, tmp_path: Path) -> None:
    word, grown_mb = decoded_apart(corpus.huge(kind, bands=1 if kind == "PNG" else 3), tmp_path)
    assert word == UnreadableReason.too_many_pixels
    assert grown_mb < 40


def enlarged(photo: Image.Image, megapixels: float) -> pyvips.Image:
    """The photo at another size."""
    return corpus.srgb(photo).resize((megapixels * 1e6 / (photo.width * photo.height)) ** 0.5, kernel="linear")


def test_a_large_camera_s_progressive_jpeg_is_read_within_the_memory(photo: Image.Image, tmp_path: Path) -> None:
    data = enlarged(photo, 60.5).jpegsave_buffer(Q=80, interlace=True, subsample_mode="off")
    word, grown_mb = decoded_apart(data, tmp_path)
    assert int(word) > 9_000
    assert grown_mb < HELD_MB * 1.1


def test_a_baseline_jpeg_just_under_the_limit_is_read_in_strips(photo: Image.Image, tmp_path: Path) -> None:
    word, grown_mb = decoded_apart(enlarged(photo, 199).jpegsave_buffer(Q=60), tmp_path)
    assert int(word) > 15_000
    assert grown_mb < HELD_MB / 2


@pytest.mark.slow
def test_what_can_not_be_read_in_strips_has_a_lower_limit() -> None:
    plain = pyvips.Image.black(9_200, 7_600, bands=3).copy(interpretation="srgb")  # 70 megapixels
    for data in (
        plain.jpegsave_buffer(Q=40, interlace=True, subsample_mode="off"),
        plain.replicate(2, 1).pngsave_buffer(interlace=True, compression=1, filter="none"),
        plain.webpsave_buffer(effort=0),
    ):
        with pytest.raises(Unreadable) as refused:
            decode(data)
        assert refused.value.reason == UnreadableReason.too_many_pixels
    # Halved colours need half the coefficients, so such a picture may be larger.
    assert decode(plain.jpegsave_buffer(Q=40, interlace=True, subsample_mode="on")).width_px == 9_200
