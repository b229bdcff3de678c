"""A guest's gallery on the home screen, as Chromium judges it."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import DESKTOP, PHONE, Instance
from tests.browser.test_journey import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
def phone(instance: Instance, open_page: Callable[..., Page]) -> Page:
    """A guest's phone at the gallery of a new event."""
    desk = open_page(DESKTOP)
    desk.goto(instance.setup)
    desk.get_by_label("Your name").fill("Ada Organiser")
    desk.get_by_label("E-mail").fill("ada@example.org")
    desk.get_by_label("Password", exact=True).fill(PASSWORD)
    desk.get_by_role("button", name="Open the studio").click()
    made = desk.request.post(
        "/studio/new",
        form={
            "name": "Lea & Tom",
            "code": "PARTY234",
            "locales": "en",
            "time_zone": "Europe/Paris",
            "accent": "#b4532a",
            "gallery": "guests",
            "downloads": "original",
        },
    )
    assert made.ok
    phone = open_page(PHONE)
    answer = phone.request.post(
        "/e/PARTY234/register",
        form={"display_name": "Rose", "username": "rose", "email": "rose@example.org", "password": PASSWORD},
    )
    assert answer.ok
    phone.goto("/e/PARTY234/photos?show=all")
    return phone


def test_chromium_finds_nothing_wrong_with_the_app(phone: Page) -> None:
    devtools = phone.context.new_cdp_session(phone)
    read = devtools.send("Page.getAppManifest")
    assert read["url"].endswith("/e/PARTY234/app.webmanifest")
    assert read["errors"] == []
    assert json.loads(read["data"])["name"] == "Lea & Tom"
    found = {each["errorId"] for each in devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]}
    # A context of the tests is a private window, in which nothing can be installed.
    assert found <= {"in-incognito"}
