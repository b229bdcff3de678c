"""One call turns a photo into faces, renditions and its date, the same from any thread."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trouvaille.vision import weights
from trouvaille.vision.engine import LocalEngine
from trouvaille.vision.types import PhotoAnalysis, Unreadable, UnreadableReason

Encode = Callable[..., bytes]


@pytest.fixture(scope="module")
def analysed(engine: LocalEngine, samples: dict[str, Path]) -> dict[str, PhotoAnalysis]:
    return {name: engine.analyse_photo(path.read_bytes()) for name, path in samples.items() if name.endswith(".jpg")}


@pytest.mark.parametrize(
    ("name", "faces"),
    [
        ("obama.jpg", 1),
        ("biden.jpg", 1),
        ("sample1.jpg", 3),
        ("sample2.jpg", 3),
        ("sample3.jpg", 3),
        ("sample4.jpg", 4),
        ("sample5.jpg", 5),
        ("sample6.jpg", 4),
    ],
)
def test_every_person_of_the_sample_photos_is_found(name: str, faces: int, analysed: dict[str, PhotoAnalysis]) -> None:
    assert len(analysed[name].faces) == faces


def test_a_photo_without_people_has_no_faces_and_is_no_error(engine: LocalEngine, encode: Encode) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    landscape = Image.fromarray(noise).resize((1200, 900), Image.Resampling.BICUBIC)
    analysis = engine.analyse_photo(encode(landscape))
    assert analysis.faces == ()
    assert [rendition.name for rendition in analysis.renditions] == ["thumb", "view"]


def test_two_portraits_of_one_person_are_alike_and_strangers_are_not(analysed: dict[str, PhotoAnalysis]) -> None:
    obama, again, biden = (analysed[name].faces[0].template for name in ("obama.jpg", "obama2.jpg", "biden.jpg"))
    assert obama @ again > 0.6
    assert max(obama @ biden, again @ biden) < 0.25


def test_the_people_of_one_photo_are_strangers_to_each_other(analysed: dict[str, PhotoAnalysis]) -> None:
    for name in (f"sample{number}.jpg" for number in range(1, 7)):
        templates = np.stack([face.template for face in analysed[name].faces])
        likeness = templates @ templates.T
        np.testing.assert_allclose(np.diag(likeness), 1, atol=1e-5)
        assert likeness[np.triu_indices(len(templates), 1)].max() < 0.4, name


def test_a_face_cut_by_the_edge_still_resembles_the_whole(
    engine: LocalEngine, analysed: dict[str, PhotoAnalysis], portrait: Image.Image, encode: Encode
) -> None:
    cut = portrait.crop((0, 0, 540, portrait.height))  # the edge runs through the second eye
    (face,) = engine.analyse_photo(encode(cut, quality=95)).faces
    whole, other = (analysed[name].faces[0].template for name in ("obama.jpg", "biden.jpg"))
    assert face.box_xyxy[2] == 1
    assert face.template @ whole > 0.4
    assert face.template @ whole > face.template @ other + 0.2


def test_a_face_is_described_in_fractions_and_full_resolution_pixels(analysed: dict[str, PhotoAnalysis]) -> None:
    for analysis in analysed.values():
        for face in analysis.faces:
            left, top, right, bottom = face.box_xyxy
            assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1
            assert face.landmarks_xy.shape == (5, 2) and face.landmarks_xy.dtype == np.float32
            assert face.template.shape == (128,) and face.template.dtype == np.float32
            assert 0 <= face.quality <= 1 and 0.6 <= face.score <= 1
            if left > 0 and right < 1:
                assert face.width_px == pytest.approx((right - left) * analysis.width_px, rel=1e-3)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_camera_gives_the_same_faces_in_the_same_places(
    orientation: int, engine: LocalEngine, samples: dict[str, Path], encode: Encode
) -> None:
    upright = Image.open(samples["sample5.jpg"]).convert("RGB")
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    tags = Image.Exif()
    tags[0x0112] = orientation
    plain = engine.analyse_photo(encode(upright, quality=95))
    turned = engine.analyse_photo(encode(upright.transpose(undo), quality=95, exif=tags.tobytes()))
    assert (turned.width_px, turned.height_px) == upright.size
    assert len(turned.faces) == len(plain.faces) == 5
    by_place = [sorted(analysis.faces, key=lambda face: face.box_xyxy) for analysis in (plain, turned)]
    for expected, found in zip(*by_place, strict=True):
        np.testing.assert_allclose(found.box_xyxy, expected.box_xyxy, atol=0.01)
        assert expected.template @ found.template > 0.97
    with Image.open(io.BytesIO(turned.renditions[0].jpeg)) as thumb:
        assert thumb.size == (480, 350)


def test_the_same_photo_in_other_formats_gives_the_same_templates(
    engine: LocalEngine, portrait: Image.Image, encode: Encode
) -> None:
    expected = engine.analyse_photo(encode(portrait, "PNG")).faces[0].template
    for kind in ("JPEG", "WEBP", "TIFF"):
        assert engine.analyse_photo(encode(portrait, kind, quality=90)).faces[0].template @ expected > 0.95


def test_a_face_far_away_in_a_large_photo_is_read_at_full_resolution(
    engine: LocalEngine, portrait: Image.Image, encode: Encode
) -> None:
    canvas = Image.new("RGB", (6000, 4000), (110, 116, 120))
    canvas.paste(portrait.resize((400, 500), Image.Resampling.LANCZOS), (3000, 2000))
    (face,) = engine.analyse_photo(encode(canvas)).faces  # 35 px wide at the size that is searched
    assert face.width_px == pytest.approx(102, rel=0.15)
    assert face.template @ engine.analyse_photo(encode(portrait)).faces[0].template > 0.85


def test_renditions_fit_their_sides_and_are_never_enlarged(engine: LocalEngine, encode: Encode) -> None:
    for size, thumb, view in [
        ((3000, 2000), (480, 320), (2048, 1365)),
        ((700, 1400), (240, 480), (700, 1400)),
        ((50, 20), (50, 20), (50, 20)),
    ]:
        renditions = engine.analyse_photo(encode(Image.new("RGB", size, (9, 99, 199))), faces=False).renditions
        for rendition, expected in zip(renditions, (thumb, view), strict=True):
            with Image.open(io.BytesIO(rendition.jpeg)) as image:
                assert image.format == "JPEG" and image.size == expected == (rendition.width_px, rendition.height_px)
                np.testing.assert_allclose(image.getpixel((5, 5)), (9, 99, 199), atol=4)


def test_renditions_carry_no_metadata(engine: LocalEngine, portrait: Image.Image, encode: Encode) -> None:
    tags = Image.Exif()
    tags[0x010F] = "CameraMaker"
    tags.get_ifd(0x8769)[0xA431] = "SERIAL-4711"
    tags.get_ifd(0x8825)[1] = "N"
    original = encode(portrait, exif=tags.tobytes(), comment=b"private words", dpi=(300, 300))
    assert b"SERIAL-4711" in original and b"private words" in original
    for rendition in engine.analyse_photo(original, faces=False).renditions:
        assert segments(rendition.jpeg) <= {0xE0}  # JFIF's own header, which holds a version and a density
        assert b"SERIAL" not in rendition.jpeg and b"private" not in rendition.jpeg


def segments(jpeg: bytes) -> set[int]:
    """Application and comment markers before the first scan."""
    markers, at = set(), 2
    while jpeg[at + 1] != 0xDA:
        if 0xE0 <= jpeg[at + 1] <= 0xEF or jpeg[at + 1] == 0xFE:
            markers.add(jpeg[at + 1])
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return markers


def test_an_event_without_face_finding_gets_renditions_only(engine: LocalEngine, samples: dict[str, Path]) -> None:
    analysis = engine.analyse_photo(samples["sample5.jpg"].read_bytes(), faces=False)
    assert analysis.faces == () and len(analysis.renditions) == 2 and analysis.taken_at is not None


def test_a_damaged_photo_is_refused_and_the_next_one_is_analysed(engine: LocalEngine, samples: dict[str, Path]) -> None:
    data = samples["sample3.jpg"].read_bytes()
    with pytest.raises(Unreadable) as refused:
        engine.analyse_photo(data[: len(data) // 2])
    assert refused.value.reason == UnreadableReason.truncated
    assert len(engine.analyse_photo(data).faces) == 3


def test_many_threads_give_the_answers_of_one(
    engine: LocalEngine, samples: dict[str, Path], analysed: dict[str, PhotoAnalysis]
) -> None:
    names = [f"sample{number}.jpg" for number in range(1, 7)] * 3
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda name: engine.analyse_photo(samples[name].read_bytes()), names))
    for name, answer in zip(names, answers, strict=True):
        assert answer.renditions == analysed[name].renditions
        assert len(answer.faces) == len(analysed[name].faces)
        for face, expected in zip(answer.faces, analysed[name].faces, strict=True):
            np.testing.assert_array_equal(face.template, expected.template)
            assert face.box_xyxy == expected.box_xyxy


def test_the_identity_names_both_models_and_the_pipeline(engine: LocalEngine) -> None:
    assert engine.identity == "yunet-2023mar-int8bq+sface-2021dec-int8bq/2"


def test_templates_of_every_precision_are_comparable(samples: dict[str, Path]) -> None:
    photo = samples["sample5.jpg"].read_bytes()
    exact, *others = (
        LocalEngine(weights.locate(), precision=precision).analyse_photo(photo).faces
        for precision in ("f32", "bf16", "int8")
    )
    assert len(exact) == 5
    for faces in others:
        best = [max(float(face.template @ other.template) for other in faces) for face in exact]
        assert min(best) > 0.9


def test_a_large_jpeg_is_read_small_and_gives_the_same_faces(
    engine: LocalEngine, samples: dict[str, Path], encode: Encode
) -> None:
    photo = Image.open(samples["sample5.jpg"]).convert("RGB")
    large = encode(photo.resize((6000, 6000 * photo.height // photo.width)), "JPEG", quality=90)
    seen, known = engine.analyse_photo(large), engine.analyse_photo(encode(photo, "JPEG", quality=95))
    assert seen.width_px == 6000
    assert len(seen.faces) == len(known.faces)
    for face in seen.faces:
        assert max(float(face.template @ other.template) for other in known.faces) > 0.7
