"""Files as people have them: readable or not, in the form they claim or not."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from kanarya_contracts.problems import InvalidInput
from kanarya_training_job.row_settings import DataSource
from kanarya_training_job.source import Table, read


def read_bytes(path: Path, content: bytes, **source: str) -> Table:
    path.write_bytes(content)
    return read(DataSource(source=str(path), **source))


def problem_of(path: Path, content: bytes, **source: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        read_bytes(path, content, **source)
    (problem,) = caught.value.problems
    return str(problem)


def test_the_digest_is_of_the_bytes_as_they_are(iris: Path) -> None:
    table = read(DataSource(source=str(iris)))
    assert table.sha256 == f"sha256:{hashlib.sha256(iris.read_bytes()).hexdigest()}"
    assert table.frame.shape == (150, 5)
    assert table.source == "iris.csv"


def test_the_iris_file_is_the_one_its_readme_vouches_for(iris: Path) -> None:
    digest = hashlib.sha256(iris.read_bytes()).hexdigest()
    assert iris.with_name("README.md").read_text().count(digest) == 2


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"absent\.csv.*\n.*cannot be read: No such file or directory"):
        read(DataSource(source=str(tmp_path / "absent.csv")))
    with pytest.raises(InvalidInput, match="cannot be read: Is a directory"):
        read(DataSource(source=str(tmp_path)))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty (0 bytes)"),
        (b"\n\n", "is empty (no header, no rows)"),
        (b"a,b,c\n", "has a header with 3 columns and no rows"),
        (b"a,b,a\n1,2,3\n", "line 1: has more than one column named 'a'"),
        (b"a,b\n1,2,3\n", "is not CSV with the separator ','"),
        (b"a,b\n1,2\n1,2,3\n", "is not CSV with the separator ','"),
        (b'a,b\n1,"2\n', "is not CSV"),
        ("a,b\n1,x\n2,größe\n".encode("latin-1"), "line 3: is not utf-8: byte 0xf6 at offset 12; set data.encoding"),
        ("a,b\n1,2\n".encode("utf-16"), "line 1: is not utf-8: byte 0xff at offset 0"),
    ],
)
def test_what_is_wrong_with_a_csv_is_said_with_its_place(tmp_path: Path, content: bytes, problem: str) -> None:
    assert problem in problem_of(tmp_path / "rows.csv", content)


def test_another_encoding_and_separator_are_read_when_they_are_named(tmp_path: Path) -> None:
    table = read_bytes(tmp_path / "rows.csv", "a;b\n1;größe\n".encode("latin-1"), encoding="latin-1", separator=";")
    assert table.frame.to_dict("list") == {"a": [1], "b": ["größe"]}


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert list(read_bytes(tmp_path / "rows.csv", b"\xef\xbb\xbfa,b\n1,2\n").frame.columns) == ["a", "b"]


def test_words_that_look_like_numbers_stay_words(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"zip,x\n01234,1\n")
    assert read(DataSource(source=str(path)), text_columns=["zip"]).frame["zip"].tolist() == ["01234"]


def test_a_number_is_read_to_its_last_bit(tmp_path: Path) -> None:
    assert read_bytes(tmp_path / "rows.csv", b"a\n0.30000000000000004\n").frame["a"].tolist() == [0.1 + 0.2]


def test_parquet_is_known_by_its_name_or_by_the_configuration(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]})
    frame.to_parquet(tmp_path / "rows.parquet")
    content = (tmp_path / "rows.parquet").read_bytes()
    assert read(DataSource(source=str(tmp_path / "rows.parquet"))).frame.equals(frame)
    assert read_bytes(tmp_path / "rows.bin", content, format="parquet").frame.equals(frame)


def test_what_is_not_parquet_is_said(tmp_path: Path) -> None:
    assert "is not Parquet" in problem_of(tmp_path / "rows.parquet", b"a,b\n1,2\n")


def test_parquet_without_rows_is_said(tmp_path: Path) -> None:
    pd.DataFrame({"a": []}).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(InvalidInput, match="has a header with 1 columns and no rows"):
        read(DataSource(source=str(tmp_path / "rows.parquet")))


def test_an_object_without_a_key_is_no_address() -> None:
    with pytest.raises(InvalidInput, match="expected s3://bucket/key"):
        read(DataSource(source="s3://bucket"))
