"""Faces are found at any size, once each, and placed precisely."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trouvaille.vision import weights
from trouvaille.vision.detect import Detections, Detector, overlap, without_doubles
from trouvaille.vision.graphs import compile_graph


@pytest.fixture(scope="module")
def detector() -> Detector:
    onnx = weights.read(weights.locate().detector)
    return Detector(partial(compile_graph, onnx, channels="bgr", precision="f32", threads=1))


@pytest.fixture(scope="module")
def party(samples: dict[str, Path]) -> np.ndarray:
    """Five people, faces of about 180 px."""
    return np.asarray(Image.open(samples["sample5.jpg"]).convert("RGB"))


def search(detector: Detector, image_rgb: np.ndarray, side_px: int = 2048) -> Detections:
    return detector.search(image_rgb, side_px=side_px, score_limit=0.6)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (480, 640), (2000, 3000)])
def test_a_picture_without_faces_gives_empty_arrays(size: tuple[int, int], detector: Detector) -> None:
    found = detector.refine(np.zeros((*size, 3), np.uint8), search(detector, np.full((*size, 3), 90, np.uint8)))
    assert (found.boxes_xyxy.shape, found.landmarks_xy.shape, found.scores.shape) == ((0, 4), (0, 5, 2), (0,))


def test_every_face_of_a_group_is_found_once(detector: Detector, party: np.ndarray) -> None:
    found = search(detector, party)
    assert len(found) == 5
    pairs = [overlap(box, np.delete(found.boxes_xyxy, row, 0)).max() for row, box in enumerate(found.boxes_xyxy)]
    assert max(pairs) < 0.3


@pytest.mark.parametrize("width_px", [24, 60, 300, 900, 1500])
def test_faces_from_24_px_to_a_screenful_are_found(width_px: int, detector: Detector, portrait: Image.Image) -> None:
    zoom = width_px / 232  # the face of this portrait is 232 px wide
    face = portrait.resize((round(portrait.width * zoom), round(portrait.height * zoom)), Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", (max(2048, face.width), max(1400, face.height)), (96, 104, 110))
    canvas.paste(face, (canvas.width - face.width, 0))
    found = detector.search(np.asarray(canvas), side_px=1280, score_limit=0.4, closer=True)
    assert len(found) == 1
    left, _, right, _ = found.boxes_xyxy[0]
    assert right - left == pytest.approx(width_px, rel=0.25)


def test_landmarks_lie_inside_the_box_in_the_promised_order(detector: Detector, party: np.ndarray) -> None:
    found = detector.refine(party, search(detector, party))
    for box, (eye, other_eye, nose, mouth, other_mouth) in zip(found.boxes_xyxy, found.landmarks_xy, strict=True):
        points = np.stack([eye, other_eye, nose, mouth, other_mouth])
        assert (points > box[:2]).all() and (points < box[2:]).all()
        assert eye[0] < other_eye[0] and mouth[0] < other_mouth[0]
        assert max(eye[1], other_eye[1]) < min(mouth[1], other_mouth[1])


def test_refined_landmarks_hardly_depend_on_where_the_face_was_seen_first(
    detector: Detector, party: np.ndarray
) -> None:
    coarse = search(detector, party)
    shifted = Detections(coarse.boxes_xyxy + np.float32(12), coarse.landmarks_xy + np.float32(12), coarse.scores)
    from_coarse, from_shifted = detector.refine(party, coarse), detector.refine(party, shifted)
    width = coarse.boxes_xyxy[:, 2] - coarse.boxes_xyxy[:, 0]
    moved = np.abs(from_coarse.landmarks_xy - from_shifted.landmarks_xy).mean(axis=(1, 2)) / width
    assert moved.mean() < 0.025
    assert 12 / width.mean() > 0.06


def test_what_is_no_face_up_close_loses_half_its_score(detector: Detector) -> None:
    flat = np.full((600, 600, 3), 128, np.uint8)
    claimed = Detections(
        np.array([[200, 200, 300, 320]], np.float32), np.zeros((1, 5, 2), np.float32), np.array([0.8], np.float32)
    )
    assert detector.refine(flat, claimed).scores[0] == pytest.approx(0.4)


def test_a_small_search_side_finds_fewer_small_faces(detector: Detector, party: np.ndarray) -> None:
    crowd = np.tile(np.asarray(Image.fromarray(party).resize((480, 350))), (4, 4, 1))
    assert len(search(detector, crowd, 2048)) > len(search(detector, crowd, 480)) + 10


def test_a_crowd_of_tiny_faces_is_looked_at_closely(detector: Detector, party: np.ndarray) -> None:
    small = Image.fromarray(party).resize((320, 233), Image.Resampling.LANCZOS)
    crowd = Image.new("RGB", (4000, 2600), (96, 104, 110))
    for place in range(9):
        crowd.paste(small, (1200 + place % 3 * 330, 900 + place // 3 * 240))
    picture = np.asarray(crowd)
    coarse = detector.search(picture, side_px=1280, score_limit=0.4)
    closer = detector.search(picture, side_px=1280, score_limit=0.4, closer=True)
    assert len(closer) >= 40 > len(coarse)


def test_a_picture_gives_the_same_faces_from_a_smaller_copy_of_it(detector: Detector, party: np.ndarray) -> None:
    large = np.asarray(Image.fromarray(party).resize((3000, 2184), Image.Resampling.LANCZOS))
    smaller = np.asarray(Image.fromarray(large).resize((2048, 1491), Image.Resampling.LANCZOS))
    alone = detector.search(large, side_px=1280, score_limit=0.6)
    helped = detector.search(large, side_px=1280, score_limit=0.6, smaller_rgb=smaller)
    assert len(alone) == len(helped) == 5
    for box in alone.boxes_xyxy:
        assert overlap(box, helped.boxes_xyxy).max() > 0.8


def test_of_two_boxes_on_one_face_the_better_stays() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [40, 40, 50, 50]], np.float32)
    both = Detections(boxes, np.zeros((3, 5, 2), np.float32), np.array([0.7, 0.9, 0.8], np.float32))
    kept = without_doubles(both)
    np.testing.assert_allclose(kept.scores, [0.9, 0.8])
    np.testing.assert_array_equal(kept.boxes_xyxy, boxes[[1, 2]])


def test_overlap_is_the_share_of_the_union() -> None:
    box = np.array([0, 0, 10, 10], np.float32)
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 10, 20, 20], [50, 50, 60, 60]], np.float32)
    np.testing.assert_allclose(overlap(box, others), [1, 1 / 3, 0, 0], atol=1e-6)
