"""A selfie is taken when one could search with it, and refused with the thing to change otherwise."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from trouvaille.vision import engine as engines
from trouvaille.vision.decode import Decoded, decode
from trouvaille.vision.engine import LocalEngine
from trouvaille.vision.selfie import together
from trouvaille.vision.types import SelfieProblem, SelfieRefused, SeveralFaces, Unreadable

Encode = Callable[..., bytes]


@pytest.fixture(scope="module")
def bystander(samples: dict[str, Path]) -> Image.Image:
    return Image.open(samples["biden.jpg"]).convert("RGB").crop((150, 0, 850, 1000))


def problem(engine: LocalEngine, selfie: bytes) -> SelfieProblem:
    with pytest.raises(SelfieRefused) as refused:
        engine.analyse_selfie([selfie])
    return refused.value.problem


@pytest.mark.parametrize("name", ["obama.jpg", "obama2.jpg", "biden.jpg"])
def test_a_plain_portrait_is_accepted(name: str, engine: LocalEngine, samples: dict[str, Path]) -> None:
    selfie = engine.analyse_selfie([samples[name].read_bytes()])
    assert selfie.template.shape == (128,) and np.linalg.norm(selfie.template) == pytest.approx(1, abs=1e-5)
    assert selfie.quality > 0.8


def test_a_selfie_finds_its_owner_and_not_a_stranger(engine: LocalEngine, samples: dict[str, Path]) -> None:
    selfie = engine.analyse_selfie([samples["obama.jpg"].read_bytes()]).template
    own = engine.analyse_photo(samples["obama2.jpg"].read_bytes()).faces[0].template
    stranger = engine.analyse_photo(samples["biden.jpg"].read_bytes()).faces[0].template
    assert selfie @ own > 0.6
    assert selfie @ stranger < 0.25


def test_the_kept_jpeg_is_small_bare_and_gives_the_same_template(
    engine: LocalEngine, portrait: Image.Image, encode: Encode
) -> None:
    tags = Image.Exif()
    tags.get_ifd(0x8769)[0xA431] = "SERIAL-4711"
    large = portrait.resize((portrait.width * 3, portrait.height * 3), Image.Resampling.LANCZOS)
    selfie = engine.analyse_selfie([encode(large, quality=95, exif=tags.tobytes())])
    (jpeg,) = selfie.jpegs
    assert len(jpeg) <= 200_000 and b"SERIAL" not in jpeg
    with Image.open(io.BytesIO(jpeg)) as kept:
        assert not kept.getexif()
    assert engine.analyse_selfie([jpeg]).template @ selfie.template > 0.95


def test_the_kept_jpeg_stays_within_its_budget_for_the_busiest_picture(
    engine: LocalEngine, portrait: Image.Image, encode: Encode
) -> None:
    noise = np.random.default_rng(3).normal(0, 40, (portrait.height, portrait.width, 3))
    busy = (np.asarray(portrait) + noise).clip(0, 255).astype(np.uint8)
    busy[80:430, 340:640] = np.asarray(portrait)[80:430, 340:640]
    assert len(engine.analyse_selfie([encode(busy, quality=98)]).jpegs[0]) <= 200_000


def test_a_sideways_phone_is_turned_upright(engine: LocalEngine, portrait: Image.Image, encode: Encode) -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    selfie = engine.analyse_selfie([encode(portrait.transpose(Image.Transpose.ROTATE_90), exif=tags.tobytes())])
    assert selfie.template @ engine.analyse_selfie([encode(portrait)]).template > 0.95


def test_no_face(engine: LocalEngine, encode: Encode) -> None:
    assert problem(engine, encode(Image.new("RGB", (800, 600), (120, 140, 90)))) == SelfieProblem.no_face


@pytest.mark.parametrize("name", ["sample3.jpg", "sample5.jpg"])
def test_several_faces(name: str, engine: LocalEngine, samples: dict[str, Path]) -> None:
    assert problem(engine, samples[name].read_bytes()) == SelfieProblem.several_faces


def test_people_far_behind_the_guest_do_not_matter(
    engine: LocalEngine, portrait: Image.Image, bystander: Image.Image, encode: Encode
) -> None:
    busy = portrait.copy()
    busy.paste(bystander.resize((140, 200), Image.Resampling.LANCZOS), (0, 0))
    assert len(engine.analyse_photo(encode(busy)).faces) == 2
    selfie = engine.analyse_selfie([encode(busy)])
    assert selfie.template @ engine.analyse_selfie([encode(portrait)]).template > 0.95


def test_a_face_as_large_as_the_guests_makes_it_unclear_who_asks(
    engine: LocalEngine, portrait: Image.Image, bystander: Image.Image, encode: Encode
) -> None:
    pair = Image.new("RGB", (portrait.width + bystander.width, 1137))
    pair.paste(portrait, (0, 0))
    pair.paste(bystander, (portrait.width, 0))
    assert problem(engine, encode(pair)) == SelfieProblem.several_faces


@pytest.mark.parametrize("face_px", [110, 240, 1200])
def test_a_large_selfie_is_as_good_however_much_of_it_has_to_be_read(
    face_px: int, engine: LocalEngine, portrait: Image.Image, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = face_px * portrait.width // 235, face_px * portrait.height // 235
    canvas = Image.new("RGB", (4032, 3024), (150, 150, 150))
    shown = portrait.resize(size, Image.Resampling.LANCZOS)
    canvas.paste(shown, ((4032 - size[0]) // 2, (3024 - size[1]) // 2))
    selfie = encode(canvas, quality=92)
    sizes = []

    def watched(*given: Any, **named: Any) -> Decoded:
        found = decode(*given, **named)
        sizes.append(found.image_rgb.shape[1])
        return found

    monkeypatch.setattr(engines, "decode", watched)
    quick = engine.analyse_selfie([selfie])
    # The whole is read only where half of it leaves a face without enough pixels.
    assert sizes == ([2016] if face_px > 320 else [2016, 4032])
    monkeypatch.setattr(engines, "_SELFIE_ENOUGH_PX", 10_000)
    whole = engine.analyse_selfie([selfie])
    assert sizes[-1] == 4032
    assert quick.template @ whole.template > 0.98
    assert quick.quality == pytest.approx(whole.quality, abs=0.1)


def test_a_selfie_is_known_by_all_looks_at_it_alike(
    engine: LocalEngine, portrait: Image.Image, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    selfie = encode(portrait)
    known = engine.analyse_selfie([selfie]).template
    looks = []
    for scale in (1.0, 0.93, 1.07):
        monkeypatch.setattr(engines, "_SELFIE_SCALES", (scale,))
        looks.append(engine.analyse_selfie([selfie]).template)
    mean = np.mean(looks, axis=0)
    assert known == pytest.approx(mean / np.linalg.norm(mean), abs=1e-3)
    assert min(looks[0] @ looks[1], looks[0] @ looks[2]) < 0.995


def test_too_small(engine: LocalEngine, portrait: Image.Image, encode: Encode) -> None:
    canvas = Image.new("RGB", (1200, 900), (150, 150, 150))
    canvas.paste(portrait.resize((180, 225), Image.Resampling.LANCZOS), (400, 300))  # a face of about 46 px
    assert problem(engine, encode(canvas)) == SelfieProblem.too_small


def test_too_blurred(engine: LocalEngine, portrait: Image.Image, encode: Encode) -> None:
    assert problem(engine, encode(portrait.filter(ImageFilter.GaussianBlur(14)))) == SelfieProblem.too_blurred


def test_shaken_in_one_direction_is_too_blurred(engine: LocalEngine, portrait: Image.Image, encode: Encode) -> None:
    pixels = np.asarray(portrait).astype(np.float32)
    shaken = np.mean([np.roll(pixels, step, axis=0) for step in range(-28, 29)], axis=0).astype(np.uint8)
    assert problem(engine, encode(shaken)) == SelfieProblem.too_blurred


@pytest.mark.parametrize("light", [0.10, 0.0])
def test_too_dark(light: float, engine: LocalEngine, portrait: Image.Image, encode: Encode) -> None:
    assert problem(engine, encode(portrait.point(lambda level: level * light))) == SelfieProblem.too_dark


def test_dim_light_is_still_accepted(engine: LocalEngine, portrait: Image.Image, encode: Encode) -> None:
    assert engine.analyse_selfie([encode(portrait.point(lambda level: level * 0.35))]).quality > 0.2


def test_what_is_no_picture_is_unreadable_rather_than_refused(engine: LocalEngine) -> None:
    with pytest.raises(Unreadable):
        engine.analyse_selfie([b"GIF89a but not really"])


def _beside(one: Image.Image, other: Image.Image) -> Image.Image:
    """Two people cheek to cheek."""
    pair = Image.new("RGB", (1600, 1000), (90, 90, 90))
    pair.paste(one.resize((700, 1000)), (60, 0))
    pair.paste(other.resize((700, 1000)), (840, 0))
    return pair


def test_several_frames_make_one_template_and_a_stranger_is_left_out(
    engine: LocalEngine, portrait: Image.Image, bystander: Image.Image, encode: Encode
) -> None:
    alone = engine.analyse_selfie([encode(portrait)]).template
    frames = [encode(portrait), encode(portrait.rotate(6)), encode(portrait.point(lambda level: level * 0.7))]
    burst = engine.analyse_selfie([*frames, encode(bystander)])
    assert np.linalg.norm(burst.template) == pytest.approx(1, abs=1e-5)
    assert burst.template @ alone > 0.9
    assert burst.template @ engine.analyse_selfie([encode(bystander)]).template < 0.3
    assert len(burst.jpegs) == 3 and sum(map(len, burst.jpegs)) <= 200_000
    again = engine.analyse_selfie(burst.jpegs)
    assert again.template @ burst.template > 0.95


def test_one_good_frame_is_enough(engine: LocalEngine, portrait: Image.Image, encode: Encode) -> None:
    nobody = encode(Image.new("RGB", (800, 600), (120, 140, 90)))
    selfie = engine.analyse_selfie([nobody, b"GIF89a but not really", encode(portrait)])
    assert len(selfie.jpegs) == 1
    assert selfie.template @ engine.analyse_selfie([encode(portrait)]).template > 0.99
    with pytest.raises(SelfieRefused) as refusal:
        engine.analyse_selfie([nobody, b"GIF89a but not really"])
    assert refusal.value.problem is SelfieProblem.no_face


def test_of_two_people_the_one_who_was_chosen_counts(
    engine: LocalEngine, portrait: Image.Image, bystander: Image.Image, encode: Encode
) -> None:
    pair = encode(_beside(portrait, bystander))
    with pytest.raises(SeveralFaces) as question:
        engine.analyse_selfie([pair])
    asked = question.value
    assert len(asked.boxes_xyxy) == 2 and asked.boxes_xyxy[0][2] < 0.5 < asked.boxes_xyxy[1][0]
    with Image.open(io.BytesIO(asked.jpeg)) as shown:
        assert shown.size == asked.size_wh
    for box, person in zip(asked.boxes_xyxy, (portrait, bystander), strict=True):
        chosen = engine.analyse_selfie([pair], chosen=box)
        assert chosen.template @ engine.analyse_selfie([encode(person)]).template > 0.7


def test_frames_that_agree_are_weighted_by_their_quality() -> None:
    one, two, other = np.eye(3, dtype=np.float32)
    near = (one + 0.2 * two) / np.linalg.norm(one + 0.2 * two)
    template, kept = together(np.stack([near, other, one]), [0.2, 0.9, 0.8])
    assert kept == [1] and template == pytest.approx(other)
    template, kept = together(np.stack([near, one]), [0.2, 0.8])
    assert kept == [1, 0]
    assert template @ one > template @ near
