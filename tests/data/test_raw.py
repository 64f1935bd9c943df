"""Records of every JSON layout, with their places; damage of every kind is one `EpisodeError` that names the line."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.data.parquet import write_rows
from memalpha.data.raw import checked, field, name_of, read_lines, read_records
from memalpha.errors import EpisodeError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=8,
)


def test_json_lines_are_records_with_their_line_numbers(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"a": 1}\n\n  \n{"a": 2}\r\n"b"', encoding="utf-8")
    assert list(read_records(file)) == [(f"{file}:1", {"a": 1}), (f"{file}:4", {"a": 2}), (f"{file}:5", "b")]


def test_a_line_separator_inside_of_text_ends_no_record(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('["x\u2028y\u0085z"]\n', encoding="utf-8")
    assert list(read_records(file)) == [(f"{file}:1: item 0", "x\u2028y\u0085z")]


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_is_read_item_by_item_on_one_line_or_many(tmp_path: Path, indent: int | None) -> None:
    file = tmp_path / "a.json"
    file.write_text("\n" + json.dumps([{"a": 1}, {"a": 2}], indent=indent), encoding="utf-8")
    assert list(read_records(file)) == [(f"{file}:2: item 0", {"a": 1}), (f"{file}:2: item 1", {"a": 2})]


def test_a_list_may_be_one_record(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('["a", "b"]\n{"c": 1}\n', encoding="utf-8")
    assert list(read_records(file, lists=False)) == [(f"{file}:1", ["a", "b"]), (f"{file}:2", {"c": 1})]


@pytest.mark.parametrize("indent", [None, 2])
def test_an_object_is_one_record_on_one_line_or_many(tmp_path: Path, indent: int | None) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"data": [1, 2]}, indent=indent), encoding="utf-8")
    assert list(read_records(file)) == [(f"{file}:1", {"data": [1, 2]})]


def test_json_lines_may_be_called_json_and_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('\ufeff{"a": 1}\n{"a": 2}\n', encoding="utf-8")
    assert [record for _, record in read_records(file)] == [{"a": 1}, {"a": 2}]


def test_gzip_is_unpacked_on_the_way(tmp_path: Path) -> None:
    file = tmp_path / "a.json.gz"
    file.write_bytes(gzip.compress('{"a": "å"}\n'.encode()))
    assert list(read_records(file)) == [(f"{file}:1", {"a": "å"})]


def test_parquet_is_told_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    write_rows(file, {"a": int}, [{"a": 1}, {"a": 2}])
    assert list(read_records(file)) == [(f"{file}: row 0", {"a": 1}), (f"{file}: row 1", {"a": 2})]


def test_lines_are_told_with_their_numbers_in_the_encoding_of_the_file(tmp_path: Path) -> None:
    file, packed = tmp_path / "a.label", tmp_path / "a.label.gz"
    file.write_bytes("one\n \n broth\xf0er \r\n".encode("latin-1"))
    packed.write_bytes(gzip.compress("\ufeffone\n".encode()))
    assert list(read_lines(file, encoding="latin-1")) == [(f"{file}:1", "one"), (f"{file}:3", " broth\xf0er ")]
    assert list(read_lines(packed)) == [(f"{packed}:1", "one")]
    with pytest.raises(EpisodeError, match=f"^{file}: got a file that cannot be read .* expected UTF-8 text"):
        list(read_lines(file))


def test_an_empty_file_has_no_records(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("\n \n", encoding="utf-8")
    assert list(read_records(file)) == []


@given(st.lists(JSON.filter(lambda value: not isinstance(value, list)), max_size=5), st.booleans())
def test_whatever_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[object], packed: bool
) -> None:
    file = tmp_path_factory.mktemp("raw") / ("a.jsonl.gz" if packed else "a.jsonl")
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    file.write_bytes(gzip.compress(data) if packed else data)
    assert [record for _, record in read_records(file)] == rows


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"a": 1}\n{"a": \n', r"a\.jsonl:2: got text that is not JSON \(Expecting value at column 6\)"),
        ("a.jsonl", '{\n"a": 1}\n', r"a\.jsonl:1: got text that is not JSON"),
        (
            "a.json",
            '{"a": 1}\n{"a" 2}\n',
            r"a\.json:2: got text that is not JSON \(Expecting ':' delimiter at column 6\)",
        ),
        ("a.json", '\n[\n{"a": 1},\n{"a" 2}\n]', r"a\.json:4: got text that is not JSON \(Expecting ':' delimiter"),
        ("a.jsonl", "9" * 5000, r"a\.jsonl:1: got text that is not JSON \(Exceeds"),
        ("a.json", "[" * 100_000, r"a\.json:1: got text that is not JSON \(maximum recursion"),
        ("a.jsonl", '{"a": "\\ud83d"}\n', r"a\.jsonl:1: got text that cannot be written as UTF-8 \(.*surrogates"),
    ],
)
def test_text_that_is_not_json_is_named_with_its_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(EpisodeError, match=message):
        list(read_records(tmp_path / name))


@pytest.mark.parametrize("depth", [100, 900, 1000, 3000])
def test_nesting_of_any_depth_is_read_or_refused(tmp_path: Path, depth: int) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"a": ' + "[" * depth + '"\\ud83d\\ude00"' + "]" * depth + "}", encoding="utf-8")
    try:
        assert len(list(read_records(file))) == 1
    except EpisodeError as error:
        assert f"{file}:1: got text that is not JSON" in str(error)


def test_a_whole_pair_of_surrogates_is_a_character(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"a": "\\ud83d\\ude00 and \\\\ud800"}', encoding="utf-8")
    assert list(read_records(file)) == [(f"{file}:1", {"a": "😀 and \\ud800"})]


PACKED = gzip.compress(b'{"a": 1}\n' * 1000, mtime=0)  # workers must collect the same tests


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cut.jsonl.gz", PACKED[:-12]),
        ("flipped.jsonl.gz", PACKED[:20] + b"\xff\xff\xff" + PACKED[23:]),
        ("plain.jsonl.gz", b'{"a": 1}\n'),
        ("bytes.jsonl", b'{"a": "\xff"}\n'),
        ("bytes.jsonl.gz", gzip.compress(b"\xff\xfe", mtime=0)),
        ("parquet.json", b"PAR1\x15\x04\x15\xf0"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(
        EpisodeError, match=rf"{name}: got a file that cannot be read \(.*expected (gzipped )?UTF-8 text"
    ):
        list(read_records(tmp_path / name))


@pytest.mark.parametrize("name", ["absent.jsonl", "absent.jsonl.gz", "."])
def test_a_path_to_no_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(EpisodeError, match="got a file that cannot be read"):
        list(read_records(tmp_path / name))


@given(st.binary(max_size=200), st.sampled_from(["a.json", "a.jsonl", "a.jsonl.gz"]))
def test_any_bytes_are_records_or_an_episode_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str
) -> None:
    file = tmp_path_factory.mktemp("raw") / name
    file.write_bytes(data)
    try:
        list(read_records(file))
    except EpisodeError as error:
        assert str(error).startswith(str(file))


def test_a_field_must_be_there_and_of_its_kind() -> None:
    assert field({"a": "x"}, "a", str, "f:1") == "x"
    for record, message in [
        ([], "f:1: got a list, expected a JSON object with the key 'a'"),
        ({}, "f:1: the key 'a' is missing; add it"),
        ({"a": 3}, "f:1: a: got int, expected text"),
        ({"a": None}, "f:1: a: got null, expected text"),
    ]:
        with pytest.raises(EpisodeError) as caught:
            field(record, "a", str, "f:1")
        assert str(caught.value) == message
    with pytest.raises(EpisodeError, match="f:1: got text, expected a list"):
        checked("x", list, "f:1")


def test_values_have_names_for_people() -> None:
    values: list[object] = ["", [], {}, None, 1.5]
    assert [name_of(value) for value in values] == ["text", "a list", "a JSON object", "null", "float"]
