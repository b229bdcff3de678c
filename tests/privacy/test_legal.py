"""The legal pages say who runs this server and what it really does, in the reader's language or the operator's own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.people import Visitor, another_browser
from trouvaille.app import create_app
from trouvaille.privacy import texts
from trouvaille.privacy.texts import UnreadableText
from trouvaille.settings import Engine, Settings

FILLED = {
    "legal_name": "Studio <Lumière>",
    "legal_address": "1 rue des Lilas\\n75020 Paris",
    "legal_email": "dpo@example.org",
    "legal_authority": "CNIL, 3 place de Fontenoy, 75007 Paris",
    "legal_host": "Some Hosting Ltd, Strasbourg",
}
PAGES = ("notice", "privacy", "terms")


def _site(settings: Settings, **more: object) -> Iterator[Visitor]:
    with TestClient(create_app(settings.model_copy(update=more)), follow_redirects=False) as site:
        yield Visitor(another_browser(site))


@pytest.fixture
def filled(settings: Settings) -> Iterator[Visitor]:
    """A server whose operator has said who they are."""
    yield from _site(settings, **FILLED)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_page_leads_to_the_legal_pages_and_they_are_filled(filled: Visitor, language: str) -> None:
    for path in ("/", "/sign-in", *(f"/legal/{name}" for name in PAGES)):
        page = filled.get(path, headers={"accept-language": language})
        assert page.status_code == 200
        assert all(f'href="/legal/{name}"' in page.text for name in PAGES)
    notice, privacy, terms = (
        filled.get(f"/legal/{name}", headers={"accept-language": language}).text for name in PAGES
    )
    for text in (notice, privacy, terms):
        assert "Studio &lt;Lumière&gt;" in text and "75020 Paris" in text and 'href="mailto:dpo@example.org"' in text
    assert "Some Hosting Ltd" in notice and "CNIL" in privacy and "365" in privacy
    assert f'lang="{language}"' in notice
    assert ("Conditions d’utilisation" if language == "fr" else "Terms of use") in terms


def test_the_old_address_leads_to_the_text(filled: Visitor) -> None:
    answer = filled.get("/privacy")
    assert (answer.status_code, answer.headers["location"]) == (308, "/legal/privacy")
    assert filled.get("/legal/other").status_code in (404, 422)


def test_the_privacy_page_says_what_this_server_really_does(settings: Settings) -> None:
    (here,) = [visitor.get("/legal/privacy").text for visitor in _site(settings, smtp_host=None)]
    assert "compared on this server" in here and "Amazon" not in here
    assert "Letters" not in here and "after 7 days" in here
    there = next(
        visitor.get("/legal/privacy").text
        for visitor in _site(
            settings, engine=Engine.REKOGNITION, rekognition_region="eu-west-1", bin_days=0, audit_days=90
        )
    )
    assert "Amazon Rekognition" in there and "eu-west-1" in there and "compared on this server" not in there
    assert "removed at once" in there and "90 days" in there
    mails = next(
        visitor.get("/legal/privacy").text
        for visitor in _site(
            settings, smtp_host="127.0.0.1", smtp_sender="a@example.org", public_url="http://testserver"
        )
    )
    assert "one tap in each letter" in mails


def test_what_is_missing_is_told_to_administrators_alone(site: TestClient, visitor: Callable[[], Visitor]) -> None:
    administrator, guest = visitor(), visitor()
    administrator.set_up_server()
    administrator.make_event()
    guest.register("PARTY234", "rose")
    for path in ("/studio", "/legal/notice"):
        page = administrator.get(path).text
        assert "TROUVAILLE_LEGAL_NAME" in page and "TROUVAILLE_LEGAL_AUTHORITY" in page
    for somebody in (guest, visitor()):
        page = somebody.get("/legal/notice").text
        assert "TROUVAILLE_" not in page and "has not said yet who they are" in page


def test_a_complete_server_warns_nobody(filled: Visitor) -> None:
    filled.set_up_server()
    assert "TROUVAILLE_LEGAL" not in filled.get("/studio").text + filled.get("/legal/notice").text


def test_an_operators_own_text_takes_the_place_of_ours_in_its_language(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "terms.md").write_text("# Our terms\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", "utf-8")
    (tmp_path / "terms.fr.md").write_text("\ufeff# Nos conditions\n", "utf-8")
    for visitor in _site(settings, legal_texts=tmp_path):
        page = visitor.get("/legal/terms", headers={"accept-language": "en"}).text
        assert "<h1>Our terms</h1>" in page and "<td>1</td>" in page and "<h1>Terms of use</h1>" not in page
        assert "<h1>Nos conditions</h1>" in visitor.get("/legal/terms", headers={"accept-language": "fr"}).text
        assert "<h1>Legal notice</h1>" in visitor.get("/legal/notice").text


@pytest.mark.parametrize(
    ("written", "forbidden"),
    [
        ("<script>alert(1)</script>", "<script"),
        ("[x](javascript:alert(1))", 'href="javascript'),
        ("[x](data:text/html;base64,AAAA)", 'href="data'),
        ("![x](https://tracker.example/a.png)", "<img"),
        ('<a href="https://x.example" onclick="x()">x</a>', "<a href="),
        ('<form action="/x"><input></form>', "<form"),
        ("<style>p{}</style>", "<style"),
    ],
)
def test_an_own_text_brings_no_script_picture_or_form(written: str, forbidden: str) -> None:
    assert forbidden not in texts.rendered(f"Hello\n\n{written}\n\nEnd")
    assert "<p>Hello</p>" in texts.rendered(f"Hello\n\n{written}\n\nEnd")


def test_links_of_an_own_text_stay(settings: Settings) -> None:
    html = texts.rendered("[us](https://example.org) [mail](mailto:a@example.org) **bold**")
    assert 'href="https://example.org"' in html and 'href="mailto:a@example.org"' in html and "<strong>" in html


def test_texts_that_can_not_be_read_are_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UnreadableText, match="no folder"):
        texts.load(tmp_path / "nowhere")
    with pytest.raises(UnreadableText, match="none of"):
        texts.load(tmp_path)
    (tmp_path / "notice.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnreadableText, match="UTF-8"):
        texts.load(tmp_path)
    (tmp_path / "notice.md").write_bytes(b"x" * (texts.LIMIT_BYTES + 1))
    with pytest.raises(UnreadableText, match="larger"):
        texts.load(tmp_path)
