"""`memalpha data` on small files of real shapes, through the command line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from memalpha.cli.app import app
from memalpha.cli.data import Asked
from memalpha.data.files import load_episodes
from memalpha.data.hub import HubSet
from memalpha.data.sources import squad
from memalpha.errors import ConfigError, MemalphaError
from memalpha.records import Chunk, Episode, Question, write_episodes

CHATS = 12


def chat(number: int) -> dict[str, Any]:
    said = f"On trip {number} we saw the old harbour of Town{number}."
    asked = {"question": f"What did trip {number} see?", "answer": f"Town{number}", "source_chat_ids": [0]}
    return {
        "chat_id": number,
        "chat": [{"turns": [[{"role": "user", "id": 0, "content": said}]], "time_anchor": None}],
        "probing_questions": {"information_extraction": [asked]},
    }


@pytest.fixture
def datasets(tmp_path: Path) -> Path:
    folder = tmp_path / "datasets"
    (folder / "beam").mkdir(parents=True)
    (folder / "beam" / "train.jsonl").write_text("".join(json.dumps(chat(n)) + "\n" for n in range(CHATS)))
    return folder


@pytest.fixture
def test_file(tmp_path: Path) -> Path:
    question = Question(text="What did trip 3 see?", answers=("Town3",))
    file = tmp_path / "test.jsonl"
    write_episodes(file, [Episode(id="t", chunks=(Chunk(text="x"),), questions=(question,), source="suite")])
    return file


def invoke(*arguments: str) -> tuple[int, str, BaseException | None]:
    result = CliRunner().invoke(app, ["data", *arguments], env={"COLUMNS": "240"})
    return result.exit_code, result.output, result.exception


def build(*arguments: str) -> str:
    code, output, error = invoke("build", *arguments)
    assert code == 0, (output, error)
    return output


def test_a_set_is_built_from_a_folder_of_data_sets(datasets: Path, tmp_path: Path) -> None:
    output = build(str(datasets), "--out", str(tmp_path / "built"), "--limit", "5", "--seed", "3")
    assert "reading beam" in output
    row = next(line.split() for line in output.splitlines() if line.startswith("BEAM"))
    assert (row[0], row[3], row[7]) == ("BEAM", "5", "1")
    assert "Compared with no test" in output
    assert f"Written to {tmp_path / 'built'}" in output
    assert len(load_episodes(tmp_path / "built" / "train.parquet")) == 5
    assert "with seed 3 " in (tmp_path / "built" / "README.md").read_text()


def test_sources_are_named_and_limited_one_by_one(datasets: Path, tmp_path: Path) -> None:
    one, two = datasets / "beam" / "train.jsonl", tmp_path / "more.jsonl"
    two.write_text("".join(json.dumps(chat(n)) + "\n" for n in range(50, 60)))
    build(
        "--source", f"beam={one}", "--source", f"beam={two}", "--limit", "2", "--limit", "beam=30",
        "--out", str(tmp_path / "built"),
    )  # fmt: skip
    assert len(load_episodes(tmp_path / "built" / "train.parquet")) == 20  # of 22, two are for validation
    assert len(load_episodes(tmp_path / "built" / "validation.parquet")) == 2


def test_a_leak_is_refused_dropped_or_kept(datasets: Path, test_file: Path, tmp_path: Path) -> None:
    code, _, error = invoke("build", str(datasets), "--against", str(test_file), "--out", str(tmp_path / "no"))
    assert code != 0
    assert isinstance(error, MemalphaError)
    assert "got 1 leaks into 1 tests" in str(error)
    assert not (tmp_path / "no").exists()
    for policy, told, left in (("drop", "All of it was left out.", 11), ("keep", "All of it is in the set.", 12)):
        output = build(str(datasets), "--against", str(test_file), "--leaks", policy, "--out", str(tmp_path / policy))
        assert "Compared with 1 tests of 1 questions: 1 leaks." in output
        assert told in output
        parts = [load_episodes(tmp_path / policy / f"{part}.parquet") for part in ("train", "validation")]
        assert sum(map(len, parts)) == left


def test_a_set_is_checked(datasets: Path, test_file: Path, tmp_path: Path) -> None:
    build(str(datasets), "--out", str(tmp_path / "built"))
    train = str(tmp_path / "built" / "train.parquet")
    held = {episode.questions[0].text for episode in load_episodes(tmp_path / "built" / "validation.parquet")}
    assert "What did trip 3 see?" not in held
    code, output, _ = invoke("check", train, "--against", str(test_file))
    assert code == 1
    assert "same question" in output
    validation = str(tmp_path / "built" / "validation.parquet")
    code, output, _ = invoke("check", train, "--against", validation)
    assert (code, "no leak" in output) == (0, True)
    _, _, error = invoke("check", train)
    assert "got no test to compare with" in str(error)


def test_what_a_model_knows_is_not_asked(datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from memalpha.agent.model import Prompt, ScriptedModel

    def reply(prompt: Prompt) -> str:
        return "Town7" if "trip 7" in prompt.messages[-1].content else "unknown"

    asked: list[tuple[str, str]] = []

    def endpoint(url: str, name: str) -> ScriptedModel:
        asked.append((url, name))
        return ScriptedModel(reply, name=name)

    monkeypatch.setattr("memalpha.cli.data.EndpointModel", endpoint)
    output = build(str(datasets), "--out", str(tmp_path / "built"), "--closed-book", "big=http://localhost:1/v1?a=b")
    assert asked == [("http://localhost:1/v1?a=b", "big")]
    assert "asking big with nothing to read" in output
    parts = [load_episodes(tmp_path / "built" / f"{part}.parquet") for part in ("train", "validation")]
    assert sum(map(len, parts)) == CHATS - 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "beam"], "got --source beam, expected a name and a path, such as squad=train.json"),
        (["--source", "quad=x"], "got the source 'quad', expected one of squad,"),
        (
            ["--source", "perltqa=hub"],
            "got --source perltqa=hub, but perltqa is not on the hub in a shape that is read",
        ),
        (["--limit", "x"], "got --limit x, expected a number, such as 50 or squad=50"),
        (["--limit", "quad=3"], "got the source 'quad'"),
        (["--limit", "0"], "got limit=0, expected at least 1"),
        ([], "no folder and no --source were given, expected at least one of squad,"),
        (["absent"], "absent has no folder of a source, expected at least one of squad,"),
        (["--source", "beam=absent.jsonl"], "got --source beam=absent.jsonl, which is not there"),
        (["--source", "beam=x", "--tokenizer", "absent.json"], "absent.json is not there"),
        (["--source", "beam=x", "--closed-book", "x"], "got --closed-book x, expected a name and a path"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path: Path, arguments: Sequence[str], message: str) -> None:
    code, _, error = invoke("build", *arguments, "--out", str(tmp_path / "built"))
    assert code != 0
    assert isinstance(error, MemalphaError), error
    assert str(error).startswith(message)
    assert "\n" not in str(error)
    assert list(tmp_path.iterdir()) == []


def test_a_filled_folder_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    _, _, error = invoke("build", "--source", "beam=absent.jsonl", "--out", str(tmp_path))
    assert str(error).startswith(f"{tmp_path} is there and not empty")


def test_the_hub_is_named_in_one_word() -> None:
    asked = Asked(folder=None, sources=["squad=hub"], against=(), seed=0)
    assert asked.given() == {"squad": [squad.HUB]}
    assert isinstance(squad.HUB, HubSet)
    with pytest.raises(ConfigError):
        Asked(folder=None, sources=["squad="], against=(), seed=0).given()


@pytest.mark.parametrize("command", ["build", "check"])
def test_help_has_an_example(command: str) -> None:
    code, output, _ = invoke(command, "--help")
    assert code == 0
    assert f"memalpha data {command}" in output
