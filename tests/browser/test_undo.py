"""Putting back what was removed, as an organiser does it on a phone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Instance
from tests.browser.shots import Shots
from tests.browser.test_axe import _faults
from tests.browser.uploading import make_event, set_up

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def test_an_organiser_takes_removals_back(
    instance: Instance, open_page: Callable[..., Page], samples: dict[str, Path], shots: Shots
) -> None:
    ada = open_page(PHONE)
    set_up(ada, instance.setup)
    base = make_event(ada)

    ada.goto(f"{base}/people")
    ada.get_by_role("button", name="Invite").click()
    expect(ada.get_by_text("Pass this link on")).to_be_visible()
    ada.goto(f"{base}/people")
    ada.get_by_role("button", name="Revoke Link to pass on").click()
    said = ada.get_by_role("status").filter(has_text="The invitation works no longer.")
    expect(said).to_be_visible()
    expect(ada.get_by_role("button", name="Revoke Link to pass on")).to_have_count(0)
    assert _faults(ada) == []
    shots.take(ada, "36-undo-invitation")
    said.get_by_role("button", name="Undo").click()
    expect(ada.get_by_text("It is as it was before.")).to_be_visible()
    expect(ada.get_by_role("button", name="Revoke Link to pass on")).to_be_visible()

    ada.goto(f"{base}/edit")
    ada.get_by_label("Cover").set_input_files(samples["sample3.jpg"])
    cover = ada.locator("#cover")
    cover.get_by_role("button", name="Send").click()
    expect(cover.get_by_role("img", name="The cover")).to_be_visible(timeout=20_000)
    ada.get_by_label("Name", exact=True).fill("Typed and not saved")
    cover.get_by_role("button", name="Remove").click()
    expect(cover.get_by_text("It is removed.")).to_be_visible()
    assert _faults(ada) == []
    shots.take(ada, "37-undo-cover")
    cover.get_by_role("button", name="Undo").click()
    expect(cover.get_by_role("img", name="The cover")).to_be_visible()
    expect(ada.get_by_label("Name", exact=True)).to_have_value("Typed and not saved")
