"""What the vision package answers with, and how it refuses. Light enough for anybody to import."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

POOR_QUALITY = 0.35
"""Below this quality a face starts a match only where it is very similar (its effect: docs/accuracy.md)."""


class UnreadableReason(StrEnum):
    """Why bytes could not become pixels."""

    not_an_image = "not_an_image"
    truncated = "truncated"
    too_many_pixels = "too_many_pixels"
    unsupported = "unsupported"
    no_preview = "no_preview"
    transparent = "transparent"


class Unreadable(Exception):
    """The bytes could not be decoded; ``reason`` says why."""

    def __init__(self, reason: UnreadableReason) -> None:
        self.reason = reason
        super().__init__(reason.value)


class SelfieProblem(StrEnum):
    """What the guest should change about a selfie."""

    no_face = "no_face"
    several_faces = "several_faces"
    too_small = "too_small"
    too_blurred = "too_blurred"
    too_dark = "too_dark"


class SelfieRefused(Exception):
    """The picture is readable but no selfie that one could search with; ``problem`` says why."""

    def __init__(self, problem: SelfieProblem) -> None:
        self.problem = problem
        super().__init__(problem.value)


class SeveralFaces(SelfieRefused):
    """Several people are equally much in the picture, and only one of them can say whose selfie it is.

    Attributes:
        frame: which of the pictures it was.
        jpeg: the whole picture, small and without metadata.
        size_wh: of ``jpeg``, pixels.
        boxes_xyxy: the faces in question from left to right, as fractions of the picture.
    """

    def __init__(self, boxes_xyxy: Sequence[tuple[float, float, float, float]]) -> None:
        super().__init__(SelfieProblem.several_faces)
        self.boxes_xyxy = sorted(boxes_xyxy)
        self.frame = 0
        self.jpeg = b""
        self.size_wh = (0, 0)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a file's EXIF says of how the photo came about.

    Attributes:
        taken_at: DateTimeOriginal as the camera wrote it (no time zone), or None.
        offset_minutes: OffsetTimeOriginal, which tells that clock's time zone, east of UTC; None where it is missing.
        camera: make and model, at most 120 signs, or None.
        serial: of the camera's body. It tells two of one model apart, and is for nobody to see.
    """

    taken_at: datetime | None = None
    offset_minutes: int | None = None
    camera: str | None = None
    serial: str | None = None


@dataclass(frozen=True, slots=True)
class Face:
    """One face of a photo.

    Attributes:
        box_xyxy: left, top, right, bottom as fractions of the upright image, clipped to 0-1.
        landmarks_xy: (5, 2) float32, fractions: the eye on the image's left, the other eye, nose tip, the mouth corner
            on the image's left, the other corner. They may lie a little outside 0-1 where the edge cuts the face.
        score: the detector's confidence, 0-1.
        quality: 0-1, how far the template can be trusted; below ``POOR_QUALITY`` it starts a match only where it is
            very similar.
        width_px: width of the face in pixels of the full-resolution photo.
        template: (128,) float32, unit length; compare two with their inner product.
    """

    box_xyxy: tuple[float, float, float, float]
    landmarks_xy: NDArray[np.float32]
    score: float
    quality: float
    width_px: float
    template: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Rendition:
    """A smaller sRGB JPEG of a photo, upright and without any metadata."""

    name: Literal["thumb", "view", "full"]
    jpeg: bytes
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class PhotoAnalysis:
    """Everything that one decode of a photo yields. No face is an empty ``faces``, not an error.

    Attributes:
        width_px: upright width at full resolution.
        height_px: upright height at full resolution.
        exposure: when and by which camera.
        faces: best detector score first.
        renditions: 'thumb' and 'view', in this order.
        placeholder: a WebP of some 100 bytes, to be shown until the first of them is there.
    """

    width_px: int
    height_px: int
    exposure: Exposure
    faces: tuple[Face, ...]
    renditions: tuple[Rendition, ...]
    placeholder: bytes

    @property
    def taken_at(self) -> datetime | None:
        """When, by the camera's clock."""
        return self.exposure.taken_at


@dataclass(frozen=True, slots=True)
class SelfieAnalysis:
    """An accepted selfie.

    Attributes:
        template: (d,) float32, unit length.
        quality: 0-1, of the best picture.
        jpegs: one to three upright sRGB JPEGs without metadata, the best first, of at most 200 KB together: good enough
            to compute the template anew.
    """

    template: NDArray[np.float32]
    quality: float
    jpegs: tuple[bytes, ...]
