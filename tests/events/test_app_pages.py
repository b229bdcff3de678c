"""On the home screen: an event's web app manifest, the studio's, and who is offered them."""

import io
import re
from collections.abc import Callable

import pytest
from PIL import Image

from tests.people import Visitor

Visitors = Callable[[], Visitor]
LINK = re.compile(r'<link rel="manifest" href="([^"]+)" crossorigin="use-credentials">')


@pytest.fixture
def owner(visitor: Visitors) -> Visitor:
    owner = visitor()
    owner.set_up_server()
    return owner


def test_a_guests_phone_gets_an_app_of_the_event_that_opens_at_its_gallery(owner: Visitor, visitor: Visitors) -> None:
    owner.make_event(name="Lea & Tom", accent="#b4532a")
    guest = visitor()
    guest.register("PARTY234", "rose")
    [address] = LINK.findall(guest.get("/e/PARTY234/photos").text)
    answer = guest.get(address)
    assert answer.headers["content-type"].startswith("application/manifest+json")
    manifest = answer.json()
    assert (manifest["name"], manifest["theme_color"]) == ("Lea & Tom", "#b4532a")
    assert manifest["start_url"].startswith(manifest["scope"])
    assert manifest["scope"].endswith("/")  # or the event PARTY2345 would be inside it
    assert guest.get(manifest["start_url"]).status_code == 200


def test_every_icon_is_a_picture_of_the_size_it_says(owner: Visitor) -> None:
    [address] = LINK.findall(owner.get("/studio").text)
    icons = owner.get(address).json()["icons"]
    assert {(icon["sizes"], icon["purpose"]) for icon in icons} == {
        (size, purpose) for size in ("192x192", "512x512") for purpose in ("any", "maskable")
    }
    for icon in icons:
        with Image.open(io.BytesIO(owner.get(icon["src"]).content)) as picture:
            assert (picture.format, f"{picture.width}x{picture.height}") == ("PNG", icon["sizes"])
            corner = picture.convert("RGBA").getpixel((0, 0))
        assert isinstance(corner, tuple)
        assert corner[3] == (255 if icon["purpose"] == "maskable" else 0)
    [apple] = re.findall(r'<link rel="apple-touch-icon" href="([^"]+)">', owner.get("/studio").text)
    with Image.open(io.BytesIO(owner.get(apple).content)) as picture:
        assert picture.size == (180, 180)
        assert picture.convert("RGBA").getchannel("A").getextrema() == (255, 255)


def test_nobody_is_offered_an_app_before_they_came_in(owner: Visitor, visitor: Visitors) -> None:
    owner.make_event()
    for path in ("/", "/e/PARTY234", "/e/PARTY234/register"):
        page = visitor().get(path).text
        assert "manifest" not in page and "apple-touch-icon" not in page, path


def test_a_manifest_names_no_picture_of_the_event(
    owner: Visitor, visitor: Visitors, run_jobs: Callable[[], None]
) -> None:
    owner.make_event()
    logo = io.BytesIO()
    Image.new("RGB", (600, 600), "#b4532a").save(logo, "PNG")
    owner.send_picture("logo", logo.getvalue(), "logo.png")
    run_jobs()
    assert "/picture/" in owner.get("/e/PARTY234").text
    assert "/picture/" not in visitor().get("/e/PARTY234/app.webmanifest").text
