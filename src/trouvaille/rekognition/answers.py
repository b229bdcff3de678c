"""What the service's answers mean to the product, and what faces in a collection belong to."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Belonging:
    """What a face in a collection belongs to: a photo, or a guest's enrolment."""

    photo_id: UUID | None = None
    guest_id: UUID | None = None
    enrolment_id: UUID | None = None

    def __str__(self) -> str:
        """The external image id, which takes letters, digits and ``_ . - :`` (at most 255)."""
        return f"photo:{self.photo_id}" if self.photo_id else f"selfie:{self.guest_id}:{self.enrolment_id}"

    @classmethod
    def read(cls, external_id: str | None) -> "Belonging | None":
        """Undo ``str``; None for what we did not write."""
        kind, *ids = (external_id or "").split(":")
        try:
            uuids = [UUID(text) for text in ids]
        except ValueError:
            return None
        if kind == "photo" and len(uuids) == 1:
            return cls(photo_id=uuids[0])
        if kind == "selfie" and len(uuids) == 2:
            return cls(guest_id=uuids[0], enrolment_id=uuids[1])
        return None


@dataclass(frozen=True, slots=True)
class IndexedFace:
    """A face that the service found in a photo and keeps.

    Attributes:
        id: the service's, and so ours.
        box_xyxy: left, top, right, bottom as fractions of the picture, clipped to 0-1.
        score: 0-1, how sure the service is that this is a face.
        quality: 0-1; below ``vision.types.POOR_QUALITY`` it starts no match on its own.
    """

    id: UUID
    box_xyxy: tuple[float, float, float, float]
    score: float
    quality: float


@dataclass(frozen=True, slots=True)
class FoundFace:
    """A face that resembles the one that was searched for; ``similarity`` is 0-1."""

    id: UUID
    belongs: Belonging
    similarity: float


@dataclass(frozen=True, slots=True)
class FoundGuest:
    """A guest who resembles a face; ``similarity`` is 0-1."""

    guest_id: UUID
    similarity: float


@dataclass(frozen=True, slots=True)
class StoredFace:
    """A face in a collection; ``belongs`` is None when its external id is not of our making."""

    id: UUID
    belongs: Belonging | None


def indexed_face(record: dict[str, Any]) -> IndexedFace:
    """A FaceRecord of the service as a face of ours."""
    face, detail = record["Face"], record.get("FaceDetail", {})
    box = face["BoundingBox"]
    edges = (box["Left"], box["Top"], box["Left"] + box["Width"], box["Top"] + box["Height"])
    left, top, right, bottom = (min(max(float(edge), 0.0), 1.0) for edge in edges)
    score = face.get("Confidence", 0.0) / 100
    return IndexedFace(UUID(face["FaceId"]), (left, top, right, bottom), score, quality(score, detail))


def quality(score: float, detail: dict[str, Any]) -> float:
    """0-1, the product of one ramp per sign, as the local engine judges faces by signs of its own.

    The ends of the ramps were chosen from the meaning of the scales alone and never measured. They are mild: what is
    left out here costs no search, but can't be found by a new photo either.

    Args:
        score: 0-1.
        detail: the service's FaceDetail: Quality.Sharpness and Quality.Brightness 0-100, Pose in degrees.
    """
    light, pose = detail.get("Quality", {}), detail.get("Pose", {})
    turned = max(abs(pose.get("Yaw", 0.0)), abs(pose.get("Pitch", 0.0)))
    return (
        _ramp(score, 0.6, 0.95)
        * _ramp(light.get("Sharpness", 100.0), 0, 20)
        * _ramp(light.get("Brightness", 100.0), 5, 25)
        * _ramp(turned, 80, 50)
    )


def _ramp(value: float, bad: float, good: float) -> float:
    """0 at ``bad`` and beyond, 1 at ``good`` and beyond, a straight line between them."""
    return min(max((value - bad) / (good - bad), 0.0), 1.0)


def uuid_or_none(text: str) -> UUID | None:
    """A UUID, or None for what is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
