"""Tables 1, 2, 3, 4 and 9 of Mem-α as printed (arXiv:2509.25911v1), and their averages as they come out of the cells.

Scores are in [0, 1], memory in thousands of tokens of the paper's tokenizer. Three printed averages do not follow from
their rows; `PaperRow.recomputed` is the plain mean.
"""

from __future__ import annotations

from dataclasses import dataclass

from memalpha.records import Episode


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperColumn:
    """One data set of a table."""

    title: str
    source: str
    """How its `data_source` in the published data begins."""
    judged: bool = False
    """Whether the paper's score is a judge's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRow:
    """One system of a table."""

    system: str
    scores: tuple[float, ...]
    memory: tuple[float, ...]
    """Thousands of tokens, one for each column; empty where the table has none."""
    average: float
    """As printed."""

    @property
    def recomputed(self) -> float:
        """The mean of the scores."""
        return sum(self.scores) / len(self.scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTable:
    """One table."""

    number: int
    title: str
    columns: tuple[PaperColumn, ...]
    rows: tuple[PaperRow, ...]


VALIDATION = (
    PaperColumn(title="SQuAD", source="squad"),
    PaperColumn(title="HotpotQA", source="hotpotqa"),
    PaperColumn(title="PerLTQA", source="perltqa"),
    PaperColumn(title="TREC-C", source="icl_trec_coarse"),
    PaperColumn(title="NLU", source="icl_nlu"),
    PaperColumn(title="PubMed", source="pubmed"),
    PaperColumn(title="BookSum", source="booksum"),
)
"""The validation part of the published data."""

TEST = (
    PaperColumn(title="Single-Doc", source="ruler_qa1"),
    PaperColumn(title="Multi-Doc", source="ruler_qa2"),
    PaperColumn(title="LME(S)", source="longmemeval_s", judged=True),
    PaperColumn(title="TREC-C", source="icl_trec_coarse"),
    PaperColumn(title="NLU", source="icl_nlu"),
    PaperColumn(title="TREC-F", source="icl_trec_fine"),
    PaperColumn(title="CLINIC", source="icl_clinic150"),
    PaperColumn(title="BANK77", source="icl_banking77"),
    PaperColumn(title="InfBench", source="infbench_sum"),
)
"""The part of MemoryAgentBench that the paper tests on."""


def _row(system: str, average: float, scores: tuple[float, ...], memory: tuple[float, ...] = ()) -> PaperRow:
    return PaperRow(system=system, scores=scores, memory=memory, average=average)


_VALIDATED = _row(
    "Mem-α", 0.642, (0.786, 0.832, 0.659, 0.666, 0.658, 0.545, 0.187), (10.1, 8.7, 11.2, 4.0, 6.5, 12.3, 2.2)
)
_TESTED = _row(
    "Mem-α",
    0.592,
    (0.740, 0.680, 0.520, 0.710, 0.710, 0.410, 0.730, 0.700, 0.129),
    (160, 323, 127, 120, 142, 123, 18, 133, 19),
)


def _weights(beta: float, gamma: float, row: PaperRow) -> PaperRow:
    return _row(f"Mem-α, β {beta:g}, γ {gamma:g}", row.average, row.scores, row.memory)


TABLES = (
    PaperTable(
        number=1,
        title="Validation",
        columns=VALIDATION,
        rows=(
            _row(
                "Long-Context",
                0.588,
                (0.742, 0.852, 0.605, 0.623, 0.708, 0.533, 0.052),
                (10.6, 9.7, 13.1, 3.9, 6.1, 16.7, 15.4),
            ),
            _row(
                "RAG-Top2",
                0.567,
                (0.762, 0.849, 0.623, 0.612, 0.508, 0.570, 0.042),
                (10.6, 9.7, 16.7, 3.9, 6.1, 16.7, 15.6),
            ),
            _row(
                "MemAgent",
                0.236,
                (0.091, 0.140, 0.052, 0.562, 0.290, 0.343, 0.103),
                (0.79, 0.76, 0.29, 1.24, 0.99, 0.94, 0.59),
            ),
            _row(
                "MEM1",
                0.111,
                (0.039, 0.083, 0.068, 0.269, 0.056, 0.175, 0.085),
                (0.16, 0.22, 0.14, 0.23, 0.22, 0.08, 0.16),
            ),
            _VALIDATED,
        ),
    ),
    PaperTable(
        number=2,
        title="MemoryAgentBench",
        columns=TEST,
        rows=(
            _row("Long-Context", 0.461, (0.280, 0.270, 0.292, 0.640, 0.740, 0.340, 0.860, 0.770, 0.125), (33,) * 9),
            _row(
                "RAG-Top2",
                0.502,
                (0.690, 0.450, 0.581, 0.690, 0.650, 0.210, 0.700, 0.750, 0.065),
                (217, 474, 348, 124, 134, 126, 131, 128, 181),
            ),
            _row(
                "MemAgent",
                0.198,
                (0.070, 0.160, 0.050, 0.370, 0.260, 0.210, 0.250, 0.370, 0.043),
                (1.02, 1.02, 0.56, 1.02, 1.02, 0.77, 1.02, 1.02, 0.73),
            ),
            _row(
                "MEM1",
                0.071,
                (0.070, 0.180, 0.090, 0.180, 0.0, 0.0, 0.090, 0.0, 0.029),
                (0.30, 0.38, 0.22, 0.16, 0.11, 0.13, 0.28, 0.11, 0.19),
            ),
            _TESTED,
        ),
    ),
    PaperTable(
        number=3,
        title="Before and after reinforcement, validation",
        columns=VALIDATION,
        rows=(
            _row(
                "Qwen3-4B",
                0.389,
                (0.338, 0.637, 0.557, 0.416, 0.381, 0.281, 0.130),
                (3.3, 4.8, 9.0, 2.3, 2.9, 4.4, 0.9),
            ),
            _row(
                "gpt-4.1-mini",
                0.517,
                (0.426, 0.749, 0.492, 0.637, 0.519, 0.544, 0.246),
                (3.8, 4.9, 3.7, 3.4, 5.9, 10.6, 1.5),
            ),
            _VALIDATED,
        ),
    ),
    PaperTable(
        number=4,
        title="Weights of the reward, validation",
        columns=VALIDATION,
        rows=(
            _row(
                "Mem-α, β 0.05, γ 0",
                0.543,
                (0.701, 0.802, 0.652, 0.423, 0.542, 0.501, 0.183),
                (9.2, 8.2, 10.8, 3.0, 3.5, 11.0, 4.9),
            ),
            _row(
                "Mem-α, β 0, γ 0.1",
                0.630,
                (0.817, 0.853, 0.678, 0.605, 0.629, 0.572, 0.183),
                (9.7, 8.1, 11.7, 3.7, 5.4, 12.5, 4.5),
            ),
            _weights(0.05, 0.1, _VALIDATED),
            _row(
                "Mem-α, β 0.2, γ 0.1",
                0.525,
                (0.822, 0.838, 0.615, 0.558, 0.176, 0.401, 0.193),
                (9.8, 7.8, 10.4, 0.4, 0.8, 0.4, 3.0),
            ),
            _row(
                "Mem-α, β 0.4, γ 0.1",
                0.509,
                (0.691, 0.810, 0.533, 0.475, 0.405, 0.455, 0.201),
                (8.8, 8.1, 5.2, 0.7, 1.4, 1.3, 1.5),
            ),
        ),
    ),
    PaperTable(
        number=9,
        title="Weights of the reward, MemoryAgentBench",
        columns=TEST,
        rows=(
            _row(
                "Mem-α, β 0.05, γ 0",
                0.445,
                (0.420, 0.340, 0.527, 0.480, 0.640, 0.200, 0.720, 0.550, 0.108),
                (86, 123, 159, 75, 100, 65, 20, 97, 54),
            ),
            _row(
                "Mem-α, β 0, γ 0.1",
                0.580,
                (0.770, 0.610, 0.387, 0.690, 0.730, 0.370, 0.780, 0.770, 0.109),
                (160, 362, 47, 124, 113, 127, 47, 119, 41),
            ),
            _weights(0.05, 0.1, _TESTED),
            _row(
                "Mem-α, β 0.2, γ 0.1",
                0.351,
                (0.710, 0.730, 0.367, 0.810, 0.270, 0.280, 0.140, 0.020, 0.113),
                (160, 344, 139, 3, 3, 3, 1, 5, 118),
            ),
            _row(
                "Mem-α, β 0.4, γ 0.1",
                0.375,
                (0.590, 0.610, 0.453, 0.500, 0.360, 0.190, 0.170, 0.380, 0.119),
                (138, 312, 27, 1, 1, 1, 2, 1, 16),
            ),
        ),
    ),
)


def column_of(episode: Episode) -> PaperColumn | None:
    """The column that an episode of the published files belongs to; None for any other episode.

    Episodes of MemoryAgentBench are known by their ids, those of Mem-α's own parts by being read from its table.
    """
    origin, _, rest = episode.id.partition(":")
    if origin == "memoryagentbench":
        return next((column for column in TEST if rest.startswith(column.source)), None)
    if origin.endswith(".parquet"):
        return next((column for column in VALIDATION if episode.source.startswith(column.source)), None)
    return None
