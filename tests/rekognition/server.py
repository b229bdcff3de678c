"""Amazon Rekognition as far as the product uses it, on this machine: a real HTTP server that speaks AWS JSON 1.1.

It holds every request to the service's own model as botocore ships it (members, types, lengths, ranges, patterns,
enumerations), and its own answers too. A picture says in a JPEG comment who is on it; a person is a number of degrees,
and two faces are as similar as 100 less the degrees between them.
"""

import base64
import json
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator

MODEL = botocore.session.Session().get_service_model("rekognition")
COMMENT = b"\xff\xfe"


def picture(*people: float | dict[str, Any], size: int = 0) -> bytes:
    """A JPEG (as far as its first bytes go) of these people, from the largest to the smallest face.

    Args:
        people: degrees, or a dict with ``who`` and what the service says of the face.
        size: bytes to fill up to.
    """
    faces = [person if isinstance(person, dict) else {"who": person} for person in people]
    text = json.dumps(faces).encode()
    made = b"\xff\xd8" + COMMENT + (len(text) + 2).to_bytes(2, "big") + text + b"\xff\xd9"
    return made + b"\0" * max(0, size - len(made))


def people_of(jpeg: bytes) -> list[dict[str, Any]]:
    """Who is on a picture that ``picture`` made."""
    if not jpeg.startswith(b"\xff\xd8"):
        raise Fault("InvalidImageFormatException")
    if jpeg[2:4] != COMMENT:
        return []
    return list(json.loads(jpeg[6 : 4 + int.from_bytes(jpeg[4:6], "big")]))


class Fault(Exception):
    """An error of the service."""

    def __init__(self, code: str, message: str = "so it is", status: int = 400) -> None:
        self.code, self.message, self.status = code, message, status
        super().__init__(code)


@dataclass
class Trouble:
    """Something that goes wrong with the next calls of an operation."""

    kind: str  # "fault", "hang", "lose" (the work is done, the answer is not sent), "refuse" (nothing is done)
    times: int
    fault: Fault | None = None
    seconds: float = 0.0


@dataclass
class StoredFace:
    face_id: str
    who: float
    external_id: str
    user: str | None = None


@dataclass
class Collection:
    faces: dict[str, StoredFace] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)  # id -> status
    images: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # external id, digest -> face ids


class Account:
    """What the service keeps, and what the tests tell it to do."""

    def __init__(self) -> None:
        self.collections: dict[str, Collection] = {}
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.wrong: list[str] = []
        self.troubles: dict[str, list[Trouble]] = defaultdict(list)
        self.seconds = 0.0
        self.eyes: Callable[[bytes], list[dict[str, Any]]] = people_of
        self.page = 4096
        self.keeps_doubles = False
        self.slow_users = False
        self.undeletable: set[str] = set()
        self.now = 0
        self.most_at_once = 0
        self.lock = threading.RLock()
        self.tokens: dict[tuple[str, str], dict[str, Any]] = {}

    def trouble(self, operation: str, kind: str, *, times: int = 1, seconds: float = 0.0) -> None:
        """Let something go wrong: an exception's name, or ``hang``, ``lose``, ``refuse``, ``500``."""
        fault = None
        if kind == "500":
            kind, fault = "fault", Fault("InternalServerError", status=500)
        elif kind not in ("hang", "lose", "refuse"):
            kind, fault = "fault", Fault(kind)
        self.troubles[operation].append(Trouble(kind, times, fault, seconds))

    def next_trouble(self, operation: str) -> Trouble | None:
        with self.lock:
            for trouble in self.troubles[operation]:
                if trouble.times > 0:
                    trouble.times -= 1
                    return trouble
        return None

    @property
    def counts(self) -> Counter[str]:
        """How often each operation was asked for, whatever came of it."""
        with self.lock:
            return Counter(operation for operation, _ in self.requests)

    @property
    def faces(self) -> list[StoredFace]:
        return [face for collection in self.collections.values() for face in collection.faces.values()]

    @property
    def users(self) -> set[str]:
        return {user for collection in self.collections.values() for user in collection.users}

    def act(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked, once for each request token."""
        verb: Callable[..., dict[str, Any]] = getattr(self, re.sub(r"(?<!^)([A-Z])", r"_\1", operation).lower())
        with self.lock:
            token = given.pop("ClientRequestToken", None)
            if token and (operation, token) in self.tokens:
                return self.tokens[operation, token]
            answer = verb(**given)
            if token:
                self.tokens[operation, token] = answer
            return answer

    def _collection(self, name: str) -> Collection:
        if name not in self.collections:
            raise Fault("ResourceNotFoundException", f"The collection id: {name} does not exist")
        return self.collections[name]

    def create_collection(self, CollectionId: str) -> dict[str, Any]:  # noqa: N803
        if CollectionId in self.collections:
            raise Fault("ResourceAlreadyExistsException")
        self.collections[CollectionId] = Collection()
        return {"StatusCode": 200, "FaceModelVersion": "7.0"}

    def delete_collection(self, CollectionId: str) -> dict[str, Any]:  # noqa: N803
        self._collection(CollectionId)
        del self.collections[CollectionId]
        return {"StatusCode": 200}

    def list_collections(self, NextToken: str = "0", MaxResults: int = 4096) -> dict[str, Any]:  # noqa: N803
        names, token = self._part(sorted(self.collections), NextToken, MaxResults)
        return {"CollectionIds": names, **token}

    def _part(self, items: list[Any], token: str, most: int) -> tuple[list[Any], dict[str, str]]:
        start, size = int(token), min(most, self.page)
        more = {"NextToken": str(start + size)} if start + size < len(items) else {}
        return items[start : start + size], more

    def index_faces(
        self,
        CollectionId: str,  # noqa: N803
        Image: dict[str, bytes],  # noqa: N803
        ExternalImageId: str,  # noqa: N803
        MaxFaces: int,  # noqa: N803
        QualityFilter: str,  # noqa: N803
    ) -> dict[str, Any]:
        collection = self._collection(CollectionId)
        people = self.eyes(Image["Bytes"])
        key = (ExternalImageId, sha256(Image["Bytes"]).hexdigest())
        known = [] if self.keeps_doubles else collection.images.get(key, [])
        ids = known or [str(uuid4()) for _ in people[:MaxFaces]]
        collection.images[key] = ids
        records = []
        for face_id, person in zip(ids, people[:MaxFaces], strict=True):
            collection.faces.setdefault(face_id, StoredFace(face_id, person["who"], ExternalImageId))
            records.append(_record(face_id, ExternalImageId, person))
        left = [{"Reasons": ["EXCEEDS_MAX_FACES"], "FaceDetail": _detail(person)} for person in people[MaxFaces:]]
        return {"FaceRecords": records, "UnindexedFaces": left, "FaceModelVersion": "7.0"}

    def list_faces(
        self,
        CollectionId: str,  # noqa: N803
        NextToken: str = "0",  # noqa: N803
        MaxResults: int = 4096,  # noqa: N803
    ) -> dict[str, Any]:
        faces = [_face(face) for face in self._collection(CollectionId).faces.values()]
        part, token = self._part(faces, NextToken, MaxResults)
        return {"Faces": part, "FaceModelVersion": "7.0", **token}

    def delete_faces(self, CollectionId: str, FaceIds: list[str]) -> dict[str, Any]:  # noqa: N803
        faces = self._collection(CollectionId).faces
        done, failed = [], []
        for face_id in FaceIds:
            face = faces.get(face_id)
            if face is None:
                failed.append({"FaceId": face_id, "Reasons": ["FACE_NOT_FOUND"]})
            elif face.user is not None:
                reasons = ["ASSOCIATED_TO_AN_EXISTING_USER"]
                failed.append({"FaceId": face_id, "UserId": face.user, "Reasons": reasons})
            elif face_id in self.undeletable:
                failed.append({"FaceId": face_id, "Reasons": []})
            else:
                del faces[face_id]
                done.append(face_id)
        return {"UnsuccessfulFaceDeletions": failed, **({"DeletedFaces": done} if done else {})}

    def create_user(self, CollectionId: str, UserId: str) -> dict[str, Any]:  # noqa: N803
        users = self._collection(CollectionId).users
        if UserId in users:
            raise Fault("ConflictException")
        users[UserId] = "CREATED"
        return {}

    def _user(self, collection: Collection, user: str) -> str:
        if user not in collection.users:
            raise Fault("ResourceNotFoundException", "The user does not exist")
        return user

    def delete_user(self, CollectionId: str, UserId: str) -> dict[str, Any]:  # noqa: N803
        collection = self._collection(CollectionId)
        del collection.users[self._user(collection, UserId)]
        for face in collection.faces.values():
            face.user = None if face.user == UserId else face.user
        return {}

    def list_users(
        self,
        CollectionId: str,  # noqa: N803
        NextToken: str = "0",  # noqa: N803
        MaxResults: int = 500,  # noqa: N803
    ) -> dict[str, Any]:
        users = [
            {"UserId": user, "UserStatus": status} for user, status in self._collection(CollectionId).users.items()
        ]
        part, token = self._part(users, NextToken, MaxResults)
        return {"Users": part, **token}

    def associate_faces(
        self,
        CollectionId: str,  # noqa: N803
        UserId: str,  # noqa: N803
        FaceIds: list[str],  # noqa: N803
        UserMatchThreshold: float = 75,  # noqa: N803
    ) -> dict[str, Any]:
        collection = self._collection(CollectionId)
        self._user(collection, UserId)
        done, failed = [], []
        for face_id in FaceIds:
            face = collection.faces.get(face_id)
            theirs = [other.who for other in collection.faces.values() if other.user == UserId]
            if face is None:
                failed.append({"FaceId": face_id, "UserId": UserId, "Reasons": ["FACE_NOT_FOUND"]})
            elif face.user not in (None, UserId):
                failed.append({"FaceId": face_id, "UserId": face.user, "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"]})
            elif theirs and max(_similarity(face.who, who) for who in theirs) < UserMatchThreshold:
                failed.append({"FaceId": face_id, "UserId": UserId, "Reasons": ["LOW_MATCH_CONFIDENCE"]})
            elif face.user is None:
                face.user = UserId
                done.append({"FaceId": face_id})
        collection.users[UserId] = "UPDATING" if self.slow_users else "ACTIVE"
        return {
            "AssociatedFaces": done,
            "UnsuccessfulFaceAssociations": failed,
            "UserStatus": collection.users[UserId],
        }

    def disassociate_faces(self, CollectionId: str, UserId: str, FaceIds: list[str]) -> dict[str, Any]:  # noqa: N803
        collection = self._collection(CollectionId)
        self._user(collection, UserId)
        for face_id in FaceIds:
            if (face := collection.faces.get(face_id)) is not None and face.user == UserId:
                face.user = None
        return {"DisassociatedFaces": [{"FaceId": face_id} for face_id in FaceIds], "UserStatus": "UPDATING"}

    def search_faces(
        self,
        CollectionId: str,  # noqa: N803
        FaceId: str,  # noqa: N803
        MaxFaces: int,  # noqa: N803
        FaceMatchThreshold: float,  # noqa: N803
    ) -> dict[str, Any]:
        faces = self._collection(CollectionId).faces
        if FaceId not in faces:
            raise Fault("InvalidParameterException", "faceId was not found in the collection")
        near = [(_similarity(faces[FaceId].who, face.who), face) for face in faces.values() if face.face_id != FaceId]
        hits = sorted((hit for hit in near if hit[0] >= FaceMatchThreshold), key=lambda hit: -hit[0])
        matches = [{"Similarity": similarity, "Face": _face(face)} for similarity, face in hits[:MaxFaces]]
        return {"SearchedFaceId": FaceId, "FaceMatches": matches}

    def search_users(
        self,
        CollectionId: str,  # noqa: N803
        FaceId: str,  # noqa: N803
        MaxUsers: int,  # noqa: N803
        UserMatchThreshold: float,  # noqa: N803
    ) -> dict[str, Any]:
        collection = self._collection(CollectionId)
        if FaceId not in collection.faces:
            raise Fault("ResourceNotFoundException", "The face does not exist")
        best: dict[str, float] = {}
        for face in collection.faces.values():
            if face.user is not None and collection.users[face.user] == "ACTIVE":
                likeness = _similarity(collection.faces[FaceId].who, face.who)
                best[face.user] = max(best.get(face.user, 0.0), likeness)
        hits = sorted((item for item in best.items() if item[1] >= UserMatchThreshold), key=lambda item: -item[1])
        return {
            "SearchedFace": {"FaceId": FaceId},
            "UserMatches": [
                {"Similarity": similarity, "User": {"UserId": user, "UserStatus": "ACTIVE"}}
                for user, similarity in hits[:MaxUsers]
            ],
        }


def _similarity(one: float, other: float) -> float:
    return max(0.0, 100.0 - abs(one - other))


def _box(person: dict[str, Any]) -> dict[str, float]:
    left, top, width, height = person.get("box", (0.25, 0.25, 0.5, 0.5))
    return {"Left": left, "Top": top, "Width": width, "Height": height}


def _detail(person: dict[str, Any]) -> dict[str, Any]:
    return {
        "BoundingBox": _box(person),
        "Confidence": person.get("confidence", 99.9),
        "Quality": {"Sharpness": person.get("sharpness", 80.0), "Brightness": person.get("brightness", 60.0)},
        "Pose": {"Yaw": person.get("yaw", 0.0), "Pitch": person.get("pitch", 0.0), "Roll": 0.0},
    }


def _record(face_id: str, external_id: str, person: dict[str, Any]) -> dict[str, Any]:
    face = {
        "FaceId": face_id,
        "ImageId": str(uuid4()),
        "ExternalImageId": external_id,
        "BoundingBox": _box(person),
        "Confidence": person.get("confidence", 99.9),
    }
    return {"Face": face, "FaceDetail": _detail(person)}


def _face(face: StoredFace) -> dict[str, Any]:
    user = {"UserId": face.user} if face.user else {}
    return {"FaceId": face.face_id, "ExternalImageId": face.external_id, "Confidence": 99.9, **user}


# The service's model.


def problems(given: Any, shape: Shape) -> list[str]:
    """Where something does not fit its shape: botocore's own check, and what botocore leaves to the service."""
    report = ParamValidator().validate(given, shape)
    return [*([report.generate_report()] if report.has_errors() else []), *_strict(given, shape, shape.name)]


def _strict(given: Any, shape: Shape, where: str) -> Iterator[str]:
    limits = shape.metadata
    if isinstance(shape, StructureShape):
        for name, member in given.items():
            if name in shape.members:
                yield from _strict(member, shape.members[name], f"{where}.{name}")
    elif isinstance(shape, ListShape):
        for member in given:
            yield from _strict(member, shape.member, f"{where}[]")
    elif isinstance(shape, MapShape):
        return
    sized = isinstance(given, str | bytes | list)
    amount = len(given) if sized else given
    if "max" in limits and amount > limits["max"]:
        yield f"{where}: {amount} is more than {limits['max']}"
    if "pattern" in limits and not re.fullmatch(limits["pattern"], given):
        yield f"{where}: {given!r} does not fit {limits['pattern']}"
    if isinstance(shape, StringShape) and shape.enum and given not in shape.enum:
        yield f"{where}: {given!r} is none of {shape.enum}"


def _with_bytes(given: Any, shape: Shape) -> Any:
    """JSON carries bytes as base64."""
    if isinstance(shape, StructureShape):
        return {
            name: _with_bytes(member, shape.members[name]) if name in shape.members else member
            for name, member in given.items()
        }
    if isinstance(shape, ListShape):
        return [_with_bytes(member, shape.member) for member in given]
    return base64.b64decode(given, validate=True) if shape.type_name == "blob" else given


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    account: Account

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        account = self.account
        with account.lock:
            account.now += 1
            account.most_at_once = max(account.most_at_once, account.now)
        try:
            self._answer(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with account.lock:
                account.now -= 1

    def _answer(self, body: bytes) -> None:
        service, operation = self.headers["X-Amz-Target"].split(".")
        model = MODEL.operation_model(operation)
        given = self._read(body, service, model)
        account = self.account
        with account.lock:
            account.requests.append((operation, dict(given)))
        time.sleep(account.seconds)
        trouble = account.next_trouble(operation)
        try:
            if trouble is not None and trouble.kind == "fault":
                assert trouble.fault is not None
                raise trouble.fault
            if trouble is not None and trouble.kind == "refuse":
                self.close_connection = True
                return
            answer = account.act(operation, given)
            if found := problems(answer, model.output_shape):
                account.wrong.append(f"our own answer to {operation}: {found}")
        except Fault as fault:
            self._send(fault.status, {"__type": fault.code, "Message": fault.message})
            return
        if trouble is not None and trouble.kind == "hang":
            time.sleep(trouble.seconds)
        if trouble is not None and trouble.kind == "lose":
            self.close_connection = True
            return
        self._send(200, answer)

    def _read(self, body: bytes, service: str, model: OperationModel) -> dict[str, Any]:
        given: dict[str, Any] = _with_bytes(json.loads(body), model.input_shape)
        wrong = problems(given, model.input_shape)
        if service != "RekognitionService":
            wrong.append(f"the target is {service}")
        if self.headers["Content-Type"] != "application/x-amz-json-1.1":
            wrong.append(f"the content type is {self.headers['Content-Type']}")
        if "/rekognition/aws4_request" not in self.headers.get("Authorization", ""):
            wrong.append("it is not signed for the service")
        self.account.wrong += [f"{model.name}: {each}" for each in wrong]
        return given

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that gave up is part of the tests."""


@contextmanager
def running(account: Account) -> Iterator[str]:
    """Serve an account; yields the endpoint."""
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"account": account}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
