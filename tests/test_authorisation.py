"""Who may do what: every route of the application against every kind of viewer.

The routes are taken from the application itself, so a route that is not listed here fails the test.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from fastapi import FastAPI
from httpx2 import Response
from PIL import Image
from starlette.testclient import TestClient

from tests.ingest.sender import BODY, TUS, Sender
from tests.people import PASSWORD, Visitor
from trouvaille import instance
from trouvaille.accounts.models import Role
from trouvaille.core.secrets import token_hash
from trouvaille.news.service import link_token
from trouvaille.settings import Settings

EVERYBODY = {
    *("stranger", "guest", "other guest", "photographer", "other photographer", "organiser", "other organiser"),
    *("administrator", "expired", "revoked"),
}
ORGANISERS = {"organiser", "other organiser", "administrator"}
STAFF = ORGANISERS | {"photographer", "other photographer"}
THE_STAFF = {"organiser", "administrator"}
THE_UPLOADERS = THE_STAFF | {"photographer"}
THE_GUEST = {"guest"}
GUESTS = {"guest", "other guest"}
THE_ADMINISTRATOR = {"administrator"}
SIGNED_IN = EVERYBODY - {"stranger", "expired", "revoked"}

# Who gets through. Everybody else is sent to sign in, or told that it is forbidden or not there.
ALLOWED: dict[str, set[str]] = {
    "GET /": EVERYBODY,
    "GET /go": EVERYBODY,
    "GET /privacy": EVERYBODY,
    "GET /legal/{name}": EVERYBODY,
    "GET /sign-in": EVERYBODY,
    "POST /sign-in": EVERYBODY,
    "POST /sign-in/choose": EVERYBODY,
    "POST /sign-out": EVERYBODY,
    "GET /forgot": EVERYBODY,
    "POST /forgot": EVERYBODY,
    "GET /reset/{token}": EVERYBODY,  # the link is the proof; tests/accounts/test_reset
    "POST /reset/{token}": EVERYBODY,
    "GET /confirm/{token}": EVERYBODY,
    "POST /confirm/{token}": EVERYBODY,
    "GET /account": SIGNED_IN,
    "POST /account/password": SIGNED_IN,
    "POST /account/confirm": SIGNED_IN,
    "POST /account/name": SIGNED_IN,
    "POST /account/email": SIGNED_IN,
    "POST /account/switch": set(),  # to an account that was proved; tests/accounts/test_sessions
    "GET /account/devices": SIGNED_IN,
    "POST /account/devices/revoke-others": SIGNED_IN,
    "POST /account/devices/{session_id}/revoke": THE_GUEST,
    "GET /account/tokens": STAFF,
    "POST /account/tokens": STAFF,
    "POST /account/tokens/{token_id}/revoke": {"organiser"},
    "POST /undo/{removed_id}": set(),  # one’s own; tests/journeys/test_undo
    "GET /account/sign-on": SIGNED_IN,
    "POST /account/sign-on/link": SIGNED_IN,  # without an identity that was proved, back to the page
    "POST /account/sign-on/{identity_id}/unlink": set(),  # one's own; tests/sign_on/test_accounts
    "GET /sign-on/{key}": set(),  # where a provider is set; tests/sign_on
    "GET /sign-on/{key}/callback": set(),
    "GET /e/{code}/sign-on": EVERYBODY,  # without an identity that was proved, on to registering
    "POST /e/{code}/sign-on": EVERYBODY,
    "GET /server/audit": THE_ADMINISTRATOR,
    "GET /server/reset-link": THE_ADMINISTRATOR,
    "POST /server/reset-link": THE_ADMINISTRATOR,
    "GET /api/v1/me": SIGNED_IN,
    "PATCH /api/v1/me": SIGNED_IN,
    "PUT /api/v1/me/email": SIGNED_IN,
    "POST /api/v1/me/email/confirmation": SIGNED_IN,
    "PUT /api/v1/me/password": SIGNED_IN,
    "GET /api/v1/audit": THE_ADMINISTRATOR,
    "GET /api/v1/staff": THE_ADMINISTRATOR,
    "POST /api/v1/staff": THE_ADMINISTRATOR,
    "GET /api/v1/staff/invitations": THE_ADMINISTRATOR,
    "POST /api/v1/staff/invitations": THE_ADMINISTRATOR,
    "DELETE /api/v1/staff/invitations/{invitation_id}": set(),  # it is gone by then; tests/api/test_server
    "GET /api/v1/staff/{staff_id}": THE_ADMINISTRATOR,
    "PUT /api/v1/staff/{staff_id}/role": THE_ADMINISTRATOR,
    "GET /api/v1/staff/{staff_id}/estate": THE_ADMINISTRATOR,
    "POST /api/v1/staff/{staff_id}/delete": THE_ADMINISTRATOR,
    "GET /api/v1/me/sessions": SIGNED_IN,
    "DELETE /api/v1/me/sessions/{session_id}": set(),  # of one's own that is there; tests/api/test_people
    "POST /api/v1/me/sessions/revoke-others": SIGNED_IN,
    "GET /api/v1/me/sign-on": SIGNED_IN,
    "POST /api/v1/sign-in": EVERYBODY,
    "POST /api/v1/sign-out": EVERYBODY,
    "POST /api/v1/forgot": EVERYBODY,
    "POST /api/v1/reset": EVERYBODY,  # the link is the proof; tests/api/test_entry
    "POST /api/v1/confirm": EVERYBODY,
    "GET /api/v1/me/accounts": SIGNED_IN,
    "POST /api/v1/me/switch": SIGNED_IN,  # without a body; to which, tests/api/test_entry
    "GET /api/v1/invitations/{token}": EVERYBODY,  # the link is the proof; tests/api/test_entry
    "POST /api/v1/invitations/{token}/accept": EVERYBODY,
    "DELETE /api/v1/me/sign-on/{identity_id}": set(),  # of one's own; tests/sign_on/test_accounts
    "GET /api/v1/me/tokens": STAFF,
    "DELETE /api/v1/me/tokens/{token_id}": set(),  # of one's own that is there; tests/api/test_people
    "GET /api/v1/events/{event_id}/people": THE_STAFF,
    "POST /api/v1/events/{event_id}/people/invitations": THE_STAFF,
    "DELETE /api/v1/events/{event_id}/people/invitations/{invitation_id}": set(),  # it is gone; tests/api/test_people
    "DELETE /api/v1/events/{event_id}/people/{staff_id}": set(),  # they are gone; tests/api/test_people
    "PUT /api/v1/events/{event_id}/quota": THE_STAFF,
    "PUT /api/v1/events/{event_id}/people/{staff_id}/quota": THE_STAFF,
    "PUT /api/v1/events/{event_id}/hand-over": THE_STAFF,
    "DELETE /api/v1/events/{event_id}/hand-over": THE_STAFF,
    "POST /api/v1/events/{event_id}/hand-over/answer": STAFF,  # 404 without an offer; tests/api/test_people
    "POST /api/v1/guest": EVERYBODY,
    "POST /api/v1/guest/pass": EVERYBODY,
    "POST /api/v1/guest/upgrade": GUESTS,
    "POST /api/v1/guest/join": GUESTS,
    "POST /api/v1/guest/return-link": GUESTS,
    "POST /api/v1/guest/return": EVERYBODY,  # the link is the proof; tests/api/test_entry
    "GET /api/v1/guest/selfie": GUESTS,
    "PUT /api/v1/guest/selfie": GUESTS,
    "PUT /api/v1/guest/selfie/choice": GUESTS,
    "GET /api/v1/guest/messages": GUESTS,
    "POST /api/v1/guest/messages": GUESTS,
    "GET /api/v1/guest/photos": GUESTS,
    "GET /api/v1/guest/photos/{photo_id}": THE_GUEST,
    "PUT /api/v1/guest/photos/{photo_id}/verdict": GUESTS,  # a made-up body; of whose photo, tests/api/test_guest
    "PUT /api/v1/guest/photos/{photo_id}/favourite": THE_GUEST,
    "DELETE /api/v1/guest/photos/{photo_id}/favourite": THE_GUEST,
    "PUT /api/v1/guest/photos/{photo_id}/veil": THE_GUEST,
    "DELETE /api/v1/guest/photos/{photo_id}/veil": THE_GUEST,
    "POST /api/v1/guest/photos/{photo_id}/report": THE_GUEST,
    "POST /api/v1/guest/photos/{photo_id}/near": THE_GUEST,
    "GET /api/v1/guest/consent": GUESTS,
    "PUT /api/v1/guest/consent": GUESTS,
    "DELETE /api/v1/guest/consent": GUESTS,
    "GET /api/v1/guest/news": GUESTS,
    "PUT /api/v1/guest/news": GUESTS,
    "GET /api/v1/guest/data.zip": GUESTS,
    "DELETE /api/v1/guest": GUESTS,  # without their name, which is asked for; tests/api/test_guest
    "GET /api/v1/events/{event_id}/guests.csv": THE_STAFF,
    "GET /api/v1/events/{event_id}/invitations": THE_STAFF,
    "POST /api/v1/events/{event_id}/invitations": THE_STAFF,
    "POST /api/v1/events/{event_id}/invitations/csv": THE_STAFF,
    "POST /api/v1/events/{event_id}/invitations/{invitation_id}/link": THE_STAFF,
    "DELETE /api/v1/events/{event_id}/invitations/{invitation_id}": set(),  # it is gone; tests/api/test_expected
    "GET /api/v1/events/{event_id}/pictures": THE_STAFF,
    "PUT /api/v1/events/{event_id}/pictures/{kind}": THE_STAFF,
    "DELETE /api/v1/events/{event_id}/pictures/{kind}": THE_STAFF,
    "GET /api/v1/events/{event_id}/removed": THE_UPLOADERS,
    "POST /api/v1/events/{event_id}/removed/{removed_id}/put-back": set(),  # one’s own; tests/journeys/test_undo
    "GET /api/v1/events/{event_id}/reminder": THE_STAFF,
    "POST /api/v1/events/{event_id}/reminder/dismiss": THE_STAFF,
    "GET /api/v1/events/{event_id}/requests": THE_STAFF,
    "PUT /api/v1/events/{event_id}/requests/reports/{report_id}": THE_STAFF,
    "PUT /api/v1/events/{event_id}/requests/veils/{veil_id}": THE_STAFF,
    "GET /api/v1/events/{event_id}/requests/near/{near_id}": THE_STAFF,
    "PUT /api/v1/events/{event_id}/requests/near/{near_id}": THE_STAFF,
    "GET /api/v1/events/{event_id}/messages": THE_STAFF,
    "PUT /api/v1/events/{event_id}/messages/read": THE_STAFF,
    "PUT /api/v1/events/{event_id}/messages/{message_id}/read": THE_STAFF,
    "PUT /api/v1/events/{event_id}/messages/{message_id}/answer": THE_STAFF,
    "GET /api/v1/events/by-code/{code}": THE_UPLOADERS,
    "GET /api": EVERYBODY,
    "GET /api/v1/openapi.json": EVERYBODY,
    "GET /api/v1/events": STAFF,
    "POST /api/v1/events": ORGANISERS,
    "GET /api/v1/events/{event_id}": THE_UPLOADERS,
    "PATCH /api/v1/events/{event_id}": THE_STAFF,
    "DELETE /api/v1/events/{event_id}": THE_STAFF,
    "POST /api/v1/events/{event_id}/state": THE_STAFF,
    "POST /api/v1/events/{event_id}/code": THE_STAFF,
    "POST /api/v1/events/{event_id}/extend": THE_STAFF,
    "POST /api/v1/events/{event_id}/faces": THE_STAFF,
    "POST /api/v1/events/{event_id}/duplicate": THE_STAFF,
    "GET /api/v1/events/{event_id}/photos": THE_UPLOADERS,
    "GET /api/v1/events/{event_id}/photos/{photo_id}": THE_UPLOADERS,
    "POST /api/v1/events/{event_id}/photos/acts": THE_UPLOADERS,
    "POST /api/v1/events/{event_id}/photos/{photo_id}/retry": THE_UPLOADERS,
    "DELETE /api/v1/events/{event_id}/photos/{photo_id}": THE_UPLOADERS,
    "GET /api/v1/events/{event_id}/guests": THE_STAFF,
    "GET /api/v1/events/{event_id}/guests/{guest_id}": THE_STAFF,
    "DELETE /api/v1/events/{event_id}/guests/{guest_id}": THE_STAFF,
    "GET /api/v1/check-code": EVERYBODY,
    "POST /api/v1/check-availability": EVERYBODY,  # with a valid code; tests/guests/test_checks
    "GET /setup": set(),  # once there is an account
    "POST /setup": set(),
    "GET /livez": EVERYBODY,
    "GET /readyz": EVERYBODY,
    "GET /metrics": set(),  # with the token alone; tests/operations/test_metrics
    "GET /studio/server/status": THE_ADMINISTRATOR,
    "POST /studio/server/jobs/{job_id}/retry": set(),  # of a job that failed; tests/operations/test_status
    "GET /e/{code}": EVERYBODY,
    "GET /e/{code}/theme.css": EVERYBODY,
    "GET /e/{code}/app.webmanifest": EVERYBODY,
    "GET /e/{code}/offline": THE_GUEST,
    "GET /e/{code}/offline/photos": THE_GUEST,
    "GET /sw.js": EVERYBODY,  # the same script for everybody
    "GET /studio/app.webmanifest": EVERYBODY,  # the product's name and icons, and nothing of anybody
    # The event's own dress, for whoever has its code; a draft's for its staff alone.
    "GET /e/{code}/picture/{picture_id}": EVERYBODY,
    "GET /e/{code}/register": EVERYBODY,
    "POST /e/{code}/register": EVERYBODY,
    "GET /e/{code}/join": {"guest", "other guest"},  # whose event it is goes to the photos
    "POST /e/{code}/join": {"guest", "other guest"},
    "GET /e/{code}/pass": EVERYBODY,  # where the event allows it
    "POST /e/{code}/pass": EVERYBODY,
    "GET /e/{code}/upgrade": THE_GUEST,  # who has an account goes to "Me"
    "POST /e/{code}/upgrade": THE_GUEST,
    "POST /e/{code}/news": THE_GUEST,
    "GET /news/{token}": EVERYBODY,  # the link is the proof; tests/news/test_told
    "POST /news/{token}": EVERYBODY,
    "GET /return/{token}": EVERYBODY,  # the link is the proof; tests/guests/test_pass
    "POST /return/{token}": EVERYBODY,
    "POST /e/{code}/me/return-link": set(),  # with a pass, where mail is sent; tests/guests/test_pass
    "GET /e/{code}/consent": THE_GUEST,
    "POST /e/{code}/consent": THE_GUEST,
    "GET /e/{code}/selfie": THE_GUEST,
    "POST /e/{code}/selfie": THE_GUEST,
    "GET /e/{code}/selfie/status": THE_GUEST,
    # Only while something is asked; who sees it then is tested in journeys/test_which_one.
    "GET /e/{code}/selfie/choice": set(),
    "POST /e/{code}/selfie/choice": THE_GUEST,
    "GET /e/{code}/photos": THE_GUEST,
    "GET /e/{code}/photos/{photo_id}": THE_GUEST,
    "POST /e/{code}/photos/{photo_id}/verdict": THE_GUEST,
    "POST /e/{code}/photos/{photo_id}/favourite": THE_GUEST,
    "POST /e/{code}/photos/gone": THE_GUEST,
    "GET /e/{code}/photos/{photo_id}/ask": THE_GUEST,
    "POST /e/{code}/photos/{photo_id}/report": THE_GUEST,
    "POST /e/{code}/photos/{photo_id}/veil": THE_GUEST,
    "POST /e/{code}/photos/{photo_id}/near": THE_GUEST,
    "GET /studio/{event_id}/requests/near/{near_id}": THE_STAFF,
    "POST /studio/{event_id}/requests/near/{near_id}": THE_STAFF,
    "GET /e/{code}/zip": THE_GUEST,
    "POST /e/{code}/zip": THE_GUEST,
    # The link is the proof, and this one was never made; tests/delivery/test_walls.
    "GET /wall/{token}": set(),
    "GET /wall/{token}/photos": set(),
    "GET /wall/{token}/p/{photo_id}": set(),
    "GET /wall/{token}/qr.svg": set(),
    "GET /wall/{token}/live": set(),
    "GET /studio/{event_id}/wall": THE_STAFF,
    "POST /studio/{event_id}/wall": THE_STAFF,
    "GET /studio/{event_id}/watermark": THE_STAFF,
    "POST /studio/{event_id}/watermark": THE_STAFF,
    "GET /studio/{event_id}/requests": THE_STAFF,
    "POST /studio/{event_id}/requests/reports/{report_id}": THE_STAFF,
    "POST /studio/{event_id}/requests/veils/{veil_id}": THE_STAFF,
    "GET /e/{code}/live": THE_GUEST,
    "GET /e/{code}/p/{photo_id}/original": THE_GUEST | THE_UPLOADERS,
    "GET /e/{code}/p/{photo_id}/download": THE_GUEST | THE_UPLOADERS,
    "GET /e/{code}/p/{photo_id}/{name}": THE_GUEST | THE_UPLOADERS,
    "GET /e/{code}/me": THE_GUEST,
    "GET /e/{code}/me/selfie": THE_GUEST,
    "GET /e/{code}/me/data.zip": THE_GUEST,
    "GET /e/{code}/gone": EVERYBODY,  # without a note of what was erased, on to the event
    "POST /e/{code}/push": THE_GUEST,
    "POST /e/{code}/push/{subscription_id}/remove": THE_GUEST,
    # The old endpoint, and what a notice carries, are the proof; tests/news/test_push.
    "POST /push/renew": set(),
    "POST /push/{token}": set(),
    "POST /e/{code}/me/withdraw": THE_GUEST,
    "POST /e/{code}/me/delete": THE_GUEST,
    "GET /e/{code}/contact": THE_GUEST,
    "POST /e/{code}/contact": THE_GUEST,
    # Leads to where one registers, for whoever holds the token; what it may lead to is tested in guests/.
    "GET /i/{token}": EVERYBODY,
    "GET /studio": STAFF,
    "GET /studio/costs": {"administrator"},
    "GET /studio/new": ORGANISERS,
    "POST /studio/new": ORGANISERS,
    "GET /studio/{event_id}": THE_UPLOADERS,
    "GET /studio/{event_id}/live": THE_UPLOADERS,
    "GET /studio/{event_id}/edit": THE_STAFF,
    "POST /studio/{event_id}/edit": THE_STAFF,
    "POST /studio/{event_id}/faces": THE_STAFF,
    "POST /studio/{event_id}/state": THE_STAFF,
    "POST /studio/{event_id}/code": THE_STAFF,
    "POST /studio/{event_id}/extend": THE_STAFF,
    "POST /studio/{event_id}/reminder/dismiss": THE_STAFF,
    "POST /studio/{event_id}/duplicate": THE_STAFF,
    "POST /studio/{event_id}/{kind}/picture": THE_STAFF,
    "POST /studio/{event_id}/{kind}/remove": THE_STAFF,
    "GET /studio/{event_id}/qr.{kind}": THE_STAFF,
    "POST /studio/{event_id}/photos": THE_UPLOADERS,
    "POST /studio/{event_id}/uploads": THE_UPLOADERS,
    "POST /studio/{event_id}/uploads/known": THE_UPLOADERS,
    "GET /studio/{event_id}/uploads/room": THE_UPLOADERS,
    # An upload is its sender's alone; here it is the photographer's.
    "PATCH /studio/{event_id}/uploads/{upload_id}": {"photographer"},
    "POST /studio/{event_id}/uploads/{upload_id}": {"photographer"},
    "DELETE /studio/{event_id}/uploads/{upload_id}": {"photographer"},
    "POST /api/v1/events/{event_id}/uploads": THE_UPLOADERS,
    "POST /api/v1/events/{event_id}/uploads/known": THE_UPLOADERS,
    "GET /api/v1/events/{event_id}/uploads/room": THE_UPLOADERS,
    "PATCH /api/v1/events/{event_id}/uploads/{upload_id}": {"photographer"},
    "POST /api/v1/events/{event_id}/uploads/{upload_id}": {"photographer"},
    "DELETE /api/v1/events/{event_id}/uploads/{upload_id}": set(),  # it is gone by then; tests/ingest
    # Photographers are asked about a photo of their own; tests/crew/test_photographers knows of others'.
    "GET /studio/{event_id}/photos": THE_UPLOADERS,
    "GET /studio/{event_id}/photos/changes": THE_UPLOADERS,
    "POST /studio/{event_id}/photos/move": THE_UPLOADERS,
    "POST /studio/{event_id}/cover/photo": THE_STAFF,
    "POST /studio/{event_id}/photos/acts": THE_UPLOADERS,
    "POST /studio/{event_id}/photos/{photo_id}/{what}": THE_UPLOADERS,
    "GET /studio/{event_id}/people": THE_STAFF,
    "POST /studio/{event_id}/people/invite": THE_STAFF,
    "GET /studio/{event_id}/camera": THE_UPLOADERS,
    "POST /studio/{event_id}/camera": THE_UPLOADERS,
    "POST /studio/{event_id}/camera/{credential_id}/revoke": set(),  # one that is there; tests/cameras
    "GET /studio/{event_id}/import": THE_UPLOADERS,
    "GET /studio/{event_id}/import/live": THE_UPLOADERS,
    "POST /studio/{event_id}/import/folder": THE_STAFF,
    "POST /studio/{event_id}/import/remote": THE_STAFF,
    # Of an import that is there; tests/imports/test_pages.
    "POST /studio/{event_id}/import/{import_id}/{what}": set(),
    "GET /studio/{event_id}/import/{import_id}/refused.csv": set(),
    "GET /studio/{event_id}/clocks": THE_UPLOADERS,
    "POST /studio/{event_id}/clocks/{key}": set(),  # of a camera that is there; tests/photos/test_clocks
    "POST /studio/{event_id}/people/quotas": THE_STAFF,
    "POST /studio/{event_id}/people/invitations/{invitation_id}/revoke": THE_STAFF,
    "POST /studio/{event_id}/people/{staff_id}/remove": THE_STAFF,
    "POST /studio/{event_id}/hand-over": THE_STAFF,
    "POST /studio/{event_id}/hand-over/withdraw": THE_STAFF,
    "POST /studio/{event_id}/hand-over/answer": set(),  # to whom it is offered; tests/crew/test_handover
    "GET /invitation/{token}": EVERYBODY,  # the link is the proof; tests/crew/test_invitations
    "POST /invitation/{token}": EVERYBODY,
    "GET /server/staff": THE_ADMINISTRATOR,
    "POST /server/staff/invite": THE_ADMINISTRATOR,
    "POST /server/staff/invitations/{invitation_id}/revoke": THE_ADMINISTRATOR,
    "POST /server/staff/{staff_id}/role": THE_ADMINISTRATOR,
    "GET /server/staff/{staff_id}/delete": THE_ADMINISTRATOR,
    "POST /server/staff/{staff_id}/delete": THE_ADMINISTRATOR,
    "GET /studio/{event_id}/print": THE_STAFF,
    "GET /studio/{event_id}/print/{paper}.pdf": THE_STAFF,
    "GET /studio/{event_id}/guests": THE_STAFF,
    "GET /studio/{event_id}/guests.csv": THE_STAFF,
    "GET /studio/{event_id}/guests/{guest_id}": THE_STAFF,
    "POST /studio/{event_id}/guests/{guest_id}/remove": THE_STAFF,
    "GET /studio/{event_id}/invitations": THE_STAFF,
    "POST /studio/{event_id}/invitations": THE_STAFF,
    "POST /studio/{event_id}/invitations/{invitation_id}/link": THE_STAFF,
    "POST /studio/{event_id}/invitations/{invitation_id}/withdraw": THE_STAFF,
    "POST /studio/{event_id}/invitations/{invitation_id}/send": set(),  # where mail is sent; tests/news
    "GET /studio/{event_id}/messages": THE_STAFF,
    "POST /studio/{event_id}/messages/{message_id}/answer": THE_STAFF,
    "POST /studio/{event_id}/messages/read": THE_STAFF,
    "POST /studio/{event_id}/messages/{message_id}/read": THE_STAFF,
    "POST /studio/{event_id}/delete": THE_STAFF,
}
# These end what the others need, so they come last.
DESTRUCTIVE = (
    "POST /account/devices/{session_id}/revoke",
    "POST /account/devices/revoke-others",
    "POST /api/v1/me/sessions/revoke-others",
    "POST /account/tokens/{token_id}/revoke",
    "DELETE /api/v1/guest/consent",
    "POST /e/{code}/me/withdraw",
    "POST /e/{code}/me/delete",
    "POST /studio/{event_id}/invitations/{invitation_id}/link",
    "POST /studio/{event_id}/invitations/{invitation_id}/withdraw",
    "POST /studio/{event_id}/photos/{photo_id}/{what}",
    "DELETE /studio/{event_id}/uploads/{upload_id}",
    "DELETE /api/v1/events/{event_id}/uploads/{upload_id}",
    "DELETE /api/v1/events/{event_id}/photos/{photo_id}",
    "POST /api/v1/events/{event_id}/code",
    "POST /studio/{event_id}/people/invitations/{invitation_id}/revoke",
    "POST /studio/{event_id}/people/{staff_id}/remove",
    # After what the pages have done, there is none for the API.
    "DELETE /api/v1/events/{event_id}/people/invitations/{invitation_id}",
    "DELETE /api/v1/staff/invitations/{invitation_id}",
    "DELETE /api/v1/events/{event_id}/invitations/{invitation_id}",
    "DELETE /api/v1/events/{event_id}/people/{staff_id}",
    "DELETE /api/v1/me/sessions/{session_id}",
    "DELETE /api/v1/me/tokens/{token_id}",
    "POST /studio/{event_id}/delete",
    "POST /sign-out",
    "POST /api/v1/sign-out",
)


def _routes(app: FastAPI) -> Iterator[str]:
    for route in app.routes:
        contexts = route.effective_route_contexts() if hasattr(route, "effective_route_contexts") else [route]
        for context in contexts:
            for method in getattr(context, "methods", None) or ():
                if method in {"GET", "POST", "PUT", "PATCH", "DELETE"}:
                    yield f"{method} {context.path}"


@dataclass
class World:
    """Two events with a photo and a guest each, and somebody of every kind."""

    people: dict[str, Visitor]
    fill: dict[str, str]


def _jpeg() -> bytes:
    made = io.BytesIO()
    Image.effect_noise((320, 240), 60).convert("RGB").save(made, "JPEG")
    return made.getvalue()


@pytest.fixture
def world(
    settings: Settings,
    site: TestClient,
    visitor: Callable[[], Visitor],
    run_jobs: Callable[[], None],
    samples: dict[str, Path],
) -> World:
    people = {kind: visitor() for kind in EVERYBODY}
    administrator = people["administrator"]
    administrator.set_up_server()
    for kind in ("organiser", "other organiser"):
        email = f"{kind.replace(' ', '-')}@example.org"
        instance.create_staff(settings, email=email, name=kind, password=PASSWORD, role=Role.ORGANISER)
        assert people[kind].sign_in(email).headers["location"] == "/studio"
    organiser = people["organiser"]
    organiser.make_event("MINE2345", gallery="guests", guest_pass="yes")
    people["other organiser"].make_event("THEIRS23", gallery="guests")
    (photo,) = organiser.upload(("photo.jpg", _jpeg()))["accepted"]
    for kind, host in (("photographer", organiser), ("other photographer", people["other organiser"])):
        people[kind].accept(host.invite(), f"{kind.replace(' ', '-')}@example.org")
        people[kind].event_id = host.event_id
    (own_photo,) = people["photographer"].upload(("own.jpg", _jpeg()))["accepted"]
    upload = Sender(people["photographer"].browser, f"/studio/{organiser.event_id}/uploads").create(10)
    (spare,) = organiser.upload(("spare.jpg", _jpeg()))["accepted"]
    (own_spare,) = people["photographer"].upload(("own-spare.jpg", _jpeg()))["accepted"]
    organiser.invite()
    administrator.invite("/server/staff")
    for kind, code in (
        ("guest", "MINE2345"),
        ("other guest", "THEIRS23"),
        ("expired", "MINE2345"),
        ("revoked", "MINE2345"),
    ):
        people[kind].register(code, kind.replace(" ", "."))
        people[kind].agree()
    from trouvaille.demo.party import GUESTS, selfie_jpeg

    people["guest"].send_selfie(selfie_jpeg(GUESTS[2], samples))
    run_jobs()
    visitor().sign_in("guest")
    people["organiser"].post("/account/tokens", {"name": "script", "scopes": "account:read"})
    token = people["revoked"].browser.cookies["trouvaille"]
    people["revoked"].post("/sign-out")
    people["revoked"].browser.cookies["trouvaille"] = token
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute(
            "UPDATE sessions SET expires_at = now() - interval '1 second'"
            " WHERE subject_id = (SELECT id FROM guests WHERE username = 'expired')"
        )
        # A match, so that the guest has something to answer.
        connection.execute(
            "INSERT INTO matches (guest_id, photo_id, event_id, similarity, tier, created_at)"
            " SELECT guests.id, photos.id, photos.event_id, 0.9, 'sure', now() FROM guests, photos"
            " WHERE guests.username = 'guest'"
        )
        second = "SELECT id FROM sessions WHERE subject_id = (SELECT id FROM guests WHERE username = 'guest')"
        (session_id,) = connection.execute(f"{second} ORDER BY created_at DESC LIMIT 1").fetchone() or ("",)
        (staff_id,) = connection.execute(
            "SELECT staff_id FROM event_photographers, events WHERE code = 'MINE2345' AND id = event_id"
        ).fetchone() or ("",)
        invitations = dict(connection.execute("SELECT role, id FROM invitations").fetchall())
        (token_id,) = connection.execute("SELECT id FROM api_tokens").fetchone() or ("",)
        connection.execute("UPDATE events SET expires_at = now() + interval '90 days'")
    organiser.send_picture("cover", _jpeg())
    run_jobs()
    guest_token = "t" * 43
    with psycopg.connect(settings.database_url or "") as connection:
        guest_id, message_id, guest_invitation_id = (uuid4() for _ in range(3))
        # Somebody whom it does not matter to lose, with a message, and an invitation.
        connection.execute(
            "INSERT INTO guests (id, event_id, username, email, display_name, password_hash, locale, created_at)"
            " VALUES (%s, %s, 'extra', 'extra@example.org', 'Extra', '', 'en', now())",
            (guest_id, organiser.event_id),
        )
        connection.execute(
            "INSERT INTO messages (id, event_id, guest_id, text, created_at) VALUES (%s, %s, %s, 'Hello', now())",
            (message_id, organiser.event_id, guest_id),
        )
        connection.execute(
            "INSERT INTO guest_invitations (id, event_id, name, email, token_hash, created_at)"
            " VALUES (%s, %s, 'Lily', 'expected@example.org', %s, now())",
            (guest_invitation_id, organiser.event_id, token_hash(guest_token)),
        )
        report_id, veil_id = uuid4(), uuid4()
        asked = {"event": organiser.event_id, "photo": photo["id"], "guest": guest_id}
        connection.execute(
            "INSERT INTO reports (id, event_id, photo_id, guest_id, reason, text, state, created_at)"
            " VALUES (%(id)s, %(event)s, %(photo)s, %(guest)s, 'other', '', 'open', now())",
            asked | {"id": report_id},
        )
        connection.execute(
            "INSERT INTO veils (id, event_id, photo_id, guest_id, box_xyxy, state, created_at)"
            " VALUES (%(id)s, %(event)s, %(photo)s, %(guest)s, '{0,0,1,1}', 'asked', now())",
            asked | {"id": veil_id},
        )
        connection.execute(
            "INSERT INTO near_requests (id, event_id, photo_id, guest_id, text, state, created_at)"
            " VALUES (%(id)s, %(event)s, %(photo)s, %(guest)s, '', 'open', now())",
            asked | {"id": report_id},
        )
        # A browser of the guest that is told.
        subscription_id = uuid4()
        connection.execute(
            "INSERT INTO push_subscriptions"
            " (id, guest_id, event_id, session_id, endpoint_hash, sealed, service, created_at, failures)"
            " SELECT %s, id, event_id, %s, '', '', 'push.example', now(), 0 FROM guests WHERE username = 'guest'",
            (subscription_id, session_id),
        )
        (picture_id,) = connection.execute("SELECT id FROM event_pictures").fetchone() or ("",)
    site.app.state.site.hub.closing.set()  # type: ignore[attr-defined]
    fill = {"code": "MINE2345", "event_id": organiser.event_id, "photo_id": photo["id"], "name": "thumb", "kind": "svg"}
    fill |= {"session_id": str(session_id), "token_id": str(token_id), "token": "no-such-link"}
    fill |= {"credential_id": str(uuid4())}
    fill |= {"job_id": "987654321", "key": "oidc", "identity_id": str(uuid4())}
    fill |= {"staff_id": str(staff_id), "own_photo_id": own_photo["id"]}
    fill |= {"invitation_id": str(invitations["photographer"]), "server_invitation_id": str(invitations["organiser"])}
    fill |= {"picture_id": str(picture_id), "paper": "a5", "guest_token": guest_token}
    fill |= {"news_token": link_token(site.app.state.site.vault, guest_id)}  # type: ignore[attr-defined]
    fill |= {"subscription_id": str(subscription_id)}
    fill |= {"report_id": str(report_id), "near_id": str(report_id), "veil_id": str(veil_id), "ids": photo["id"]}
    fill |= {"guest_id": str(guest_id), "message_id": str(message_id), "guest_invitation_id": str(guest_invitation_id)}
    fill |= {"upload_id": upload.headers["location"].rsplit("/", 1)[1]}
    # The API deletes other photos than the page does.
    fill |= {f"spare of {photo['id']}": spare["id"], f"spare of {own_photo['id']}": own_spare["id"]}
    return World(people, fill)


FORMS: dict[str, dict[str, str]] = {
    "POST /sign-in": {"identifier": "nobody", "password": "nothing"},
    "POST /e/{code}/register": {"username": "!"},
    "POST /e/{code}/join": {"username": "!"},
    "POST /e/{code}/consent": {"agree": "yes"},
    "POST /e/{code}/photos/{photo_id}/verdict": {"answer": "yes"},
    "POST /e/{code}/photos/{photo_id}/report": {"reason": "other"},
    "POST /studio/{event_id}/requests/reports/{report_id}": {"do": "dismiss"},
    "POST /studio/{event_id}/requests/veils/{veil_id}": {"do": "decline"},
    "POST /e/{code}/me/withdraw": {"confirm": "yes"},
    "POST /e/{code}/me/delete": {"username": "guest"},
    "POST /studio/{event_id}/delete": {"name": "Lea & Tom"},
    "POST /studio/{event_id}/photos/acts": {"act": "retry", "all": "yes"},
    "POST /studio/{event_id}/hand-over": {"to": "nobody@example.org"},
    "POST /server/staff/{staff_id}/role": {"role": "photographer"},
    "POST /studio/{event_id}/state": {"to": "open"},
    "POST /studio/{event_id}/extend": {"days": "30"},
    "POST /e/{code}/contact": {"text": "Hello"},
    "POST /studio/{event_id}/messages/{message_id}/answer": {"text": "Hello"},
    "POST /studio/{event_id}/edit": {
        "name": "Lea & Tom",
        "code": "MINE2345",
        "accent": "#b4532a",
        "gallery": "guests",
        "downloads": "original",
        "locales": "fr",
        "time_zone": "Europe/Paris",
        "guest_pass": "yes",
    },
}


UPLOAD = {**TUS, **BODY, "upload-length": "10", "upload-offset": "0", "x-http-method-override": "PATCH"}


def _ask(visitor: Visitor, route: str, fill: dict[str, str]) -> Response:
    method, path = route.split(" ", 1)
    if path.startswith(("/server/", "/api/v1/staff/")):
        fill = fill | {"invitation_id": fill["server_invitation_id"]}
    elif path.startswith(("/studio/{event_id}/invitations/", "/api/v1/events/{event_id}/invitations/")):
        fill = fill | {"invitation_id": fill["guest_invitation_id"]}
    elif path.startswith("/i/"):
        fill = fill | {"token": fill["guest_token"]}
    elif path.startswith("/news/"):
        fill = fill | {"token": fill["news_token"]}
    elif path.startswith("/legal/"):
        fill = fill | {"name": "notice"}
    path = path.replace("{what}", "delete")
    if method == "DELETE" and path.endswith("/{photo_id}") and "/guest/" not in path:
        fill = fill | {"photo_id": fill[f"spare of {fill['photo_id']}"]}
    if "/{kind}/" in path or path.endswith("/{kind}"):
        path = path.replace("{kind}", "logo")
    for name, value in fill.items():
        path = path.replace(f"{{{name}}}", value)
    if route == "GET /go":
        path += f"?code={fill['code']}"
    if path.endswith("/uploads/known"):
        return visitor.browser.post(path, json={"files": []})
    if "/uploads" in path:
        return visitor.browser.request(method, path, headers=UPLOAD)
    if method not in ("GET", "POST"):
        return visitor.browser.request(method, path)
    return visitor.get(path) if method == "GET" else visitor.post(path, dict(FORMS.get(route, {})))


def _was_let_in(answer: Response) -> bool:
    """Refused is whoever is sent to sign in, forbidden, or told that there is nothing; all else was let in."""
    assert answer.status_code < 500, answer.text
    if answer.status_code == 303:
        return not answer.headers["location"].startswith("/sign-in?")
    return answer.status_code not in (401, 403, 404)


def test_every_route_lets_in_exactly_those_who_may(world: World, site: TestClient) -> None:
    routes = list(_routes(site.app))  # type: ignore[arg-type]
    assert sorted(routes) == sorted(ALLOWED), "list every route of the application here"
    ordered = [route for route in routes if route not in DESTRUCTIVE] + [r for r in DESTRUCTIVE if r in routes]
    order = ["stranger", "expired", "revoked", "other guest", "other organiser", "other photographer"]
    order += ["guest", "photographer", "administrator", "organiser"]
    wrong = []
    for route in ordered:
        who_may = ALLOWED[route]
        for kind in order:
            if route in DESTRUCTIVE and kind == "organiser" and "administrator" in who_may:
                continue  # the administrator has just done it
            own = {"photo_id": world.fill["own_photo_id"]} if kind == "photographer" else {}
            answer = _ask(world.people[kind], route, world.fill | own)
            if route == "POST /sign-in/choose":
                continue  # leads everybody without a ticket to the same place
            if _was_let_in(answer) != (kind in who_may):
                wrong.append(f"{kind}: {route} -> {answer.status_code} {answer.headers.get('location', '')}")
    assert wrong == [], "\n".join(wrong)


def test_a_change_asked_for_by_another_site_is_refused(world: World) -> None:
    organiser = world.people["organiser"]
    path = f"/studio/{organiser.event_id}/delete"
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        answer = organiser.browser.post(path, data={"name": "Lea & Tom"}, headers=headers)
        assert answer.status_code == 403
    same = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
    assert organiser.browser.post(path, data={"name": "wrong"}, headers=same).status_code == 422


def test_every_change_asked_for_by_another_site_is_refused(world: World, site: TestClient) -> None:
    evil = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    for route in _routes(site.app):  # type: ignore[arg-type]
        method, path = route.split(" ", 1)
        if method != "GET":
            for name, value in world.fill.items():
                path = path.replace(f"{{{name}}}", value)
            for header, value in evil.items():
                answer = world.people["administrator"].browser.request(method, path, headers={header: value})
                assert answer.status_code == 403, route


def test_every_answer_carries_the_security_headers(world: World) -> None:
    for path in ("/", "/nothing-here", "/e/MINE2345/photos"):
        headers = world.people["stranger"].get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_the_page_asked_for_before_signing_in_is_never_another_sites(world: World) -> None:
    visitor = world.people["stranger"]
    for wish in ("https://evil.example", "//evil.example", "/studio//evil.example", "/e/THEIRS23/photos"):
        answer = visitor.sign_in("organiser@example.org", next=wish)
        assert answer.headers["location"] == "/studio"
