"""QR codes, posters and table cards carry the link, in the event's languages."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from PIL import Image

from tests.people import Visitor
from trouvaille.core.errors import Unavailable
from trouvaille.events.posters import draw
from trouvaille.events.sheets import PAPERS, Order, Sheet

Visitors = Callable[[], Visitor]


@pytest.fixture
def owner(visitor: Visitors) -> Visitor:
    owner = visitor()
    owner.set_up_server()
    return owner


@pytest.mark.parametrize("paper", list(PAPERS))
def test_a_sheet_is_a_pdf_with_a_page_for_each_language(owner: Visitor, paper: str) -> None:
    owner.make_event(
        name="Jubilé de l’Œuvre Łódź", place="Île-de-France", starts_on="2027-06-19", locales=["fr", "en"], locale="fr"
    )
    answer = owner.get(f"/studio/{owner.event_id}/print/{paper}.pdf")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")
    assert answer.content.count(b"/Type /Page\n") == 2
    assert len(answer.content) < 100_000


@pytest.mark.anyio
async def test_a_sheet_that_can_not_be_drawn_is_no_fault_of_the_page(anyio_backend: str) -> None:
    with pytest.raises(Unavailable):
        await draw(b"nonsense")


def test_papers_that_there_are_not_are_not_found(owner: Visitor) -> None:
    owner.make_event()
    assert owner.get(f"/studio/{owner.event_id}/print/a0.pdf").status_code == 404


LONG = ("x" * 120, "Y" * 32)
NAMES = [("A", "LEA-TOM"), ("word " * 24, "K7PX2MNW"), ("名前 🎉 Ştefan", "LEATOM")]


@pytest.mark.parametrize(
    ("paper", "name", "code", "at_amazon"),
    [
        *((paper, *LONG, True) for paper in PAPERS),
        *(pytest.param(paper, *each, False, marks=pytest.mark.slow) for paper in PAPERS for each in NAMES),
    ],
)
def test_any_name_and_any_code_fit(paper: str, name: str, code: str, at_amazon: bool) -> None:
    from trouvaille.events.models import Event
    from trouvaille.events.posters import order_of

    event = Event(name=name[:120], code=code, accent="#123456", locales=["en", "fr"], place="", gallery="guests")
    event.faces_attested_at = datetime.now(UTC)
    order = order_of(event, paper=paper, address="https://example.org", at_amazon=at_amazon)
    sheet = Sheet(Order.from_json(json.dumps(order).encode()))
    asked: list[float] = []
    cell = sheet.pdf.cell

    def noted(width: float, *rest: object, text: str, **more: object) -> object:
        asked.append(sheet.pdf.get_string_width(text) / width)
        return cell(width, *rest, text=text, **more)

    sheet.pdf.cell = noted  # type: ignore[method-assign,assignment]
    assert sheet.draw().startswith(b"%PDF")
    assert max(asked) <= 1.001, "something runs over the edge"


def test_the_qr_code_leads_to_the_event(owner: Visitor) -> None:
    cv2 = pytest.importorskip("cv2")
    import numpy as np

    owner.make_event("LEA-TOM")
    png = owner.get(f"/studio/{owner.event_id}/qr.png").content
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    read, *_ = cv2.QRCodeDetector().detectAndDecode(picture)
    assert read == "http://testserver/e/LEA-TOM"
    assert owner.get(f"/studio/{owner.event_id}/qr.svg").text.startswith("<svg")


def test_a_poster_speaks_of_a_selfie_only_where_faces_are_looked_for(owner: Visitor) -> None:
    from trouvaille.events.models import Event, Gallery
    from trouvaille.events.posters import order_of

    event = Event(name="A", code="ABCD", accent="#123456", locales=["en"], place="", gallery=Gallery.EVERYONE)
    (page,) = order_of(event, paper="a4", address="https://example.org")["pages"]  # type: ignore[misc]
    assert "selfie" not in json.dumps(page)
    assert "You need no account." in page["steps"]
