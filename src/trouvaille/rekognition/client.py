"""The service's operations as the product needs them, through boto3. Only workers and the command line load it.

Everything here is plain and blocking; the verbs may be called from any thread. Ids that we give to the service are
ours: a collection carries the instance's and the event's, a user is the guest, and an image's external id names the
photo, or the guest and the enrolment, that its faces belong to.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final
from uuid import UUID

import structlog

from trouvaille.rekognition.answers import (
    Belonging,
    FoundFace,
    FoundGuest,
    IndexedFace,
    StoredFace,
    indexed_face,
    uuid_or_none,
)
from trouvaille.rekognition.boto import make_client, never_arrived, translated
from trouvaille.rekognition.errors import Away, Missing, PictureTooLarge
from trouvaille.rekognition.meter import Meter
from trouvaille.rekognition.slots import Slots

log = structlog.get_logger()

# Limits of the service's model (botocore's data for rekognition/2016-06-27).
IMAGE_LIMIT_BYTES: Final = 5 * 1024**2
MOST_FACES_INDEXED: Final = 100
MOST_FACES_FOUND: Final = 4096
MOST_USERS_FOUND: Final = 500
FACES_PER_DELETE: Final = 4096
FACES_PER_DISASSOCIATE: Final = 100
FACES_PER_PAGE: Final = 4096
USERS_PER_PAGE: Final = 500

CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 30.0
ATTEMPTS: Final = 5


class Collections:
    """One AWS account's collections of one instance."""

    def __init__(
        self,
        *,
        instance: UUID,
        slots: Slots,
        meter: Meter,
        region: str | None = None,
        endpoint_url: str | None = None,
        calls_at_once: int = 30,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
        attempts: int = ATTEMPTS,
    ) -> None:
        """Load boto3 and read its configuration; nothing is sent yet.

        Args:
            instance: who we are in the account.
            region: of AWS; None leaves it to boto3's own chain, as the credentials always are.
            endpoint_url: another address than the region's.
            attempts: how often one call is sent at most; in between boto3 waits, and slows down while it is throttled.

        Raises:
            Misconfigured: boto3 is not installed, or there is no region.
        """
        self._prefix = f"trouvaille-{instance.hex}-"
        self._slots = slots
        self._meter = meter
        self._client = make_client(
            region=region,
            endpoint_url=endpoint_url,
            connect_timeout=connect_timeout_s,
            read_timeout=read_timeout_s,
            max_pool_connections=calls_at_once,
            retries={"mode": "adaptive", "total_max_attempts": attempts},
        )
        self._client.meta.events.register("before-send.rekognition", self._count)
        self._client.meta.events.register("response-received.rekognition", self._give_back)

    @property
    def region(self) -> str:
        """Where the collections lie."""
        return str(self._client.meta.region_name)

    def close(self) -> None:
        """End the connections to the service, and those of slots and meter."""
        self._client.close()
        self._slots.close()
        self._meter.close()

    def name_of(self, event_id: UUID) -> str:
        """An event's collection."""
        return f"{self._prefix}{event_id}"

    # Collections.

    def create(self, event_id: UUID) -> None:
        """Make an event's collection; one that is there is no error."""
        try:
            self._send("create_collection", CollectionId=self.name_of(event_id))
        except self._client.exceptions.ResourceAlreadyExistsException:
            log.debug("collection is there already", event_id=str(event_id))

    def delete(self, event_id: UUID) -> None:
        """Delete an event's collection with all its faces and users; one that is gone is no error."""
        self._delete_named(self.name_of(event_id))

    def events(self) -> list[UUID]:
        """The events that have a collection of this instance in the account."""
        names = (name for page in self._pages("list_collections") for name in page.get("CollectionIds", ()))
        ours = (name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix))
        return [event_id for name in ours if (event_id := uuid_or_none(name)) is not None]

    def _delete_named(self, name: str) -> None:
        try:
            self._send("delete_collection", CollectionId=name)
        except Missing:
            log.debug("collection is gone already", collection=name)

    # Faces.

    def index_photo(self, event_id: UUID, photo_id: UUID, jpeg: bytes) -> list[IndexedFace]:
        """Keep all faces of a photo, at most ``MOST_FACES_INDEXED``, the largest first.

        The service recognises the same bytes under the same id and keeps no face twice.

        Args:
            jpeg: at most ``IMAGE_LIMIT_BYTES``.

        Raises:
            PictureRefused, PictureTooLarge
        """
        answer = self._index(event_id, Belonging(photo_id=photo_id), jpeg, most=MOST_FACES_INDEXED)
        if left_out := len(answer.get("UnindexedFaces", ())):
            log.info("faces left out by the service", photo_id=str(photo_id), faces=left_out)
        return [indexed_face(record) for record in answer.get("FaceRecords", ())]

    def index_selfie(self, event_id: UUID, guest_id: UUID, enrolment_id: UUID, jpeg: bytes) -> UUID | None:
        """Keep the one face of an accepted selfie; None when the service sees none."""
        belongs = Belonging(guest_id=guest_id, enrolment_id=enrolment_id)
        records = self._index(event_id, belongs, jpeg, most=1).get("FaceRecords", ())
        return UUID(records[0]["Face"]["FaceId"]) if records else None

    def _index(self, event_id: UUID, belongs: Belonging, jpeg: bytes, *, most: int) -> dict[str, Any]:
        if len(jpeg) > IMAGE_LIMIT_BYTES:
            raise PictureTooLarge

        def index() -> dict[str, Any]:
            return self._send(
                "index_faces",
                CollectionId=self.name_of(event_id),
                Image={"Bytes": jpeg},
                ExternalImageId=str(belongs),
                MaxFaces=most,
                # Which faces are good enough is decided here, and a selfie was accepted already.
                QualityFilter="NONE",
            )

        try:
            return index()
        except Missing:
            self.create(event_id)
        try:
            return index()
        except Missing as error:  # deleted again in this moment, or not to be seen yet
            raise Away from error

    def delete_faces(self, event_id: UUID, face_ids: Iterable[UUID]) -> set[UUID]:
        """Delete faces, whoever they belong to, in batches as large as the service takes.

        A face that is still associated with a user is taken from that user first.

        Returns:
            Those that are gone now, also because they were gone before.
        """
        gone: set[UUID] = set()
        for batch in _batches(face_ids, FACES_PER_DELETE):
            try:
                left = self._delete_batch(event_id, batch)
                for user_id, faces in _by_user(left).items():
                    self.disassociate(event_id, user_id, faces)
                if left:
                    left = self._delete_batch(event_id, [face_id for face_id, _ in left])
            except Missing:  # the whole collection is gone
                left = []
            if left:
                log.warning("faces were not deleted", event_id=str(event_id), faces=len(left))
            gone.update(set(batch) - {face_id for face_id, _ in left})
        return gone

    def _delete_batch(self, event_id: UUID, face_ids: Sequence[UUID]) -> list[tuple[UUID, str | None]]:
        """Those that could not be deleted, and the user that holds each."""
        answer = self._send(
            "delete_faces", CollectionId=self.name_of(event_id), FaceIds=[str(face_id) for face_id in face_ids]
        )
        return [
            (UUID(failure["FaceId"]), failure.get("UserId"))
            for failure in answer.get("UnsuccessfulFaceDeletions", ())
            if "FACE_NOT_FOUND" not in failure.get("Reasons", ())
        ]

    def faces(self, event_id: UUID) -> list[StoredFace]:
        """Every face of an event's collection; none when there is no collection."""
        pages = self._pages("list_faces", CollectionId=self.name_of(event_id), MaxResults=FACES_PER_PAGE)
        try:
            return [
                StoredFace(UUID(face["FaceId"]), Belonging.read(face.get("ExternalImageId")))
                for page in pages
                for face in page.get("Faces", ())
            ]
        except Missing:
            return []

    # Users.

    def enrol(self, event_id: UUID, guest_id: UUID, face_id: UUID) -> bool:
        """Make a guest findable by a face of theirs; doing it again changes nothing.

        An older face stays with the guest until it is deleted: were it taken away now, a selfie that is given up later
        would leave the guest without any.

        Returns:
            Whether searches see it already; the service may take some seconds.

        Raises:
            Away: the face is not there yet, or no more.
        """
        name, user = self.name_of(event_id), str(guest_id)
        try:
            self._send("create_user", CollectionId=name, UserId=user)
        except self._client.exceptions.ConflictException:
            log.debug("user is there already", guest_id=user)
        answer = self._send(
            "associate_faces",
            CollectionId=name,
            UserId=user,
            FaceIds=[str(face_id)],
            # The guest is signed in: a new look, or another person's picture before, must not shut them out.
            UserMatchThreshold=0,
        )
        if failures := answer.get("UnsuccessfulFaceAssociations"):
            raise Away(f"A selfie could not be associated: {failures[0].get('Reasons')}")
        return bool(answer.get("UserStatus") == "ACTIVE")

    def disassociate(self, event_id: UUID, user: UUID | str, face_ids: Iterable[UUID]) -> None:
        """Take faces from a user; what is gone is no error."""
        for batch in _batches(face_ids, FACES_PER_DISASSOCIATE):
            faces = [str(face_id) for face_id in batch]
            try:
                self._send("disassociate_faces", CollectionId=self.name_of(event_id), UserId=str(user), FaceIds=faces)
            except Missing:
                log.debug("user is gone already", user=str(user))

    def delete_user(self, event_id: UUID, user: UUID | str) -> None:
        """Delete a guest's user; their faces stay. One that is gone is no error."""
        try:
            self._send("delete_user", CollectionId=self.name_of(event_id), UserId=str(user))
        except Missing:
            log.debug("user is gone already", user=str(user))

    def users(self, event_id: UUID) -> list[str]:
        """The ids of every user of an event's collection; none when there is no collection."""
        pages = self._pages("list_users", CollectionId=self.name_of(event_id), MaxResults=USERS_PER_PAGE)
        try:
            return [user["UserId"] for page in pages for user in page.get("Users", ())]
        except Missing:
            return []

    # Searches.

    def search_guest(self, event_id: UUID, face_id: UUID, *, threshold: float) -> list[FoundFace]:
        """The photo faces that resemble a selfie's, best first, at most ``MOST_FACES_FOUND``.

        Args:
            threshold: 0-1, least similarity.

        Raises:
            Missing: the selfie's face is gone.
        """
        answer = self._send(
            "search_faces",
            CollectionId=self.name_of(event_id),
            FaceId=str(face_id),
            MaxFaces=MOST_FACES_FOUND,
            FaceMatchThreshold=threshold * 100,
        )
        matches = answer.get("FaceMatches", ())
        if len(matches) >= MOST_FACES_FOUND:
            log.warning("a search found more faces than the service tells", event_id=str(event_id))
        return [
            FoundFace(UUID(match["Face"]["FaceId"]), belongs, match["Similarity"] / 100)
            for match in matches
            if (belongs := Belonging.read(match["Face"].get("ExternalImageId"))) and belongs.photo_id
        ]

    def search_photo_face(self, event_id: UUID, face_id: UUID, *, threshold: float) -> list[FoundGuest]:
        """The guests who resemble a face of a photo, best first, at most ``MOST_USERS_FOUND``.

        Args:
            threshold: 0-1, least similarity.

        Raises:
            Missing: the face is gone.
        """
        answer = self._send(
            "search_users",
            CollectionId=self.name_of(event_id),
            FaceId=str(face_id),
            MaxUsers=MOST_USERS_FOUND,
            UserMatchThreshold=threshold * 100,
        )
        return [
            FoundGuest(guest_id, match["Similarity"] / 100)
            for match in answer.get("UserMatches", ())
            if (guest_id := uuid_or_none(match["User"]["UserId"])) is not None
        ]

    # Sending.

    def _send(self, verb: str, **given: Any) -> dict[str, Any]:
        """One call with its retries, in a slot, with errors of ours."""
        with self._slots.one(), translated():
            answer: dict[str, Any] = getattr(self._client, verb)(**given)
        return answer

    def _pages(self, verb: str, **given: Any) -> Iterator[dict[str, Any]]:
        """All pages of a list; each is a call of its own."""
        token: str | None = None
        while True:
            page = self._send(verb, **given, **({"NextToken": token} if token else {}))
            yield page
            token = page.get("NextToken")
            if not token:
                return

    def _count(self, event_name: str, **_: Any) -> None:
        self._meter.count(event_name.rsplit(".", 1)[1])

    def _give_back(self, event_name: str, exception: Exception | None = None, **_: Any) -> None:
        if never_arrived(exception):
            self._meter.give_back(event_name.rsplit(".", 1)[1])


def _by_user(left: Iterable[tuple[UUID, str | None]]) -> dict[str, list[UUID]]:
    held: dict[str, list[UUID]] = {}
    for face_id, user in left:
        if user is not None:
            held.setdefault(user, []).append(face_id)
    return held


def _batches(ids: Iterable[UUID], most: int) -> Iterator[list[UUID]]:
    left = iter(ids)
    while batch := list(islice(left, most)):
        yield batch
