"""CSV that spreadsheets neither run nor spoil, and CSV as they save it."""

import csv
import io

import pytest

from trouvaille.core.errors import Invalid
from trouvaille.core.tables import decode, from_csv, to_csv


@pytest.mark.parametrize("cell", ["=1+1", "+33 1", "-2", "@SUM(A1)", " =1", "\t=1", "\r=1", "＝1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    written = to_csv([["name"], [cell]]).decode("utf-8-sig")
    (_, (read,)) = csv.reader(io.StringIO(written, newline=""))
    assert read == f"'{cell}"


def test_numbers_and_plain_text_stay_as_they_are() -> None:
    assert to_csv([["a", "b"], ["Zoë, “x”", 3]]).decode("utf-8-sig") == 'a,b\r\n"Zoë, “x”",3\r\n'


@pytest.mark.parametrize("text", ["a,b\nc,d\n", "a;b\r\nc;d", "\ufeffa\tb\rc\td\r", '"a","b"\n\n c , d '])
def test_every_usual_separator_and_line_end_is_read(text: str) -> None:
    assert [cells for _, cells in from_csv(text)] == [["a", "b"], ["c", "d"]]


def test_rows_know_the_line_that_they_begin_on() -> None:
    assert from_csv('a,b\n\n"two\nlines",c\nd,e') == [(1, ["a", "b"]), (3, ["two\nlines", "c"]), (5, ["d", "e"])]
    assert from_csv("") == from_csv(" \n,,\n") == []


def test_an_open_quotation_mark_is_told_with_its_line() -> None:
    with pytest.raises(Invalid) as wrong:
        from_csv('a,b\n"c,d\n')
    assert wrong.value.params == {"line": 2}


def test_files_of_older_windows_programs_are_read_and_pictures_are_not() -> None:
    assert decode("Zoë".encode("cp1252")) == decode("Zoë".encode()) == decode("Zoë".encode("utf-8-sig")) == "Zoë"
    with pytest.raises(Invalid):
        decode(b"\x89PNG\0\0")
