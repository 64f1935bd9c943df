"""Run folders over a real connection: what is told of them, what is not, and that nothing in them is changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from memalpha.errors import CheckpointError, MemalphaError
from memalpha.evaluation.ledger import QuestionRow
from memalpha.records import Competency, Metric
from memalpha.serve.launch import serving
from memalpha.serve.openai_errors import RefusedError
from memalpha.serve.run_routes import Runs, Standing, run_routes, standings


def training(folder: Path, rows: list[dict[str, float]]) -> Path:
    folder.mkdir(parents=True)
    settings = '{"run": {"seed": 3}, "optim": {"importance_cap": Infinity}}'
    (folder / "run.json").write_text(settings, encoding="utf-8")
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def question(system: str, suite: str, number: int, score: float) -> str:
    row = QuestionRow(
        system=system,
        suite=suite,
        seed=0,
        episode="e",
        number=number,
        competency=Competency.ACCURATE_RETRIEVAL,
        metric=Metric.CONTAINS,
        answer="a",
        score=score,
        judged=None,
        sufficient=score > 0,
        read_tokens=10 * number,
        seconds=0.1,
    )
    return json.dumps(asdict(row)) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    rows = [{"step": step, "correctness": step / 10, "gradient_norm": float("nan")} for step in range(1, 21)]
    rows[9]["validation_score"] = 0.25
    run = training(root / "first run", rows)
    (run / "traces").mkdir()
    (run / "traces" / "step-000010-best.json").write_text('{"score": 1.0}', encoding="utf-8")
    (run / "traces" / ".step-000020-best.json.writing").write_text("{", encoding="utf-8")
    evaluation = root / "eval"
    evaluation.mkdir()
    (evaluation / "run.json").write_text('{"seeds": [0]}', encoding="utf-8")
    lines = [question("rag", "world", 1, 1.0), question("rag", "world", 2, 0.0), question("us", "world", 1, 0.5)]
    (evaluation / "questions.jsonl").write_text("".join(lines) + '{"system": "cut', encoding="utf-8")
    (root / "no-run").mkdir()
    training(root / ".hidden", [])
    training(tmp_path / "outside", [])
    (root / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "secret.json").write_text('"secret"', encoding="utf-8")
    (run / "traces" / "leak.json").symlink_to(tmp_path / "secret.json")
    return root


@pytest.fixture
def ask(folder: Path) -> Iterator[Callable[[str], httpx.Response]]:
    app = FastAPI()
    app.include_router(run_routes(folder))

    @app.exception_handler(MemalphaError)
    async def told(_: Request, error: MemalphaError) -> JSONResponse:
        status = error.status if isinstance(error, RefusedError) else 500
        return JSONResponse({"error": {"message": str(error)}}, status_code=status)

    with serving(app) as url, httpx.Client(base_url=url) as client:
        yield client.get


def test_runs_are_listed_and_nothing_else(ask: Callable[[str], httpx.Response]) -> None:
    runs = ask("/v1/runs").json()["runs"]
    assert {run["name"]: (run["kind"], run["traces"]) for run in runs} == {
        "first run": ("training", 1),
        "eval": ("evaluation", 0),
    }
    times = [run["modified"] for run in runs]
    assert times == sorted(times, reverse=True)


def test_curves_have_their_means_and_leave_out_what_is_no_number(ask: Callable[[str], httpx.Response]) -> None:
    told = ask("/v1/runs/first%20run/metrics").json()
    assert (told["name"], told["kind"], told["steps"]) == ("first run", "training", 20)
    panels = {panel["metric"]: panel for panel in told["panels"]}
    assert set(panels) == {"correctness", "validation_score"}
    score = panels["correctness"]
    assert (score["title"], score["unit"], score["points"]) == ("Score in training", "mean score, 0 to 1", False)
    assert score["steps"] == list(range(1, 21))
    assert score["values"][:3] == [0.1, 0.2, 0.3]
    # Twenty steps: the mean of each value and the one before it.
    assert score["means"][:3] == [0.1, 0.15, 0.25]
    assert (panels["validation_score"]["steps"], panels["validation_score"]["values"]) == ([10], [0.25])
    assert panels["validation_score"]["means"] == []
    assert told["settings"] == {"run": {"seed": 3}, "optim": {"importance_cap": "inf"}}


def test_an_evaluation_that_goes_on_has_standings_and_stays_as_it_is(
    ask: Callable[[str], httpx.Response], folder: Path
) -> None:
    file = folder / "eval" / "questions.jsonl"
    before = file.read_bytes()
    told = ask("/v1/runs/eval/metrics").json()
    assert told["standings"] == [
        {"system": "rag", "suite": "world", "questions": 2, "score": 0.5, "sufficient": 0.5, "read_tokens": 15.0},
        {"system": "us", "suite": "world", "questions": 1, "score": 0.5, "sufficient": 1.0, "read_tokens": 10.0},
    ]
    assert told["panels"] == []
    assert file.read_bytes() == before


def test_traces_are_listed_and_read(ask: Callable[[str], httpx.Response]) -> None:
    (kept,) = ask("/v1/runs/first%20run/traces").json()["traces"]
    assert (kept["name"], kept["bytes"]) == ("step-000010-best", 14)
    reply = ask("/v1/runs/first%20run/traces/step-000010-best")
    assert (reply.json(), reply.headers["content-type"]) == ({"score": 1.0}, "application/json")


@pytest.mark.parametrize(
    "path",
    [
        "nothing/metrics",
        "no-run/metrics",
        ".hidden/metrics",
        "link/metrics",
        "outside/metrics",
        "..%2Foutside/metrics",
        "%2e%2e/metrics",
        "first%20run/traces/nothing",
        "first%20run/traces/leak",
        "first%20run/traces/..%2Frun",
        "first%20run/traces/..%2F..%2F..%2Fsecret",
        "first%20run/traces/.step-000020-best.json",
        "first%20run/traces/step-000010-best.json",
    ],
)
def test_no_path_leads_elsewhere(ask: Callable[[str], httpx.Response], path: str) -> None:
    reply = ask(f"/v1/runs/{path}")
    assert reply.status_code == 404
    assert "secret" not in reply.text.replace(path, "")


def test_damage_is_named_without_the_path_of_the_server(ask: Callable[[str], httpx.Response], folder: Path) -> None:
    with (folder / "first run" / "metrics.jsonl").open("a", encoding="utf-8") as out:
        out.write('{"step": "x"}\n')
    message = ask("/v1/runs/first%20run/metrics").json()["error"]["message"]
    assert message.startswith("first run/metrics.jsonl:21 is damaged")
    assert str(folder) not in message


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="the folder of runs cannot be read"):
        Runs(folder=tmp_path / "none").listed()


def test_a_run_without_a_step_has_no_curves(tmp_path: Path) -> None:
    training(tmp_path / "new", [])
    told: dict[str, Any] = Runs(folder=tmp_path).metrics("new")
    assert (told["steps"], told["panels"], told["alarms"]) == (0, [], [])


def test_alarms_are_told(tmp_path: Path) -> None:
    rows = [{"step": step, "correctness": 0.1, "write_rate": 0.0} for step in range(1, 7)]
    training(tmp_path / "silent", rows)
    (alarm,) = Runs(folder=tmp_path).metrics("silent")["alarms"]
    assert alarm["step"] == 5
    assert "gone silent" in alarm["sentence"]


def test_no_answer_is_no_standing(tmp_path: Path) -> None:
    assert standings(tmp_path / "questions.jsonl") == []
    (tmp_path / "questions.jsonl").write_text(question("a", "b", 3, 1.0), encoding="utf-8")
    assert standings(tmp_path / "questions.jsonl") == [
        Standing(system="a", suite="b", questions=1, score=1.0, sufficient=1.0, read_tokens=30.0)
    ]
