"""The whole journey, as people do it: an organiser at a desk, a guest with a phone in her hand, in two languages."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Instance
from tests.browser.shots import Shots
from trouvaille.demo.party import GUESTS, selfie_jpeg

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
PASSWORD = "correct horse battery"
ROSE = next(guest for guest in GUESTS if guest.username == "rose")
Open = Callable[..., Page]


def test_from_an_empty_server_to_a_guest_with_her_photos(
    instance: Instance, open_page: Open, samples: dict[str, Path], shots: Shots
) -> None:
    desk = open_page(DESKTOP)
    _set_up(desk, instance, shots)
    code = _make_event(desk, shots)
    desk_address = desk.url

    phone = open_page(PHONE)
    _come_in(phone, code, shots)
    _take_a_selfie(phone, shots)
    expect(phone).to_have_url(re.compile(rf"/e/{code}/photos"))
    expect(phone.get_by_text("New photos appear here by themselves", exact=False)).to_be_visible()
    shots.take(phone, "07-photos-empty")

    # The guest's page stays open while the photographer uploads; she does nothing.
    desk.goto(desk_address)
    with desk.expect_file_chooser() as chooser:
        desk.locator('input[name="photos"]').click()
    chooser.value.set_files([samples[name] for name in ("sample1.jpg", "sample3.jpg", "sample6.jpg", "32bit.png")])
    expect(phone.locator("[data-grid] [data-id]")).to_have_count(len(ROSE.truth), timeout=60_000)
    expect(desk.locator('[data-number="ready"]').first).to_have_text(re.compile("4"), timeout=60_000)
    shots.take(desk, "03-desk")
    shots.take(phone, "08-photos")

    _open_and_download(phone, shots)
    _sign_out_and_in(phone, code)
    expect(phone.locator("[data-grid] [data-id]")).to_have_count(len(ROSE.truth))
    phone.goto(f"/e/{code}/me")
    shots.take(phone, "10-me")
    phone.goto(f"/e/{code}/photos?show=maybe")
    shots.take(phone, "11-maybe")


def _set_up(desk: Page, instance: Instance, shots: Shots) -> None:
    desk.goto("/")
    shots.take(desk, "00-landing")
    desk.goto(instance.setup)
    desk.get_by_label("Your name").fill("Ada Organiser")
    desk.get_by_label("E-mail").fill("ada@example.org")
    desk.get_by_label("Password", exact=True).fill(PASSWORD)
    desk.get_by_role("button", name="Open the studio").click()
    expect(desk).to_have_url(re.compile("/studio$"))
    shots.take(desk, "01-studio-empty")


def _make_event(desk: Page, shots: Shots) -> str:
    desk.get_by_role("link", name="New event").click()
    desk.get_by_label("Name", exact=True).fill("Lea & Tom")
    desk.get_by_label("First day").fill("2027-06-19")
    desk.get_by_label("The photos stay until").fill("2027-09-30")
    desk.locator('input[name="faces"]').check()
    code = desk.get_by_label("Code", exact=True).input_value()
    assert re.fullmatch("[2-9A-HJKMNP-Z]{8}", code)
    shots.take(desk, "02-new-event")
    desk.get_by_role("button", name="Create and open").click()
    expect(desk.get_by_role("heading", name="Lea & Tom")).to_be_visible()
    expect(desk.get_by_alt_text("QR code of the event")).to_be_visible()
    expect(desk.get_by_text(code).first).to_be_visible()
    return code


def _come_in(phone: Page, code: str, shots: Shots) -> None:
    phone.goto("/")
    phone.locator('input[name="code"]').fill(code.lower())
    expect(phone.get_by_text("Lea & Tom")).to_be_visible()
    shots.take(phone, "04a-code")
    phone.keyboard.press("Enter")
    expect(phone.get_by_role("heading", name="Lea & Tom")).to_be_visible()
    shots.take(phone, "04-arrival")
    phone.get_by_role("link", name="Find my photos").click()
    phone.get_by_label("Your name").fill("Rose")
    phone.get_by_label("Username").fill("rose")
    phone.get_by_label("E-mail").fill("rose@example.org")
    phone.get_by_label("Password", exact=True).fill(PASSWORD)
    expect(phone.get_by_text("This username is free.")).to_be_visible()
    agree = phone.locator('input[name="agree"]')
    expect(agree).not_to_be_checked()
    shots.take(phone, "05-register")
    agree.check()
    phone.get_by_role("button", name="Continue").click()
    expect(phone).to_have_url(re.compile("/selfie"))


def _take_a_selfie(phone: Page, shots: Shots) -> None:
    start = phone.get_by_role("button", name="Turn on the camera")
    shutter = phone.get_by_role("button", name="Take the picture")
    expect(start.or_(shutter)).to_be_visible()
    if start.is_visible():
        start.click()
    expect(shutter).to_be_visible()
    _until(lambda: phone.locator("[data-video]").evaluate("video => video.videoWidth") > 0, phone)
    shots.take(phone, "06-camera")
    shutter.click()
    phone.get_by_role("button", name="Use this one").click()


def _until(holds: Callable[[], bool], page: Page) -> None:
    """Playwright's own waiting evaluates text as code, which the pages' security policy forbids."""
    for _ in range(100):
        if holds():
            return
        page.wait_for_timeout(100)
    raise TimeoutError


def _open_and_download(phone: Page, shots: Shots) -> None:
    phone.locator("[data-grid] a[data-view]").first.click()
    expect(phone.locator(".pswp__img").first).to_be_visible()
    phone.wait_for_timeout(600)
    shots.take(phone, "09-lightbox")
    with phone.expect_download() as download:
        phone.locator(".pswp").get_by_role("link", name="Download").click()
        phone.locator(".pswp").get_by_role("link", name="As it was taken").click()
    assert download.value.suggested_filename in ROSE.truth
    phone.go_back()
    expect(phone.locator(".pswp--open")).to_have_count(0)
    expect(phone).to_have_url(re.compile("/photos"))


def _sign_out_and_in(phone: Page, code: str) -> None:
    phone.goto(f"/e/{code}/me")
    phone.get_by_role("button", name="Sign out").click()
    expect(phone).to_have_url(re.compile(f"/e/{code}$"))
    phone.get_by_role("link", name="I already have an account").click()
    phone.get_by_label("Username or e-mail").fill("ROSE")
    phone.get_by_label("Password", exact=True).fill(PASSWORD)
    phone.get_by_role("button", name="Sign in").click()
    expect(phone).to_have_url(re.compile(f"/e/{code}/photos"))


def test_in_french_with_a_selfie_from_a_file_that_is_refused_first(
    instance: Instance, open_page: Open, samples: dict[str, Path], tmp_path: Path, shots: Shots
) -> None:
    desk = open_page(DESKTOP, locale="fr-FR")
    desk.goto("/sign-in")
    desk.get_by_label("Nom d’utilisateur ou e-mail").fill("ada@example.org")
    desk.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    desk.get_by_role("button", name="Se connecter").click()
    expect(desk).to_have_url(re.compile("/studio$"))
    desk.get_by_text("Lea & Tom").first.click()
    address = desk.locator("[data-copy]").get_attribute("data-copy") or ""
    code = address.rsplit("/", 1)[1]
    shots.take(desk, "20-studio-fr")

    phone = open_page(PHONE, locale="fr-FR")
    phone.goto(f"/e/{code}")
    phone.get_by_role("link", name="Trouver mes photos").click()
    for field, text in (("display_name", "Maya"), ("username", "ma"), ("email", "maya@example.org")):
        phone.locator(f'[name="{field}"]').fill(text)
    phone.locator('[name="password"]').fill(PASSWORD)
    phone.get_by_role("button", name="Continuer").click()
    expect(phone.get_by_text("Employez de 3 à 40 lettres", exact=False)).to_be_visible()
    expect(phone.locator('[name="display_name"]')).to_have_value("Maya")
    phone.locator('[name="username"]').fill("maya")
    phone.locator('[name="password"]').fill(PASSWORD)
    phone.locator('input[name="agree"]').check()
    phone.get_by_role("button", name="Continuer").click()
    expect(phone).to_have_url(re.compile("/selfie"))

    maya = next(guest for guest in GUESTS if guest.username == "maya")
    nobody = tmp_path / "nobody.jpg"
    Image.new("RGB", (800, 600), (120, 140, 90)).save(nobody)
    good = tmp_path / "maya.jpg"
    good.write_bytes(selfie_jpeg(maya, samples))
    phone.locator('input[name="selfie"]').set_input_files(samples["sample5.jpg"])
    phone.locator("[data-send]").click()
    expect(phone.get_by_role("heading", name="Où êtes-vous ?")).to_be_visible(timeout=30_000)
    expect(phone.locator(".who__face").first).to_contain_text("Visage 1 en partant de la gauche")
    assert all(face.bounding_box()["height"] >= 44 for face in phone.locator(".who__face").all())
    shots.take(phone, "21-choose-fr")
    phone.get_by_role("link", name="Prendre un autre selfie").click()
    expect(phone).to_have_url(re.compile("again=true"))
    phone.locator('input[name="selfie"]').set_input_files(nobody)
    phone.locator("[data-send]").click()
    expect(phone.get_by_role("heading", name="Nous n’avons pas vu de visage.")).to_be_visible(timeout=30_000)
    shots.take(phone, "21b-refused-fr")
    phone.locator('input[name="selfie"]').set_input_files(good)
    phone.locator("[data-send]").click()
    expect(phone).to_have_url(re.compile(f"/e/{code}/photos"), timeout=30_000)
    expect(phone.locator("[data-grid] [data-id]")).to_have_count(len(maya.truth))
    shots.take(phone, "22-photos-fr")
    # Back from a corrected form shows the form, not the browser's own warning.
    phone.get_by_role("link", name="English").click()
    expect(phone.get_by_role("link", name="Photos", exact=True)).to_be_visible()
    expect(phone).to_have_url(re.compile("lang=en"))
