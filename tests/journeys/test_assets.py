"""The product's own style sheets, scripts and pages on their way to a browser."""

import gzip
import re

from starlette.testclient import TestClient

from trouvaille.web.render import needs, static


def test_texts_go_out_packed_to_whoever_takes_them_and_whole_to_others(site: TestClient) -> None:
    sheet = re.findall(r'href="(/static/[^"]+\.css)"', site.get("/sign-in").text)[0]
    with site.stream("GET", sheet, headers={"Accept-Encoding": "gzip"}) as answer:
        assert (answer.headers["content-encoding"], answer.headers["vary"]) == ("gzip", "Accept-Encoding")
        assert answer.headers["content-type"].startswith("text/css")
        assert "immutable" in answer.headers["cache-control"]
        packed = b"".join(answer.iter_raw())
    whole = site.get(sheet, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in whole.headers
    assert gzip.decompress(packed) == whole.content
    assert len(packed) < len(whole.content) / 3
    etag = whole.headers["etag"]
    assert site.get(sheet, headers={"Accept-Encoding": "identity", "If-None-Match": etag}).status_code == 304


def test_pictures_and_fonts_are_packed_already(site: TestClient) -> None:
    icon = re.findall(r'href="(/static/[^"]+\.svg)"', site.get("/sign-in").text)
    font = re.findall(r"url\((?:/static/)?([^)]+\.woff2)\)", site.get(_sheet(site)).text)
    assert site.get(icon[0], headers={"Accept-Encoding": "gzip"}).headers["content-encoding"] == "gzip"
    address = font[0] if font[0].startswith("/") else f"/static/assets/{font[0].rsplit('/', 1)[-1]}"
    assert "content-encoding" not in site.get(address, headers={"Accept-Encoding": "gzip"}).headers


def test_pages_go_out_packed_to_whoever_takes_them_and_whole_to_others(site: TestClient) -> None:
    with site.stream("GET", "/sign-in", headers={"Accept-Encoding": "gzip"}) as answer:
        assert (answer.headers["content-encoding"], answer.headers["cache-control"]) == ("gzip", "no-store")
        packed = b"".join(answer.iter_raw())
    whole = site.get("/sign-in", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in whole.headers
    assert gzip.decompress(packed) == whole.content
    assert len(packed) == int(answer.headers["content-length"]) < len(whole.content) / 2


def test_a_page_asks_at_once_for_all_the_scripts_that_its_script_needs(site: TestClient) -> None:
    gallery = static("islands/gallery.ts")
    seen: set[str] = set()
    waiting = [gallery]
    while waiting:
        script = waiting.pop()
        found = re.findall(r'(?:from|import)\s*"\./([^"]+\.js)"', site.get(script).text)
        fresh = {f"/static/assets/{name}" for name in found} - seen
        seen |= fresh
        waiting += fresh
    assert seen
    assert set(needs("islands/gallery.ts")) == seen


def _sheet(site: TestClient) -> str:
    return re.findall(r'href="(/static/[^"]+\.css)"', site.get("/sign-in").text)[0]
