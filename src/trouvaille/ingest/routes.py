"""The receiver's addresses: the tus protocol for the studio's pages and, with an access token, for scripts."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute

from trouvaille.accounts.identity import StaffViewer
from trouvaille.accounts.tokens import Scope, wants
from trouvaille.core.errors import Invalid, Refused, TooLarge
from trouvaille.core.rush import FILE_WAITS_S
from trouvaille.ingest import known, room, tus
from trouvaille.ingest.models import Upload
from trouvaille.ingest.receiving import receive
from trouvaille.ingest.service import Finished, Receiver
from trouvaille.ingest.staging import NoSuchFile, Turn
from trouvaille.web import errors
from trouvaille.web.i18n import say

API = "/api/v1/"


class TusRoute(APIRoute):
    """Answers every refusal, also those of dependencies, in the protocol's way and as problem+json."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                if request.method != "OPTIONS":
                    tus.check_version(request.headers)
                answer = await handler(request)
            except Refused as error:
                answer = _refusal(request, error)
            answer.headers["Tus-Resumable"] = tus.VERSION
            answer.headers["Cache-Control"] = "no-store"
            return answer

        return handle


def _refusal(request: Request, error: Refused) -> Response:
    status = getattr(error, "status", None) or errors.status_of(error)
    more = errors.retry_headers(error)
    if isinstance(error, tus.WrongVersion):
        more["Tus-Version"] = tus.VERSION
    return errors.answer(request, status, say(error), more, code=errors.code_of(error))


async def receiver_of(request: Request) -> Receiver:
    """The process's receiver."""
    receiver: Receiver = request.app.state.receiver
    return receiver


ThisReceiver = Annotated[Receiver, Depends(receiver_of)]


def _body_length(request: Request) -> int | None:
    """Bytes that come along; None where the sender does not say how many."""
    if "transfer-encoding" in request.headers:
        return None
    return tus.number(request.headers, "content-length") if "content-length" in request.headers else 0


def _state(receiver: Receiver, turn: Turn) -> dict[str, str]:
    headers = {"Upload-Offset": str(turn.offset)}
    return headers | tus.expires(turn.touched_at + receiver.kept_s)


def _result(finished: Finished, size_bytes: int) -> dict[str, str]:
    headers = {"Upload-Offset": str(size_bytes), "Trouvaille-Result": finished.outcome.value}
    return headers | ({"Trouvaille-Photo": str(finished.photo_id)} if finished.photo_id else {})


async def _take(request: Request, receiver: Receiver, upload: Upload, turn: Turn) -> dict[str, str]:
    """Read the body into the file, and finish one that is whole; the turn is closed whatever happens."""
    try:
        checksum = tus.checksum(request.headers)
        length = _body_length(request)
        if length is not None and turn.offset + length > upload.size_bytes:
            raise tus.TooMuch("These are more bytes than the file was said to have.")
        await receive(receiver, turn, request.stream(), size_bytes=upload.size_bytes, checksum=checksum)
        state = _state(receiver, turn)
    finally:
        receiver.close_turn(turn)
    await receiver.rush.let_by(FILE_WAITS_S)
    return await _finish(receiver, upload, turn) if turn.offset == upload.size_bytes else state


async def _finish(receiver: Receiver, upload: Upload, turn: Turn | None = None) -> dict[str, str]:
    try:
        return _result(await receiver.finish(upload, turn=turn), upload.size_bytes)
    except (Invalid, TooLarge) as error:
        # The request was fine; the file is not.
        error.status = 422  # type: ignore[union-attr]
        raise


async def create(request: Request, receiver: ThisReceiver, viewer: StaffViewer, event_id: UUID) -> Response:
    """Begin an upload; with a body, write its first bytes, or all of them."""
    if "upload-length" not in request.headers:
        raise tus.BadRequest("Upload-Length is needed; it can't be told later.")
    size_bytes = tus.number(request.headers, "upload-length")
    told = tus.metadata(request.headers)
    brings = _body_length(request) != 0
    if brings:
        tus.check_body_type(request.headers)
        tus.checksum(request.headers)
    by_command = told.source == "command" and request.url.path.startswith(API)
    upload, turn = await receiver.begin(viewer, event_id, size_bytes, told, by_command=by_command)
    location = {"Location": f"{request.url.path}/{upload.id}"}
    if not brings:
        state = _state(receiver, turn)
        receiver.close_turn(turn)
        return Response(status_code=201, headers=location | state)
    return Response(status_code=201, headers=location | await _take(request, receiver, upload, turn))


async def look(receiver: ThisReceiver, viewer: StaffViewer, event_id: UUID, upload_id: UUID) -> Response:
    """How much of a file is here, and what became of it. A request that still writes has lost its turn."""
    upload = await receiver.find(viewer, event_id, upload_id)
    length = {"Upload-Length": str(upload.size_bytes)}
    if upload.outcome is not None:
        return Response(status_code=200, headers=length | await _finish(receiver, upload))
    try:
        turn = await receiver.run(receiver.staging.take_turn, upload.id)
    except NoSuchFile:  # somebody has just finished it
        return Response(status_code=200, headers=length | await _finish(receiver, upload))
    state = _state(receiver, turn)
    receiver.close_turn(turn)
    if turn.offset == upload.size_bytes:
        state = await _finish(receiver, upload)
    return Response(status_code=200, headers=length | state)


async def append(
    request: Request, receiver: ThisReceiver, viewer: StaffViewer, event_id: UUID, upload_id: UUID
) -> Response:
    """Go on with a file where it ends."""
    tus.check_body_type(request.headers)
    offset = tus.number(request.headers, "upload-offset")
    tus.checksum(request.headers)
    upload = await receiver.find(viewer, event_id, upload_id)
    if upload.outcome is not None:
        return _again(offset, upload, await _finish(receiver, upload))
    try:
        turn = await receiver.run(receiver.staging.take_turn, upload.id)
    except NoSuchFile:
        return _again(offset, upload, await _finish(receiver, upload))
    if turn.offset != offset:
        receiver.close_turn(turn)
        raise tus.WrongOffset(f"The file ends at {turn.offset}.")
    return Response(status_code=204, headers=await _take(request, receiver, upload, turn))


def _again(offset: int, upload: Upload, result: dict[str, str]) -> Response:
    """To whoever sends the last bytes once more, because the answer was lost."""
    if offset != upload.size_bytes:
        raise tus.WrongOffset(f"The file ends at {upload.size_bytes}.")
    return Response(status_code=204, headers=result)


async def terminate(receiver: ThisReceiver, viewer: StaffViewer, event_id: UUID, upload_id: UUID) -> Response:
    """Give an upload up."""
    await receiver.terminate(await receiver.find(viewer, event_id, upload_id))
    return Response(status_code=204)


async def otherwise(
    request: Request, receiver: ThisReceiver, viewer: StaffViewer, event_id: UUID, upload_id: UUID
) -> Response:
    """For senders behind something that lets no other methods through."""
    method = request.headers.get("x-http-method-override", "").upper()
    if method == "PATCH":
        return await append(request, receiver, viewer, event_id, upload_id)
    if method == "DELETE":
        return await terminate(receiver, viewer, event_id, upload_id)
    raise tus.BadRequest("X-HTTP-Method-Override is PATCH or DELETE.")


async def capabilities(receiver: ThisReceiver) -> Response:
    """What this server can do."""
    return Response(status_code=204, headers=tus.capabilities(receiver.limits.bytes))


async def which_are_known(
    receiver: ThisReceiver, viewer: StaffViewer, event_id: UUID, asked: known.Question
) -> JSONResponse:
    """Which of these files need not be sent."""
    return JSONResponse({"files": await known.look_up(receiver.sessions, viewer, event_id, asked.files)})


async def room_left(receiver: ThisReceiver, viewer: StaffViewer, event_id: UUID) -> JSONResponse:
    """How much more of whoever asks would fit."""
    return JSONResponse(await room.look_up(receiver.sessions, viewer, event_id))


def _routers(prefix: str, **more: Any) -> tuple[APIRouter, APIRouter]:
    listing, files = APIRouter(prefix=prefix), APIRouter(prefix=prefix, route_class=TusRoute)
    listing.add_api_route("/known", which_are_known, methods=["POST"], **more)
    listing.add_api_route("/room", room_left, methods=["GET"], **more)
    files.add_api_route("", create, methods=["POST"], status_code=201, **more)
    files.add_api_route("", capabilities, methods=["OPTIONS"], status_code=204, **more)
    one = "/{upload_id}"
    files.add_api_route(one, look, methods=["HEAD"], **more)
    for method, act in (("PATCH", append), ("DELETE", terminate), ("POST", otherwise), ("OPTIONS", capabilities)):
        files.add_api_route(one, act, methods=[method], status_code=204, **more)
    return listing, files


routers = (
    *_routers("/studio/{event_id}/uploads", include_in_schema=False),
    *_routers(
        "/api/v1/events/{event_id}/uploads",
        tags=["Uploads (tus 1.0)"],
        responses={408: {"description": "The body stopped coming."}, 460: {"description": "The checksum differs."}},
        openapi_extra=wants(Scope.PHOTOS_WRITE),
    ),
)
