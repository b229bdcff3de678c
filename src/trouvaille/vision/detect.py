"""Find faces with YuNet: the whole picture at two sizes, more closely where faces may be tiny, and every face again in
two close-ups."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import openvino as ov
from numpy.typing import NDArray

from trouvaille.vision.align import cut_square
from trouvaille.vision.shrink import shrunk_by, shrunk_roughly

STRIDES: Final = (8, 16, 32)
OVERLAP_LIMIT: Final = 0.3
"""Two boxes with a larger intersection over union are one face (the value of OpenCV's FaceDetectorYN sample)."""

OVERVIEW_SIDE_PX: Final = 320
"""YuNet was trained on faces of 10 to 300 px: those larger at the main size are found at this one."""

TINY_PX: Final = 16
"""Whatever might be a face narrower than this at the main size makes its surroundings worth a closer look."""

CLOSE_UP_PX: Final = 320
CLOSE_UPS: Final = ((1.6, False), (2.6, True))
"""Each close-up's side, in face sizes, and whether it is mirrored. YuNet's landmarks wander by some percent of a face's
width with its scale and place; the mean of a tight view and of a wide mirrored one wanders half as much."""

_CLOSE_UP_SCORE: Final = 0.3
_VOTERS_OVERLAP: Final = 0.5
_HINT_SCORE: Final = 0.1
_OVERVIEW_LEAST_PX: Final = 48
_TILE_PX: Final = 512
_TILE_MARGIN_PX: Final = 64  # Faces on the border of two tiles lie whole in one of them.
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
    """YuNet over compiled graphs; safe to call from several threads.

    All requests of one graph share its memory, so a graph that sees pictures of two shapes in turn prepares itself anew
    each time, which takes as long as looking at a small one. So there is a graph for each shape that keeps coming back.
    """

    def __init__(self, compiled: Callable[[tuple[int, int, int, int]], ov.CompiledModel]) -> None:
        """Args:
        compiled: compiles the model for an input of (n, 3, h, w); -1 leaves a side free.
        """
        anything = (1, 3, -1, -1)
        self._graphs = {
            "wide": compiled(anything),
            "tall": compiled(anything),
            "overview": compiled((1, 3, OVERVIEW_SIDE_PX, OVERVIEW_SIDE_PX)),
            "close_up": compiled((len(CLOSE_UPS), 3, CLOSE_UP_PX, CLOSE_UP_PX)),
        }
        self._requests = threading.local()

    def search(
        self,
        image_rgb: NDArray[np.uint8],
        *,
        side_px: int,
        score_limit: float,
        smaller_rgb: NDArray[np.uint8] | None = None,
        closer: bool = False,
    ) -> Detections:
        """Faces of a whole picture.

        Args:
            image_rgb: (h, w, 3).
            side_px: the picture is searched with its longer side at this many pixels, never enlarged.
            score_limit: fainter faces are left out.
            smaller_rgb: the same picture at a smaller size, where there is one already: shrinking it takes less time.
            closer: look again at full size around whatever might be a face too small for ``side_px``.

        Returns:
            In pixels of ``image_rgb``.
        """
        longer = max(image_rgb.shape[:2])
        scaled = image_rgb if smaller_rgb is None or max(smaller_rgb.shape[:2]) < side_px else smaller_rgb
        scaled = shrunk_roughly(scaled, side_px)
        zoom = longer / max(scaled.shape[:2])
        faint = self.once(scaled, _HINT_SCORE if closer and zoom > 1 else score_limit)
        found = [faint[faint.scores >= score_limit].moved(zoom)]
        if max(scaled.shape[:2]) > 1.5 * OVERVIEW_SIDE_PX:
            # The overview need not have one size to the pixel, and whole blocks are averaged far faster.
            overview = shrunk_by(scaled, -(-max(scaled.shape[:2]) // OVERVIEW_SIDE_PX))
            seen = self.once(overview, score_limit)
            # Smaller ones are placed better by the first pass, and must not be pushed aside.
            large = seen.boxes_xyxy[:, 2] - seen.boxes_xyxy[:, 0] >= _OVERVIEW_LEAST_PX
            found.append(seen[large].moved(longer / max(overview.shape[:2])))
        if closer and zoom > 1:
            tiny = faint.boxes_xyxy[:, 2] - faint.boxes_xyxy[:, 0] < TINY_PX
            found += self._closer(image_rgb, faint[tiny].moved(zoom), score_limit)
        return without_doubles(Detections.joined(found))

    def refine(self, image_rgb: NDArray[np.uint8], coarse: Detections) -> Detections:
        """Look at every face again up close: better landmarks, and proof that it is a face.

        Args:
            image_rgb: (h, w, 3), at the highest resolution there is.
            coarse: in pixels of ``image_rgb``.

        Returns:
            As many, in the same order. A face that no close-up shows keeps its place and loses half its score.
        """
        return Detections.joined([self._up_close(image_rgb, coarse[row : row + 1]) for row in range(len(coarse))])

    def once(self, image_rgb: NDArray[np.uint8], score_limit: float) -> Detections:
        """One pass at the picture's own size."""
        height, width = image_rgb.shape[:2]
        graph = "wide" if width >= height else "tall"
        right, bottom = -width % _PAD_MULTIPLE, -height % _PAD_MULTIPLE
        if max(height, width) <= OVERVIEW_SIDE_PX:
            graph, right, bottom = "overview", OVERVIEW_SIDE_PX - width, OVERVIEW_SIDE_PX - height
        padded = np.asarray(cv2.copyMakeBorder(image_rgb, 0, bottom, 0, right, cv2.BORDER_CONSTANT), np.uint8)
        outputs = self._infer(graph, padded[None])
        found = _decode({name: tensor[0] for name, tensor in outputs.items()}, padded.shape[1], score_limit)
        return without_doubles(found)

    def _closer(self, image_rgb: NDArray[np.uint8], hints: Detections, score_limit: float) -> list[Detections]:
        """Faces in the squares around what might be tiny faces: where there is one, others stand beside it."""
        centres = (hints.boxes_xyxy[:, :2] + hints.boxes_xyxy[:, 2:]) / 2
        height, width = image_rgb.shape[:2]
        across, down = -(-width // _TILE_PX), -(-height // _TILE_PX)
        # Sorted, so that the same picture always gives the same answer.
        tiles = sorted(
            {
                (column, row)
                for x, y in (centres // _TILE_PX).astype(int)
                for column in range(max(0, x - 1), min(across, x + 2))
                for row in range(max(0, y - 1), min(down, y + 2))
            }
        )
        found = []
        for column, row in tiles:
            left, top = max(0, column * _TILE_PX - _TILE_MARGIN_PX), max(0, row * _TILE_PX - _TILE_MARGIN_PX)
            side = _TILE_PX + 2 * _TILE_MARGIN_PX
            tile = image_rgb[top : top + side, left : left + side]
            found.append(self.once(tile, score_limit).moved(1, (left, top)))
        return found

    def _up_close(self, image_rgb: NDArray[np.uint8], coarse: Detections) -> Detections:
        """One face from its close-ups; a close-up that does not show it counts as a score of 0."""
        left, top, right, bottom = (float(edge) for edge in coarse.boxes_xyxy[0])
        crops = np.empty((len(CLOSE_UPS), CLOSE_UP_PX, CLOSE_UP_PX, 3), np.uint8)
        places = []
        for view, (faces, mirrored) in enumerate(CLOSE_UPS):
            side = max(right - left, bottom - top, 1.0) * faces
            corner = ((left + right - side) / 2, (top + bottom - side) / 2)
            crop = cut_square(image_rgb, corner, side, CLOSE_UP_PX)
            crops[view] = cv2.flip(crop, 1) if mirrored else crop
            places.append((corner, CLOSE_UP_PX / side))
        outputs = self._infer("close_up", crops)
        views = []
        for view, ((x, y), zoom) in enumerate(places):
            found = _decode({name: tensor[view] for name, tensor in outputs.items()}, CLOSE_UP_PX, _CLOSE_UP_SCORE)
            found = found.mirrored(CLOSE_UP_PX) if CLOSE_UPS[view][1] else found
            # A continuous place p lies in the crop at (p + 0.5 - corner) * zoom - 0.5: pixels are squares, not points.
            found = found.moved(1 / zoom, (x + 0.5 / zoom - 0.5, y + 0.5 / zoom - 0.5))
            views.append(_voted(coarse.boxes_xyxy[0], found))
        seen = Detections.joined(views)
        if not len(seen):
            return Detections(coarse.boxes_xyxy, coarse.landmarks_xy, coarse.scores * np.float32(0.5))
        return Detections(
            seen.boxes_xyxy.mean(axis=0, keepdims=True),
            seen.landmarks_xy.mean(axis=0, keepdims=True),
            seen.scores.sum(keepdims=True) / np.float32(len(CLOSE_UPS)),
        )

    def _infer(self, graph: str, images_rgb: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """The heads' answers, (n, cells, values), until this thread asks the same graph again."""
        if not hasattr(self._requests, graph):
            setattr(self._requests, graph, self._graphs[graph].create_infer_request())
        request: ov.InferRequest = getattr(self._requests, graph)
        request.infer([images_rgb], share_inputs=True)
        tensors = {name: request.get_tensor(name).data for name in _OUTPUTS}
        # The graph puts the cells of all pictures into one row of one.
        return {name: tensor.reshape(len(images_rgb), -1, tensor.shape[-1]) for name, tensor in tensors.items()}


def _voted(box_xyxy: NDArray[np.float32], found: Detections) -> Detections:
    """The face on a box as all cells that see it place it, as one row; no row where none does.

    Each cell's landmarks wander on their own, so their mean, weighted by score, wanders far less than the best cell's.

    Args:
        found: with the doubles.
    """
    on = found[overlap(box_xyxy, found.boxes_xyxy) >= OVERLAP_LIMIT]
    if not len(on):
        return on
    best = on.scores.argmax()
    voters = on[overlap(on.boxes_xyxy[best], on.boxes_xyxy) >= _VOTERS_OVERLAP]
    weights = voters.scores**3
    weights /= weights.sum()
    return Detections(
        (weights @ voters.boxes_xyxy)[None],
        np.tensordot(weights, voters.landmarks_xy, axes=1)[None],
        voters.scores.max(keepdims=True),
    )


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
