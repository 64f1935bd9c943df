"""One small episode as an untrained and as a trained writer handled it, and a table of three systems; all by hand."""

from __future__ import annotations

import pytest

from memalpha.agent.model import ScriptedModel
from memalpha.agent.parsing import render_call
from memalpha.agent.reader import ExtractiveReader
from memalpha.agent.writer import Writer
from memalpha.episode import Trace, run_episode
from memalpha.evaluation.harness import SystemScore
from memalpha.evaluation.paper_tables import TABLES
from memalpha.evaluation.standings import Board, Contrast, Estimate, Overall
from memalpha.evaluation.sweep_report import SweepFindings
from memalpha.records import Chunk, Competency, Episode, Question, ToolCall

EPISODE = Episode(
    id="small <b>",
    chunks=(
        Chunk(text="Ann lives in Rome.\nHello <script>alert(1)</script> & co.", time="2024-03-05"),
        Chunk(text="Not Rome: Ann lives in Oslo.\nBob is 7.\nThanks."),
    ),
    questions=(
        Question(
            text="Where does Ann live?",
            answers=("Oslo",),
            competency=Competency.CONFLICT_RESOLUTION,
            evidence=(1,),
        ),
        Question(text="How old is Bob?", answers=("7", "seven"), evidence=(1,)),
    ),
)


def words(text: str) -> int:
    return len(text.split())


def call(name: str, **arguments: object) -> str:
    return render_call(ToolCall(name=f"memory_{name}", arguments=arguments))


def run(*replies: str) -> Trace:
    return run_episode(Writer(ScriptedModel(replies)), ExtractiveReader(), EPISODE, count_tokens=words)


@pytest.fixture
def before() -> Trace:
    """Stores the greeting, writes broken JSON; then deletes what it stored and writes in its own words."""
    return run(
        call("insert", memory_type="episodic", lines=[2]) + '<tool_call>{"name": </tool_call>',
        call("delete", memory_type="episodic", memory_id=1)
        + call("insert", memory_type="semantic", content="Ann and Bob talk.")
        + call("insert", memory_type="semantic", content="Ann and Bob talk."),
    )


@pytest.fixture
def after() -> Trace:
    """Stores where Ann lives, then corrects it and stores the age of Bob."""
    return run(
        call("insert", memory_type="semantic", lines=[1]),
        call("update", memory_type="semantic", memory_id=1, lines=[1])
        + call("insert", memory_type="semantic", lines=[2]),
    )


def row(
    system: str, score: float, *, tokens: float = 50.0, half: float = 0.1, episodes: int = 16, **competencies: float
) -> SystemScore:
    by_competency = {Competency(name): value for name, value in competencies.items()}
    return SystemScore(
        system=system,
        score=score,
        low=score - half,
        high=score + half,
        by_competency=by_competency or {Competency.ACCURATE_RETRIEVAL: score},
        sufficiency=0.5,
        memory_tokens=tokens,
        memory_share=tokens / 200,
        written_tokens=2 * tokens,
        read_tokens=30.0,
        read_budget="20 entries",
        seconds=1.0,
        episodes=episodes,
    )


@pytest.fixture
def rows() -> list[SystemScore]:
    """Trained from 0.2 to 0.5, between two baselines."""
    return [
        row("Warm start", 0.2, tokens=40.0, accurate_retrieval=0.3, conflict_resolution=0.1),
        row("After RL", 0.5, tokens=60.0, accurate_retrieval=0.5, conflict_resolution=0.5),
        row("RAG-Top2", 0.4, tokens=200.0, accurate_retrieval=0.8, conflict_resolution=0.0),
        row("Sentence BM25", 0.6, tokens=180.0, accurate_retrieval=0.8, conflict_resolution=0.4),
    ]


AR = Competency.ACCURATE_RETRIEVAL


def sweep_row(system: str, score: float) -> SystemScore:
    return SystemScore(
        system=system,
        score=score,
        low=score - 0.1,
        high=score + 0.1,
        by_competency={AR: score},
        sufficiency=0.5,
        memory_tokens=50,
        memory_share=0.25,
        written_tokens=60,
        read_tokens=7,
        read_budget="2 <chunks>",
        seconds=3.5,
        episodes=4,
        read_seconds=0.5,
    )


def estimate(score: float) -> Estimate:
    return Estimate(score=score, low=score - 0.1, high=score + 0.1)


def sweep_board(suite: str, tokens: float, scores: tuple[float, float]) -> Board:
    contrast = Contrast(system="<b>", against="Mem-α", difference=estimate(-0.25), p=0.0004)
    return Board(
        suite=suite,
        rows=(sweep_row("Mem-α", scores[0]), sweep_row("<b>", scores[1])),
        contrasts=(contrast,),
        episodes=4,
        questions=40,
        raw_tokens=tokens,
    )


@pytest.fixture
def findings() -> SweepFindings:
    """Two lengths of one suite, two systems."""
    return SweepFindings(
        title="An <evaluation>",
        facts={"commit": "abc"},
        boards=(sweep_board("s@200", 200, (0.75, 0.5)), sweep_board("s@2000", 2000, (0.5, 0.625))),
        overall=(
            Overall(system="Mem-α", mean=estimate(0.625), by_competency={AR: estimate(0.5)}, memory_share=0.25),
            Overall(system="<b>", mean=estimate(0.5), by_competency={AR: estimate(0.75)}, memory_share=1.0),
        ),
        contrasts=(),
        paper={table.number: () for table in TABLES},
    )
