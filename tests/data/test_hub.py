"""The hub through the real `datasets`, offline: a local folder that is laid out like a data set of the hub."""

import json
from pathlib import Path

import pytest

from memalpha.data import hub as module
from memalpha.data.hub import HubSet, name_of_place, read_place
from memalpha.data.sources import csabstruct
from memalpha.errors import EpisodeError, MissingExtraError
from memalpha.records import Episode

ROWS = [{"id": str(n), "answers": {"text": ["a"], "answer_start": [n]}} for n in range(3)]


def write(folder: Path, rows: list[dict[str, object]]) -> None:
    folder.mkdir()
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_rows_come_with_their_places(tmp_path: Path) -> None:
    write(tmp_path / "set", ROWS)
    place = HubSet(name=str(tmp_path / "set"))
    assert list(read_place(place)) == [(f"hub:{tmp_path / 'set'}:train: row {n}", row) for n, row in enumerate(ROWS)]


def test_a_file_is_read_as_ever(tmp_path: Path) -> None:
    write(tmp_path / "set", ROWS)
    file = tmp_path / "set" / "train.jsonl"
    assert list(read_place(file)) == [(f"{file}:{n}", row) for n, row in enumerate(ROWS, start=1)]


def test_a_place_has_a_name() -> None:
    assert name_of_place(Path("a/b.jsonl")) == "b.jsonl"
    assert name_of_place(HubSet(name="o/n")) == "hub:o/n:train"
    assert name_of_place(HubSet(name="o/n", config="c", split="test")) == "hub:o/n:c:test"


def test_a_source_reads_the_hub_as_it_reads_a_file(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"abstract_id": str(n), "sentences": [f"Sentence {n}."], "labels": [f"l{n % 2}"]} for n in range(2000)
    ]
    write(tmp_path / "set", rows)

    def bodies(place: module.Place) -> list[object]:
        found: list[Episode] = list(csabstruct.load(place, seed=1, count_tokens=len))
        assert found
        return [(episode.chunks, episode.questions) for episode in found]

    assert bodies(HubSet(name=str(tmp_path / "set"))) == bodies(tmp_path / "set" / "train.jsonl")


def test_what_is_out_of_reach_is_one_sentence(tmp_path: Path) -> None:
    for place in (HubSet(name=str(tmp_path / "absent")), HubSet(name="nobody/nothing-at-all")):
        with pytest.raises(EpisodeError) as caught:
            list(read_place(place))
        assert str(caught.value).startswith(f"{place}: got no rows from the hub (")
        assert str(caught.value).endswith("; fetch its file and give the path instead")
        assert "\n" not in str(caught.value)


def test_a_split_that_is_not_there_is_named(tmp_path: Path) -> None:
    write(tmp_path / "set", ROWS)
    with pytest.raises(EpisodeError, match="dev"):
        list(read_place(HubSet(name=str(tmp_path / "set"), split="dev")))


def test_without_datasets_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'memalpha\[data\]'"):
        list(read_place(HubSet(name="o/n")))
