"""Tables as CSV: written so that no spreadsheet takes a cell for a formula, read as spreadsheets write them."""

import csv
import io
from collections.abc import Iterable, Sequence

from trouvaille.core.errors import N_, Invalid

# What spreadsheets begin a formula with, also behind the signs that they skip.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
BOM = "\ufeff"


def _harmless(cell: object) -> str:
    text = str(cell)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def to_csv(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as CSV in UTF-8 with a mark that spreadsheets know it by; text that looks like a formula gets an apostrophe.

    Args:
        rows: the first is the head.
    """
    made = io.StringIO()
    made.write(BOM)
    writer = csv.writer(made)
    for row in rows:
        writer.writerow([cell if isinstance(cell, int) else _harmless(cell) for cell in row])
    return made.getvalue().encode()


def decode(data: bytes) -> str:
    """The text of a file that a spreadsheet saved: UTF-8, or what Windows writes in Western Europe.

    Raises:
        Invalid: it is no text.
    """
    if b"\0" in data:
        raise Invalid(N_("This file is no CSV file. Save the table as “CSV UTF-8” and choose it again."))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def from_csv(text: str) -> list[tuple[int, list[str]]]:
    """Rows with the number of the line that each begins on; empty rows are left out.

    Cells are separated by commas, semicolons or tabs, whichever the first line has most of.

    Raises:
        Invalid: a quotation mark is never closed, or a cell is endless.
    """
    lines = text.lstrip(BOM).replace("\r\n", "\n").replace("\r", "\n")
    first = next((line for line in lines.split("\n") if line.strip()), "")
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(lines), delimiter=separator, strict=True)
    rows, begins = [], 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows.append((begins, cells))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise Invalid(N_("Line %(line)s can’t be read: a quotation mark is missing."), line=begins) from error
    return rows
