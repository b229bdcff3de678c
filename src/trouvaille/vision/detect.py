"""Find faces with YuNet: the whole picture at two sizes, then every face again in two close-ups."""

import math
import threading
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import openvino as ov
from numpy.typing import NDArray

from trouvaille.vision.align import cut_square
from trouvaille.vision.shrink import shrunk, shrunk_by

STRIDES: Final = (8, 16, 32)
OVERLAP_LIMIT: Final = 0.3
"""Two boxes with a larger intersection over union are one face (the value of OpenCV's FaceDetectorYN sample)."""

OVERVIEW_SIDE_PX: Final = 640
"""YuNet was trained on faces of 10 to 300 px: those larger at the main size are found at this one."""

CLOSE_UP_PX: Final = 320
CLOSE_UPS: Final = ((1.6, False), (2.6, True))
"""Each close-up's side, in face sizes, and whether it is mirrored. YuNet's landmarks wander by some percent of a face's
width with its scale and place; the mean of a tight view and of a wide mirrored one wanders half as much."""

_CLOSE_UP_SCORE: Final = 0.3
_PAD_MULTIPLE: Final = 64  # A multiple of the largest stride; coarse, because each new shape costs OpenVINO 50 ms.


@dataclass(frozen=True, slots=True)
class Detections:
    """Faces of one picture, best score first.

    Attributes:
        boxes_xyxy: (n, 4) float32, pixels of the picture that was searched; may reach over its edge.
        landmarks_xy: (n, 5, 2) float32, pixels; order as in ``Face``.
        scores: (n,) float32, 0-1.
    """

    boxes_xyxy: NDArray[np.float32]
    landmarks_xy: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "Detections":
        return Detections(self.boxes_xyxy[rows], self.landmarks_xy[rows], self.scores[rows])

    def moved(self, scale: float, offset_xy: tuple[float, float] = (0.0, 0.0)) -> "Detections":
        """The same faces in a picture that is ``scale`` times as large and starts ``offset_xy`` further out."""
        offset = np.asarray(offset_xy, np.float32)
        factor = np.float32(scale)
        return Detections(
            self.boxes_xyxy * factor + np.tile(offset, 2), self.landmarks_xy * factor + offset, self.scores
        )

    def mirrored(self, width_px: int) -> "Detections":
        """The same faces in the mirror image of a picture this wide; left and right landmarks change places."""
        boxes, landmarks = self.boxes_xyxy.copy(), self.landmarks_xy[:, [1, 0, 2, 4, 3]]
        boxes[:, [0, 2]] = (width_px - 1) - boxes[:, [2, 0]]
        landmarks[..., 0] = (width_px - 1) - landmarks[..., 0]
        return Detections(boxes, landmarks, self.scores)

    @staticmethod
    def joined(parts: "list[Detections]") -> "Detections":
        """All faces of the parts, in their order."""
        return Detections(
            np.concatenate([np.zeros((0, 4), np.float32), *(part.boxes_xyxy for part in parts)]),
            np.concatenate([np.zeros((0, 5, 2), np.float32), *(part.landmarks_xy for part in parts)]),
            np.concatenate([np.zeros(0, np.float32), *(part.scores for part in parts)]),
        )


class Detector:
    """YuNet over a compiled graph; safe to call from several threads."""

    def __init__(self, graph: ov.CompiledModel) -> None:
        self._graph = graph
        self._requests = threading.local()

    def search(self, image_rgb: NDArray[np.uint8], *, side_px: int, score_limit: float) -> Detections:
        """Faces of a whole picture.

        Args:
            image_rgb: (h, w, 3).
            side_px: the picture is searched with its longer side at this many pixels, never enlarged.
            score_limit: fainter faces are left out.

        Returns:
            In pixels of ``image_rgb``.
        """
        longer = max(image_rgb.shape[:2])
        sides = [side_px, OVERVIEW_SIDE_PX] if min(side_px, longer) > OVERVIEW_SIDE_PX else [side_px]
        found: list[Detections] = []
        scaled = image_rgb
        for side in sides:
            block = round(max(scaled.shape[:2]) / side)
            # The overview need not have one size to the pixel, and whole blocks are averaged far faster.
            scaled = shrunk_by(scaled, block) if found and block > 1 else shrunk(scaled, side)
            found.append(self.once(scaled, score_limit).moved(longer / max(scaled.shape[:2])))
        return without_doubles(Detections.joined(found))

    def refine(self, image_rgb: NDArray[np.uint8], coarse: Detections) -> Detections:
        """Look at every face again up close: better landmarks, and proof that it is a face.

        Args:
            image_rgb: (h, w, 3), at the highest resolution there is.
            coarse: in pixels of ``image_rgb``.

        Returns:
            As many, in the same order. A face that no close-up shows keeps its place and loses half its score.
        """
        if not len(coarse):
            return coarse
        return Detections.joined([self._up_close(image_rgb, coarse[slice(row, row + 1)]) for row in range(len(coarse))])

    def once(self, image_rgb: NDArray[np.uint8], score_limit: float) -> Detections:
        """One pass at the picture's own size."""
        height, width = image_rgb.shape[:2]
        padded = cv2.copyMakeBorder(
            image_rgb, 0, -height % _PAD_MULTIPLE, 0, -width % _PAD_MULTIPLE, cv2.BORDER_CONSTANT
        )
        request = self._request(max(padded.shape[:2]))
        request.infer([padded[None]], share_inputs=True)
        outputs = {name: request.get_tensor(name).data[0] for name in _OUTPUTS}
        return without_doubles(_decode(outputs, padded.shape[1], score_limit))

    def _up_close(self, image_rgb: NDArray[np.uint8], one: Detections) -> Detections:
        views = [self._close_up(image_rgb, one.boxes_xyxy[0], faces, mirrored) for faces, mirrored in CLOSE_UPS]
        seen = Detections.joined(views)
        if not len(seen):
            return Detections(one.boxes_xyxy, one.landmarks_xy, one.scores * np.float32(0.5))
        return Detections(
            seen.boxes_xyxy.mean(axis=0, keepdims=True),
            seen.landmarks_xy.mean(axis=0, keepdims=True),
            seen.scores.sum(keepdims=True) / np.float32(len(CLOSE_UPS)),
        )

    def _close_up(
        self, image_rgb: NDArray[np.uint8], box_xyxy: NDArray[np.float32], faces: float, mirrored: bool
    ) -> Detections:
        """The face at ``box_xyxy`` as one close-up shows it: one row, or none where it isn't found."""
        left, top, right, bottom = (float(edge) for edge in box_xyxy)
        side = max(right - left, bottom - top, 1.0) * faces
        corner = ((left + right - side) / 2, (top + bottom - side) / 2)
        crop = cut_square(image_rgb, corner, side, CLOSE_UP_PX)
        if mirrored:
            found = self.once(np.asarray(cv2.flip(crop, 1), np.uint8), _CLOSE_UP_SCORE).mirrored(CLOSE_UP_PX)
        else:
            found = self.once(crop, _CLOSE_UP_SCORE)
        # A continuous place p lies in the crop at (p + 0.5 - corner) * zoom - 0.5: pixels are squares, not points.
        zoom = CLOSE_UP_PX / side
        found = found.moved(1 / zoom, (corner[0] + 0.5 / zoom - 0.5, corner[1] + 0.5 / zoom - 0.5))
        overlaps = overlap(box_xyxy, found.boxes_xyxy)
        best = overlaps.argmax() if len(found) else 0
        return found[slice(best, best + 1) if len(found) and overlaps[best] >= OVERLAP_LIMIT else slice(0, 0)]

    def _request(self, side_px: int) -> ov.InferRequest:
        """A request of this thread for pictures of about this size: changing a request's shape costs more than a pass
        over a close-up does."""
        role = next(name for name, limit_px in _ROLES if side_px <= limit_px)
        if not hasattr(self._requests, role):
            setattr(self._requests, role, self._graph.create_infer_request())
        request: ov.InferRequest = getattr(self._requests, role)
        return request


def without_doubles(found: Detections) -> Detections:
    """Greedy non-maximum suppression, best score first."""
    order, kept = np.argsort(-found.scores, kind="stable"), []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        order = rest[overlap(found.boxes_xyxy[best], found.boxes_xyxy[rest]) <= OVERLAP_LIMIT]
    return found[np.array(kept, np.intp)]


def overlap(box_xyxy: NDArray[np.float32], boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one box (4,) with many (n, 4): (n,), 0-1."""
    inner = np.minimum(box_xyxy[2:], boxes_xyxy[:, 2:]) - np.maximum(box_xyxy[:2], boxes_xyxy[:, :2])
    shared = inner.clip(min=0).prod(axis=1)
    areas = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1)
    union = (box_xyxy[2:] - box_xyxy[:2]).prod() + areas - shared
    return np.asarray(shared / np.maximum(union, 1e-9), np.float32)


_ROLES = (("close_up", CLOSE_UP_PX), ("overview", 1.5 * OVERVIEW_SIDE_PX), ("whole", math.inf))
_OUTPUTS = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES]


def _decode(outputs: dict[str, NDArray[np.float32]], width_px: int, score_limit: float) -> Detections:
    """YuNet's anchor-free heads to pixels; the formulas are those of OpenCV's face_detect.cpp."""
    parts = []
    for stride in STRIDES:
        certainty = outputs[f"cls_{stride}"][:, 0].clip(0, 1) * outputs[f"obj_{stride}"][:, 0].clip(0, 1)
        rows = np.flatnonzero(certainty >= score_limit**2)
        cell_xy = np.stack([rows % (width_px // stride), rows // (width_px // stride)], axis=1).astype(np.float32)
        box = outputs[f"bbox_{stride}"][rows]
        centre, half = (cell_xy + box[:, :2]) * stride, np.exp(box[:, 2:]) * (stride / 2)
        landmarks = (outputs[f"kps_{stride}"][rows].reshape(-1, 5, 2) + cell_xy[:, None]) * stride
        parts.append(
            Detections(
                np.concatenate([centre - half, centre + half], axis=1).astype(np.float32),
                landmarks.astype(np.float32),
                np.sqrt(certainty[rows]).astype(np.float32),
            )
        )
    return Detections.joined(parts)
