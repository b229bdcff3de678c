"""The local engine: photos and selfies in, faces with templates out, on this machine's CPU alone."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import pyvips
from numpy.typing import NDArray

from trouvaille.vision import weights as model_files
from trouvaille.vision.align import ALIGNED_PX, align
from trouvaille.vision.decode import ENOUGH_SIDE_PX, PIXELS_LIMIT, decode
from trouvaille.vision.detect import Detections, Detector, without_doubles
from trouvaille.vision.embed import Embedder
from trouvaille.vision.graphs import Precision, compile_graph
from trouvaille.vision.quality import Signs, quality, signs
from trouvaille.vision.renditions import VIEW_SIDE_PX, jpeg_within, placeholder, rendition
from trouvaille.vision.selfie import JPEG_LIMIT_BYTES, KEPT_PICTURES, Box, accepted_face, portrait_jpeg, together
from trouvaille.vision.shrink import shrunk
from trouvaille.vision.types import Face, PhotoAnalysis, SelfieAnalysis, SelfieRefused, SeveralFaces, Unreadable

SCORE_LIMIT: Final = 0.6
"""A face counts when the mean of its scores, in the whole picture and up close, reaches this."""

DETECT_SIDE_PX: Final = 1280

COARSE_SCORE_LIMIT: Final = 0.4
_FINE_ENOUGH_PX: Final = 80  # Wide as this or wider, a face fills the recogniser's crop without being enlarged.
_SELFIE_SIDE_PX: Final = 1024
_SELFIE_ENOUGH_PX: Final = 1536
"""A selfie whose largest face is at least ``_SELFIE_FACE_PX`` wide at this size need not be read at a larger one."""
_SELFIE_FACE_PX: Final = 2 * _FINE_ENOUGH_PX
_SELFIE_SCALES: Final = (1.0, 0.93, 1.07)
"""A guest is known by one picture, so it is looked at three times, each a little larger or smaller, and mirrored."""
_KEPT_SIDE_PX: Final = 3072
_PIPELINE_VERSION: Final = 2  # Raise it whenever the steps change so that templates are no longer comparable.


@dataclass(frozen=True, slots=True)
class _Frame:
    """One usable picture of a selfie. ``box_xyxy``: (4,), pixels of ``image_rgb``."""

    template: NDArray[np.float32]
    quality: float
    image_rgb: NDArray[np.uint8]
    box_xyxy: NDArray[np.float32]


class LocalEngine:
    """YuNet and SFace on the CPU. One engine serves all threads of a process; it holds no picture between calls."""

    def __init__(
        self,
        weights: model_files.Weights,
        *,
        threads: int = 1,
        detect_side_px: int = DETECT_SIDE_PX,
        pixels_limit: int = PIXELS_LIMIT,
        precision: Precision = "int8",
    ) -> None:
        """Load and compile both models (about a second).

        Args:
            weights: from ``vision.weights.locate``.
            threads: how many calls may compute at the same time, each on one core; more callers wait.
            detect_side_px: photos are searched with their longer side at this size; what might be faces too small for
                it is looked at again at full size.
            pixels_limit: photos that declare more pixels are refused.
            precision: bf16 takes half the time of f32 and int8 a third, on CPUs that have them. Templates of all three
                are comparable: their mean cosine is 0.996 and more (docs/accuracy.md).

        Raises:
            ModelMissing: a file is gone.
            ModelTampered: a file is not the one that was measured.
            ModelMisdescribed: the recogniser does not take or give what was said of it.
        """
        _limit_library_threads()
        detector = model_files.read(weights.detector)
        self._detector = Detector(
            partial(compile_graph, detector, channels="bgr", precision=precision, threads=threads)
        )
        self._embedder = _embedder(weights, precision=precision, threads=threads)
        self._face_side_px = weights.face_input.side_px
        self._detect_side_px = detect_side_px
        self._pixels_limit = pixels_limit
        self._identity = f"{weights.detector.name}+{weights.recogniser_name}/{_PIPELINE_VERSION}"

    @property
    def identity(self) -> str:
        """Templates are comparable exactly when they come from engines of the same identity."""
        return self._identity

    def analyse_photo(self, data: bytes, *, faces: bool = True) -> PhotoAnalysis:
        """Everything that the product wants to know of a photo, from one decode.

        Args:
            data: the whole file as uploaded.
            faces: False leaves face finding out, for events without it.

        Raises:
            Unreadable: with the reason.
        """
        decoded = decode(data, pixels_limit=self._pixels_limit, enough_px=ENOUGH_SIDE_PX)
        image_rgb = decoded.image_rgb
        view_rgb = shrunk(image_rgb, VIEW_SIDE_PX)
        thumb, view = rendition("thumb", view_rgb), rendition("view", view_rgb)
        found: tuple[Face, ...] = ()
        if faces:
            coarse = self._detector.search(
                image_rgb,
                side_px=self._detect_side_px,
                score_limit=COARSE_SCORE_LIMIT,
                smaller_rgb=view_rgb,
                closer=True,
            )
            widths = coarse.boxes_xyxy[:, 2] - coarse.boxes_xyxy[:, 0]
            if image_rgb.shape[1] < decoded.width_px and (widths < _FINE_ENOUGH_PX).any():
                image_rgb = decode(data, pixels_limit=self._pixels_limit).image_rgb
                coarse = coarse.moved(image_rgb.shape[1] / decoded.image_rgb.shape[1])
            detections = confirmed(coarse, self._detector.refine(image_rgb, coarse))
            found = self._faces(image_rgb, detections, width_px=decoded.width_px)
        return PhotoAnalysis(
            decoded.width_px, decoded.height_px, decoded.exposure, found, (thumb, view), placeholder(view_rgb)
        )

    def analyse_selfie(self, frames: Sequence[bytes], *, chosen: Box | None = None) -> SelfieAnalysis:
        """Check the pictures of one selfie and turn them into one template.

        A picture that can't be used is left out as long as another can, and so is one that shows somebody else.

        Args:
            frames: one to four whole files, of one moment.
            chosen: where the guest said that their face is in all of them, as fractions.

        Raises:
            Unreadable: with the reason.
            SeveralFaces: only the guest knows which.
            SelfieRefused: with what the guest should change.
        """
        looked: list[_Frame] = []
        wrong: list[SelfieRefused | Unreadable] = []
        for number, data in enumerate(frames):
            try:
                looked.append(self._look(data, chosen))
            except SeveralFaces as error:
                error.frame = number
                wrong.append(error)
            except (SelfieRefused, Unreadable) as error:
                wrong.append(error)
        if not looked:
            raise next((error for error in wrong if isinstance(error, SeveralFaces)), wrong[0])
        template, kept = together(np.stack([frame.template for frame in looked]), [frame.quality for frame in looked])
        kept = kept[:KEPT_PICTURES]
        limit = JPEG_LIMIT_BYTES // len(kept)
        jpegs = tuple(portrait_jpeg(looked[row].image_rgb, looked[row].box_xyxy, limit_bytes=limit) for row in kept)
        return SelfieAnalysis(template, looked[kept[0]].quality, jpegs)

    def _look(self, data: bytes, chosen: Box | None) -> "_Frame":
        # Who had to say which face is theirs may be a small one.
        decoded = decode(data, pixels_limit=self._pixels_limit, enough_px=None if chosen else _SELFIE_ENOUGH_PX)
        coarse = self._detector.search(decoded.image_rgb, side_px=_SELFIE_SIDE_PX, score_limit=COARSE_SCORE_LIMIT)
        widths = coarse.boxes_xyxy[:, 2] - coarse.boxes_xyxy[:, 0]
        if decoded.image_rgb.shape[1] < decoded.width_px and widths.max(initial=0) < _SELFIE_FACE_PX:
            smaller_px = decoded.image_rgb.shape[1]
            decoded = decode(data, pixels_limit=self._pixels_limit)
            coarse = coarse.moved(decoded.image_rgb.shape[1] / smaller_px)
        image_rgb = decoded.image_rgb
        detections = confirmed(coarse, self._detector.refine(image_rgb, coarse))
        _, measured = self._measured(image_rgb, detections, full_scale=decoded.width_px / image_rgb.shape[1])
        try:
            best = accepted_face(image_rgb, measured, detections.boxes_xyxy, chosen=chosen)
        except SeveralFaces as error:
            error.jpeg, width_px, height_px = jpeg_within(shrunk(image_rgb, _SELFIE_SIDE_PX), JPEG_LIMIT_BYTES)
            error.size_wh = width_px, height_px
            raise
        template = self._selfie_template(image_rgb, detections.landmarks_xy[best])
        # Room for what is kept, and no more: a burst of large pictures would fill the memory.
        small_rgb = shrunk(image_rgb, _KEPT_SIDE_PX)
        box = detections.boxes_xyxy[best] * (small_rgb.shape[1] / image_rgb.shape[1])
        return _Frame(template, quality(measured[best]), small_rgb, box)

    def _measured(
        self, image_rgb: NDArray[np.uint8], found: Detections, *, full_scale: float
    ) -> tuple[NDArray[np.uint8], list[Signs]]:
        """Aligned crops (n, 112, 112, 3) and what their quality follows from."""
        crops = np.zeros((len(found), ALIGNED_PX, ALIGNED_PX, 3), np.uint8)
        measured = []
        for row, (box, landmarks) in enumerate(zip(found.boxes_xyxy, found.landmarks_xy, strict=True)):
            crops[row] = align(image_rgb, landmarks)
            width_px = float(box[2] - box[0]) * full_scale
            measured.append(signs(crops[row], landmarks, width_px=width_px, score=float(found.scores[row])))
        return crops, measured

    def _templates(
        self, image_rgb: NDArray[np.uint8], found: Detections, crops: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """(n, d) of the faces, from their aligned crops where the recogniser wants them at that size."""
        if self._face_side_px != ALIGNED_PX and len(found):
            crops = np.stack([align(image_rgb, landmarks, self._face_side_px) for landmarks in found.landmarks_xy])
        return self._embedder.embed(crops)

    def _selfie_template(self, image_rgb: NDArray[np.uint8], landmarks_xy: NDArray[np.float32]) -> NDArray[np.float32]:
        """(d,), unit length: the mean of all looks at one face."""
        centre = landmarks_xy.mean(axis=0)
        looks = [centre + (landmarks_xy - centre) * np.float32(scale) for scale in _SELFIE_SCALES]
        crops = np.stack([align(image_rgb, landmarks, self._face_side_px) for landmarks in looks])
        together = self._embedder.embed(crops, mirrored=True).mean(axis=0)
        return np.asarray(together / np.linalg.norm(together), np.float32)

    def _faces(self, image_rgb: NDArray[np.uint8], found: Detections, *, width_px: int) -> tuple[Face, ...]:
        size = np.array(image_rgb.shape[1::-1], np.float32)
        crops, measured = self._measured(image_rgb, found, full_scale=width_px / image_rgb.shape[1])
        templates = self._templates(image_rgb, found, crops)
        boxes = (found.boxes_xyxy / np.tile(size, 2)).clip(0, 1)
        return tuple(
            Face(
                box_xyxy=(float(box[0]), float(box[1]), float(box[2]), float(box[3])),
                landmarks_xy=landmarks / size,
                score=sign.score,
                quality=quality(sign),
                width_px=sign.width_px,
                template=template,
            )
            for box, landmarks, sign, template in zip(boxes, found.landmarks_xy, measured, templates, strict=True)
        )


def confirmed(coarse: Detections, fine: Detections) -> Detections:
    """Faces that hold up close: mean of both scores at least ``SCORE_LIMIT``, each face once, best first."""
    scores = np.asarray((coarse.scores + fine.scores) / 2, np.float32)
    faces = Detections(fine.boxes_xyxy, fine.landmarks_xy, scores)
    # Two coarse boxes beside each other may turn out to be one face.
    return without_doubles(faces[scores >= SCORE_LIMIT])


def _embedder(weights: model_files.Weights, *, precision: Precision, threads: int) -> Embedder:
    wanted, onnx = weights.face_input, model_files.read(weights.recogniser)
    side, untouched = wanted.side_px, (wanted.mean, wanted.scale) == ((0.0,), (1.0,))
    mean, scale = (None if untouched else np.broadcast_to(given, 3).tolist() for given in (wanted.mean, wanted.scale))
    centre = _population_mean(weights.population_mean)
    with suppress(RuntimeError, ValueError):
        # One face at a time: for every new number of faces the graph would prepare itself anew.
        graph = compile_graph(
            onnx,
            (1, 3, side, side),
            channels=wanted.channels,
            precision=precision,
            threads=threads,
            mean=mean,
            scale=scale,
            ranges=weights.ranges() if precision == "int8" else None,
        )
        embedder = Embedder(graph, dimension=wanted.dimension, population_mean=centre)
        if embedder.embed(np.zeros((2, side, side, 3), np.uint8)).shape == (2, wanted.dimension):
            return embedder
    raise model_files.ModelMisdescribed(
        f"{weights.recogniser.name} does not turn {side} x {side} pixels into {wanted.dimension} numbers"
    )


def _population_mean(path: Path | None) -> NDArray[np.float32] | None:
    return None if path is None else np.asarray(np.load(path, allow_pickle=False), np.float32)


def _limit_library_threads() -> None:
    # Several photos at once use the cores better than several threads on one photo, and the callers choose how many.
    cv2.setNumThreads(1)
    pyvips.concurrency_set(1)
