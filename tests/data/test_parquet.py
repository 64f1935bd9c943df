"""Rows in and out of real Parquet files, and each way in which a file can be broken."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from memalpha.data import parquet as module
from memalpha.data.parquet import read_rows, write_rows
from memalpha.errors import EpisodeError, MissingExtraError, OutputError

COLUMNS = {"number": int, "text": str}


def rows(count: int) -> list[dict[str, object]]:
    return [{"number": n, "text": f"line {n} é"} for n in range(count)]


def test_what_is_written_is_read_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    assert write_rows(file, COLUMNS, iter(rows(150))) == 150  # more than one batch
    assert list(read_rows(file)) == [(f"{file}: row {n}", row) for n, row in enumerate(rows(150))]
    assert [each.name for each in tmp_path.iterdir()] == ["a.parquet"]


def test_columns_stand_in_their_order_and_have_their_kinds(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    write_rows(file, COLUMNS, rows(1))
    schema = parquet.read_schema(file)
    assert [(each.name, each.type) for each in schema] == [("number", pyarrow.int64()), ("text", pyarrow.string())]


def test_no_rows_are_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    assert write_rows(file, COLUMNS, []) == 0
    assert list(read_rows(file)) == []


def test_nested_columns_become_lists_and_dicts(tmp_path: Path) -> None:
    file = tmp_path / "hub.parquet"
    parquet.write_table(pyarrow.table({"answers": [{"text": ["a", "b"]}], "label": [3]}), file)
    assert [row for _, row in read_rows(file)] == [{"answers": {"text": ["a", "b"]}, "label": 3}]


def test_a_failure_on_the_way_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    write_rows(file, COLUMNS, rows(2))

    def failing() -> Iterator[dict[str, object]]:
        yield from rows(100)
        raise EpisodeError("the hundredth episode is broken")

    with pytest.raises(EpisodeError, match="hundredth"):
        write_rows(file, COLUMNS, failing())
    assert len(list(read_rows(file))) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["a.parquet"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "absent" / "a.parquet"
    with pytest.raises(OutputError, match="No such file or directory") as caught:
        write_rows(file, COLUMNS, rows(1))
    assert str(caught.value).startswith(f"{file} could not be written")


def test_text_a_cut_file_and_a_pointer_are_named(tmp_path: Path) -> None:
    text, cut, pointer, absent = (tmp_path / f"{name}.parquet" for name in ("text", "cut", "pointer", "absent"))
    text.write_text("no parquet", encoding="utf-8")
    write_rows(cut, COLUMNS, rows(100))
    cut.write_bytes(cut.read_bytes()[:-20])
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", encoding="utf-8")
    for file in (text, cut, absent):
        assert message(file).startswith(f"{file}: row 0: got a file that cannot be read from there on (")
        assert message(file).endswith("), expected whole Parquet; fetch it again")
    assert message(pointer) == (f"{pointer}: got a Git LFS pointer, expected the data it stands for; run: git lfs pull")


def test_a_damaged_page_is_named_with_the_row_from_which_on_nothing_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    table = pyarrow.Table.from_pylist(rows(128), schema=pyarrow.schema({"number": "int64", "text": "string"}))
    parquet.write_table(table, file, row_group_size=64, compression="gzip", use_dictionary=False)
    column = parquet.ParquetFile(file).metadata.row_group(1).column(1)
    data = bytearray(file.read_bytes())
    start, length = column.data_page_offset, column.total_compressed_size
    data[start + length // 2 : start + length] = bytes(length - length // 2)
    file.write_bytes(data)
    seen = []
    with pytest.raises(EpisodeError) as caught:
        seen.extend(read_rows(file))
    assert str(caught.value).startswith(f"{file}: row 64: got a file that cannot be read from there on (")
    assert "\n" not in str(caught.value)


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'memalpha\[data\]'"):
        list(read_rows(tmp_path / "a.parquet"))
    with pytest.raises(MissingExtraError, match="Parquet needs pyarrow"):
        write_rows(tmp_path / "a.parquet", COLUMNS, [])


def message(file: Path) -> str:
    with pytest.raises(EpisodeError) as caught:
        list(read_rows(file))
    assert "\n" not in str(caught.value)
    return str(caught.value)
