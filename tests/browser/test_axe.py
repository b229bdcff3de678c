"""No page has a fault that axe-core finds by WCAG 2.2 AA: on a phone in light, on a desk in dark."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Instance
from tests.test_authorisation import ALLOWED
from trouvaille.demo.party import GUESTS, selfie_jpeg

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
AXE = (Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js").read_text()
PASSWORD = "correct horse battery"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
VIEWS = [({"width": 360, "height": 780}, "light"), ({"width": 1440, "height": 900}, "dark")]
CODE = "AXE23456"

# Pages by who looks at them; the addresses stand for the routes in the same words.
PAGES: dict[str, list[str]] = {
    "stranger": [
        "/",
        "/go?code=NOSUCH99",
        "/sign-in",
        "/forgot",
        "/privacy",
        "/api",
        "/setup",
        "/reset/{none}",
        "/confirm/{none}",
        "/invitation/{invitation}",
        "/invitation/{none}",
        "/return/{none}",
        "/i/{none}",
        "/wall/{wall}",
        "/wall/{none}",
        "/e/{code}",
        "/e/NOSUCH99",
        "/e/{code}/register",
        "/e/{code}/pass",
        "/e/{code}/sign-on",
        "/e/{code}/gone",
        "/legal/{page}",
        "/news/{none}",
        "/sign-on/{none}",
    ],
    "newcomer": ["/e/{code}/consent", "/e/{code}/upgrade"],
    "guest": [
        "/account",
        "/account/devices",
        "/account/sign-on",
        "/e/{code}/selfie?again=true",
        "/e/{code}/photos",
        "/e/{code}/photos?show=maybe",
        "/e/{code}/photos?show=favourites",
        "/e/{code}/photos?show=all",
        "/e/{code}/photos/{photo}?show=all",
        "/e/{code}/photos/{photo}/ask",
        "/e/{code}/me",
        "/e/{code}/offline",
        "/e/{code}/contact",
        "/e/{other}/join",
    ],
    "owner": [
        "/account/tokens",
        "/studio",
        "/studio/new",
        "/studio/{event}",
        "/studio/{event}?show=no_faces",
        "/studio/{event}/edit",
        "/studio/{event}/people",
        "/studio/{event}/guests",
        "/studio/{event}/guests/{guest}",
        "/studio/{event}/invitations",
        "/studio/{event}/messages",
        "/studio/{event}/requests",
        "/studio/{event}/wall",
        "/studio/{event}/watermark",
        "/studio/{event}/print",
        "/studio/{event}/camera",
        "/studio/{event}/clocks",
        "/studio/{event}/import",
        "/studio/server/status",
        "/server/staff",
        "/server/staff/{staff}/delete",
        "/server/audit",
        "/server/reset-link",
    ],
}
# What answers with something else than a page, or with a page that is shown at its own moment.
NO_PAGES = re.compile(
    r"/api/v1|\.css$|\.csv$|\.pdf$|\{kind\}|/livez|/readyz|/metrics|/picture/|/selfie/status|/selfie/choice|/zip$|/live$"
    r"|/p/\{photo_id\}|/me/selfie|/callback|/room$|\.svg$|/wall/\{token\}/photos|/studio/costs|/me/data|/photos/changes|/offline/photos"
    r"|/refused\.csv|/import/live|/near/\{near_id\}|/studio/\{event_id\}/photos$|\.webmanifest$|\.js$"
)


def _as_pattern(route: str) -> str:
    return re.sub(r"\{\w+\}", "*", route)


def test_every_page_of_the_product_is_looked_at() -> None:
    routes = {_as_pattern(each[4:]) for each in ALLOWED if each.startswith("GET ") and not NO_PAGES.search(each)}
    listed = {_as_pattern(each.partition("?")[0]) for pages in PAGES.values() for each in pages}
    assert routes - listed == set()


def _post(page: Page, path: str, origin: str, **form: Any) -> Any:
    files = {"multipart": form} if any(isinstance(each, dict) for each in form.values()) else {"form": form}
    answer = page.request.post(path, headers={"Origin": origin}, max_redirects=0, **files)  # type: ignore[arg-type]
    assert answer.status in (200, 202, 303), (path, answer.status, answer.text()[:500])
    return answer


@pytest.fixture(scope="module")
def people(
    instance: Instance, chromium: Browser, samples: dict[str, Path]
) -> Iterator[tuple[dict[str, Page], dict[str, str]]]:
    """Somebody of every kind, and what fills the addresses."""
    pages = {
        who: chromium.new_context(base_url=instance.address, locale="en", permissions=["camera"]).new_page()
        for who in PAGES
    }
    site, owner, guest = instance.address, pages["owner"], pages["guest"]
    token = instance.setup.partition("token=")[2]
    _post(owner, "/setup", site, token=token, display_name="Ada", email="ada@example.org", password=PASSWORD)
    fill = {"none": "no-such-link", "page": "terms", "code": CODE, "other": "AXE34567"}
    for code in (fill["other"], CODE):
        form = {"name": "Lea & Tom", "code": code, "locales": "en", "time_zone": "Europe/Paris", "accent": "#b4532a"}
        form |= {"gallery": "guests", "downloads": "original", "guest_pass": "yes", "faces": "yes"}
        made = _post(owner, "/studio/new", site, **form)
        fill["event"] = made.headers["location"].rsplit("/", 1)[1]
    desk = f"/studio/{fill['event']}"
    for name in ("sample1.jpg", "sample3.jpg"):
        photo = {"name": name, "mimeType": "image/jpeg", "buffer": samples[name].read_bytes()}
        _post(owner, f"{desk}/photos", site, photos=photo)
    for who, name in (("guest", "rose"), ("newcomer", "")):
        if name:
            more = {"username": name, "email": f"{name}@example.org", "password": PASSWORD, "agree": "yes"}
            _post(pages[who], f"/e/{CODE}/register", site, display_name="Rose", **more)
        else:
            _post(pages[who], f"/e/{CODE}/pass", site, display_name="Lily")
    rose = next(each for each in GUESTS if each.username == "rose")
    selfie = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": selfie_jpeg(rose, samples)}
    _post(guest, f"/e/{CODE}/selfie", site, selfie=selfie)
    for _ in range(300):
        if "data-id" in guest.request.get(f"/e/{CODE}/photos").text():
            break
        guest.wait_for_timeout(200)
    fill["photo"] = re.findall(r'data-id="([0-9a-f-]{36})"', guest.request.get(f"/e/{CODE}/photos").text())[0]
    _post(guest, f"/e/{CODE}/photos/{fill['photo']}/favourite", site, on="yes")
    _post(guest, f"/e/{CODE}/photos/{fill['photo']}/report", site, reason="other", text="Please look at this one.")
    _post(guest, f"/e/{CODE}/contact", site, text="Hello")
    invited = _post(owner, f"{desk}/people/invite", site, email="").text()
    fill["invitation"] = re.findall(r"/invitation/([\w-]+)", invited)[0]
    _post(owner, f"{desk}/invitations", site, people="Mia, mia@example.org")
    _post(owner, f"{desk}/wall", site, shows="general", seconds="7", shows_code="yes")
    fill["wall"] = re.findall(r"/wall/([\w-]{20,})", owner.request.get(f"{desk}/wall").text())[0]
    fill["guest"] = re.findall(rf"{desk}/guests/([0-9a-f-]{{36}})", owner.request.get(f"{desk}/guests").text())[0]
    staff = pages["owner"].request.get("/server/staff").text()
    fill["staff"] = (re.findall(r"/server/staff/([0-9a-f-]{36})", staff) or ["no-such-link"])[0]
    yield pages, fill
    for page in pages.values():
        page.context.close()


def _faults(page: Page) -> list[str]:
    page.evaluate(AXE)
    result = page.evaluate("tags => axe.run({ runOnly: tags })", TAGS)
    return [
        f"{fault['id']}: {node['html'][:160]} ({node['failureSummary'].splitlines()[-1].strip()[:160]})"
        for fault in result["violations"]
        for node in fault["nodes"][:3]
    ]


@pytest.mark.parametrize("who", list(PAGES))
@pytest.mark.parametrize("view", [VIEWS[0], pytest.param(VIEWS[1], marks=pytest.mark.slow)], ids=["phone", "desk"])
def test_axe_finds_no_fault(
    people: tuple[dict[str, Page], dict[str, str]], who: str, view: tuple[dict[str, int], str]
) -> None:
    pages, fill = people
    page, wrong = pages[who], []
    size, light = view
    for path in PAGES[who]:
        address = path.format(**fill)
        page.goto(address, wait_until="load")
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.emulate_media(color_scheme=light, reduced_motion="reduce")  # type: ignore[arg-type]
        page.wait_for_timeout(100)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > size["width"]:
            wrong.append(f"{path} at {size['width']} px is {wide} px wide")
        wrong += [f"{path} ({light}): {fault}" for fault in _faults(page)]
    assert wrong == [], "\n".join(wrong)
