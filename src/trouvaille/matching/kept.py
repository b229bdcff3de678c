"""What face finding keeps about a guest."""

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from trouvaille.faces.models import Face
from trouvaille.guests.kept import Part, Rows, of_table, row_of
from trouvaille.guests.models import Guest
from trouvaille.matching.models import Match, Probe
from trouvaille.photos.models import Photo
from trouvaille.rekognition.models import RekognitionFace, RekognitionPending
from trouvaille.web.i18n import ngettext


async def _matches(session: AsyncSession, guest: Guest) -> Rows:
    """With the photo's name and where the face is in it, as the guest sees them."""
    query = (
        select(Match, Photo.file_name, Face.box_xyxy)
        .join(Photo, Photo.id == Match.photo_id)
        .outerjoin(Face, and_(Face.event_id == Match.event_id, Face.id == Match.face_id))
        .where(Match.guest_id == guest.id)
        .order_by(Photo.shown_at, Photo.id)
    )
    return [
        row_of(match) | {"file_name": name, "face_box_xyxy": box} for match, name, box in await session.execute(query)
    ]


PARTS = (
    Part(
        "templates",
        frozenset({"probes"}),
        of_table(Probe, Probe.guest_id),
        lambda n: ngettext("%(n)s template of your face", "%(n)s templates of your face", n),
    ),
    Part("faces_at_rekognition", frozenset({"rekognition_faces"}), of_table(RekognitionFace, RekognitionFace.guest_id)),
    Part(
        "on_the_way_to_rekognition",
        frozenset({"rekognition_pending"}),
        of_table(RekognitionPending, RekognitionPending.guest_id),
    ),
    Part(
        "matches",
        frozenset({"matches"}),
        _matches,
        lambda n: ngettext("%(n)s match with a photo", "%(n)s matches with photos", n),
    ),
)
