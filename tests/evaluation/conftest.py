"""One small episode as an untrained and as a trained writer handled it, and a table of three systems; all by hand."""

from __future__ import annotations

import pytest

from memalpha.agent.model import ScriptedModel
from memalpha.agent.parsing import render_call
from memalpha.agent.reader import ExtractiveReader
from memalpha.agent.writer import Writer
from memalpha.episode import Trace, run_episode
from memalpha.evaluation.harness import SystemScore
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
