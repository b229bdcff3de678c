"""Posters and table cards as PDF. Runs as a process of its own, so that no web process loads the PDF library:

    python -m trouvaille.events.sheets < order.json > sheet.pdf

Lengths are millimetres and sizes of type are points, both for A4; other papers are the same drawing in their scale.
"""

import json
import sys
from dataclasses import dataclass
from typing import Any

import segno
from fpdf import FPDF

PAPERS = {"a4": (210.0, 297.0), "a5": (148.0, 210.0), "cards": (210.0, 297.0)}
# A page of four cards, each of A6.
CARD = (105.0, 148.5)
INK, SOFT, CUT = (22, 22, 21), (91, 91, 87), (190, 190, 185)


@dataclass(frozen=True, slots=True)
class Words:
    """What one page says, in one language."""

    locale: str
    name: str
    facts: str
    lead: str
    steps: tuple[str, str, str]
    by_hand: str
    code: str
    privacy: str


@dataclass(frozen=True, slots=True)
class Order:
    """One PDF: a page for each language. ``accent`` and ``ink`` are ``#rrggbb``; ``fonts`` are files by role.

    The roles: ``display`` and ``text``, and for the letters that these lack ``display_more`` and ``text_more``.
    """

    paper: str
    accent: str
    ink: str
    address: str
    fonts: dict[str, str]
    pages: tuple[Words, ...]

    @classmethod
    def from_json(cls, data: bytes) -> "Order":
        """An order as ``posters.order_of`` makes it."""
        read: dict[str, Any] = json.loads(data)
        pages = tuple(Words(**{**page, "steps": tuple(page["steps"])}) for page in read.pop("pages"))
        return cls(**read, pages=pages)


def _rgb(colour: str) -> tuple[int, int, int]:
    colour = colour.lstrip("#")
    if len(colour) == 3:
        colour = "".join(sign * 2 for sign in colour)
    return int(colour[0:2], 16), int(colour[2:4], 16), int(colour[4:6], 16)


class Sheet:
    """One PDF while it is drawn; every length is multiplied by ``scale`` and moved to the present origin."""

    def __init__(self, order: Order) -> None:
        width_mm, height_mm = PAPERS[order.paper]
        self.order = order
        self.scale, self.left, self.top = width_mm / 210, 0.0, 0.0
        self.qr = segno.make(order.address, error="m", micro=False).matrix
        self.pdf = FPDF(unit="mm", format=(width_mm, height_mm))
        self.pdf.set_auto_page_break(False)
        self.pdf.set_margin(0)
        self.pdf.c_margin = 0
        self.pdf.set_title(order.pages[0].name)
        self.pdf.set_lang(order.pages[0].locale)
        for role in ("display", "text"):
            for more in ("", "_more"):
                axes = {"wght": 650.0, "opsz": 72.0} if role == "display" else {"wght": 500.0}
                self.pdf.add_font(role + more, fname=order.fonts[role + more], variations=axes)
        self.pdf.set_fallback_fonts(["display_more", "text_more"], exact_match=False)

    def font(self, role: str, size_pt: float, colour: tuple[int, int, int] = INK) -> None:
        """Go on in this face, size and colour."""
        self.pdf.set_font(role, size=size_pt * self.scale)
        self.pdf.set_text_color(*colour)

    def box(self, x: float, y: float, width: float, height: float, colour: tuple[int, int, int]) -> None:
        """A filled rectangle."""
        self.pdf.set_fill_color(*colour)
        k = self.scale
        self.pdf.rect(self.left + x * k, self.top + y * k, width * k, height * k, style="F")

    def lines(self, text: str, width: float) -> list[str]:
        """A text broken to a width, in the present font."""
        broken = self.pdf.multi_cell(width * self.scale, text=text, dry_run=True, output="LINES", align="L")
        assert isinstance(broken, list)
        return broken

    def write(self, x: float, y: float, width: float, text: str, *, leading: float, align: str = "L") -> float:
        """A text from its top left corner on; returns where it ends, below."""
        k = self.scale
        for line in self.lines(text, width):
            self.pdf.set_xy(self.left + x * k, self.top + y * k)
            self.pdf.cell(width * k, leading * k, text=line, align=align)
            y += leading
        return y

    def fitted(
        self,
        text: str,
        width: float,
        *,
        most_pt: float,
        least_pt: float,
        rows: int,
        colour: tuple[int, int, int] = INK,
    ) -> list[str]:
        """A text in the largest size in which it takes few rows and no word is broken; the font is set to it."""
        size_pt = most_pt
        while True:
            self.font("display", size_pt, colour)
            lines = self.lines(text, width)
            whole = all(self.pdf.get_string_width(word) <= width * self.scale for word in text.split())
            if (len(lines) <= rows and whole) or size_pt <= least_pt:
                return lines
            size_pt -= 2

    def big(self, x: float, y: float, lines: list[str], width: float) -> float:
        """Lines in the large size that ``fitted`` has set; returns where they end."""
        leading = self.leading()
        for line in lines:
            self.write(x, y, width, line, leading=leading)
            y += leading
        return y

    def leading(self) -> float:
        """The distance of two lines of the present large size."""
        return self.pdf.font_size_pt / self.scale * 0.36

    def code(self, x: float, y: float, side: float) -> None:
        """The QR code, black; the paper around it is its quiet margin of four modules."""
        module = side / len(self.qr)
        for row, bits in enumerate(self.qr):
            column = 0
            while column < len(bits):
                run = 0
                while column + run < len(bits) and bits[column + run]:
                    run += 1
                if run:
                    # A hair more than a module, or viewers show seams between the rows.
                    self.box(x + column * module, y + row * module, run * module, module * 1.02, (0, 0, 0))
                column += max(run, 1)

    def title(self, words: Words, *, width: float, height: float, most_pt: float) -> None:
        """The block in the event's colour: when and where, and the name at its foot."""
        margin = 16
        self.box(0, 0, width, height, _rgb(self.order.accent))
        ink, rows = _rgb(self.order.ink), 2 if height < 110 else 3
        lines = self.fitted(words.name, width - 2 * margin, most_pt=most_pt, least_pt=24, rows=rows, colour=ink)
        self.big(margin - 1, height - margin + 1 - len(lines) * self.leading(), lines, width)
        self.font("text", 19, _rgb(self.order.ink))
        self.write(margin, margin - 3, width - 2 * margin, words.facts, leading=8)

    def poster(self, words: Words) -> None:
        """A whole page."""
        self.title(words, width=210, height=132, most_pt=112)
        self.code(16, 148, 80)
        self.font("display", 30)
        y = self.write(112, 146, 84, words.lead, leading=11.5) + 7
        for number, step in enumerate(words.steps, 1):
            self.font("display", 19)
            self.write(112, y, 10, str(number), leading=8)
            self.font("text", 17)
            y = self.write(121, y, 75, step, leading=7.4) + 3.6
        self.font("text", 15, SOFT)
        self.write(16, 241, 178, words.by_hand, leading=7)
        self.big(15.4, 249, self.fitted(words.code, 178, most_pt=54, least_pt=20, rows=1), 178)
        self.font("text", 11.5, SOFT)
        self.write(16, 274, 178, words.privacy, leading=5)

    def card(self, words: Words) -> None:
        """A quarter of a page; here the scale is half, so the numbers are of A4 again."""
        self.title(words, width=210, height=108, most_pt=84)
        self.code(16, 126, 92)
        self.font("display", 32)
        y = self.write(124, 123, 74, words.lead, leading=12.4) + 8
        self.font("text", 20, SOFT)
        y = self.write(124, y, 74, words.by_hand, leading=8.4) + 3
        self.big(123.6, y, self.fitted(words.code, 74, most_pt=40, least_pt=16, rows=1), 74)
        self.font("text", 17, SOFT)
        lines = len(self.lines(words.privacy, 178))
        self.write(16, 281 - lines * 7.2, 178, words.privacy, leading=7.2)

    def cards(self, words: Words) -> None:
        """Four cards on a page, with lines to cut along."""
        self.scale = 0.5
        for column in range(2):
            for row in range(2):
                self.left, self.top = column * CARD[0], row * CARD[1]
                self.card(words)
        self.pdf.set_draw_color(*CUT)
        self.pdf.set_line_width(0.15)
        self.pdf.set_dash_pattern(1.5, 1.5)
        self.pdf.line(CARD[0], 0, CARD[0], 297)
        self.pdf.line(0, CARD[1], 210, CARD[1])
        self.pdf.set_dash_pattern()

    def draw(self) -> bytes:
        """The whole PDF."""
        for words in self.order.pages:
            self.pdf.add_page()
            if self.order.paper == "cards":
                self.cards(words)
            else:
                self.poster(words)
        return bytes(self.pdf.output())


if __name__ == "__main__":
    sys.stdout.buffer.write(Sheet(Order.from_json(sys.stdin.buffer.read())).draw())
