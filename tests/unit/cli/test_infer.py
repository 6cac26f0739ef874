"""Rows from a CSV file, as `kanarya infer --file` reads them."""

from pathlib import Path

import pytest

from kanarya_cli.commands.infer import _from_file
from kanarya_contracts.problems import InvalidInput


def test_every_row_that_is_no_row_of_the_header_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("length,width\n5.1,3.5\n4.9\n\n4.7,3.2,1.3\n")
    with pytest.raises(InvalidInput) as caught:
        _from_file(path)
    assert str(caught.value).splitlines() == [
        f"{path}: 2 problems",
        "  line 3: has 1 values, expected 2 as the header has",
        "  line 5: has 3 values, expected 2 as the header has",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"length,width\n", "has no rows; expected a header and at least one row"),
        (b"length,width\n\xff,1\n", "is no CSV in UTF-8: "),
        (b'length,width\n"5.1,3.5\n', "is no CSV in UTF-8: "),
    ],
)
def test_a_file_that_holds_no_rows_is_refused_with_what_it_lacks(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=said):
        _from_file(path)


def test_a_spreadsheets_mark_of_utf_8_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\xef\xbb\xbflength,width\n5.1,3.5\n")
    assert _from_file(path) == [{"length": "5.1", "width": "3.5"}]
