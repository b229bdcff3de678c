"""The product's own style sheets and scripts on their way to a browser."""

import gzip
import re

from starlette.testclient import TestClient


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


def _sheet(site: TestClient) -> str:
    return re.findall(r'href="(/static/[^"]+\.css)"', site.get("/sign-in").text)[0]
