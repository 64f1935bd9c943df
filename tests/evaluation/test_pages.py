"""The whole page: well-formed, self-contained, readable by everyone."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from memalpha.episode import Trace
from memalpha.evaluation.findings import Findings
from memalpha.evaluation.harness import SystemScore
from memalpha.evaluation.pages import build_page

VOID = {"meta", "link", "br"}
LIGHT, DARK = range(2)


@pytest.fixture
def findings(rows: list[SystemScore], before: Trace, after: Trace) -> Findings:
    metrics = [{"step": step, "correctness": step / 4, "surprise_nats": 0.5} for step in (1, 2, 3)]
    return Findings(
        title="Tom & <Jerry> {{content}}",
        rows=rows,
        metrics=metrics,
        before=before,
        after=after,
        facts={"command": "memalpha <demo>", "seed": "0"},
    )


class Reading(HTMLParser):
    """Every element with its attributes; checks that each is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self._open[-1], data.strip()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_page_needs_nothing_from_outside_and_runs_nothing(findings: Findings) -> None:
    page = build_page(findings)
    reading = Reading(page)
    names = {name for name, _ in reading.elements}
    assert not names & {"script", "iframe", "object", "embed", "img", "form"}
    links = [
        value
        for _, attributes in reading.elements
        for key, value in attributes.items()
        if key.endswith(("href", "src"))
    ]
    assert all(link is not None and link.startswith(("#", "data:,")) for link in links)
    assert not [name for _, attributes in reading.elements for name in attributes if name.startswith("on")]
    assert not re.search(r"url\((?!#)|@import|https?:", page)
    (policy,) = [each["content"] for each in reading.all("meta") if each.get("http-equiv")]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_ids_are_unique_and_every_link_leads_somewhere(findings: Findings) -> None:
    reading = Reading(build_page(findings))
    ids = Counter(attributes["id"] for _, attributes in reading.elements if "id" in attributes)
    assert not [name for name, count in ids.items() if count > 1]
    targets = [each["href"] for tag in ("a", "use") for each in reading.all(tag) if "href" in each]
    assert "#question-1" in targets
    assert {"#main", "#result", "#systems", "#learning", "#competencies", "#episode"} <= set(targets)
    assert all(str(target)[1:] in ids for target in targets)


def test_the_page_can_be_read_without_sight(findings: Findings) -> None:
    reading = Reading(build_page(findings))
    assert reading.all("html") == [{"lang": "en"}]
    assert all(each.get("scope") in ("row", "col") for each in reading.all("th"))
    assert all(each.get("role") == "img" and each.get("aria-label") for each in reading.all("svg"))
    assert len(reading.all("caption")) == len(reading.all("table"))
    first = next(attributes for name, attributes in reading.elements if name == "a")
    assert first == {"class": "skip", "href": "#main"}
    assert [name for name, _ in reading.elements].count("h1") == 1


def test_texts_are_escaped(findings: Findings) -> None:
    page = build_page(findings)
    assert "<title>Tom &amp; &lt;Jerry&gt; {{content}}</title>" in page
    assert "memalpha &lt;demo&gt;" in page
    assert "Hello &lt;script&gt;alert(1)&lt;/script&gt; &amp; co." in page
    assert "Episode small &lt;b&gt;:" in page


def test_the_best_is_bold_and_losing_rows_stay(findings: Findings) -> None:
    reading = Reading(build_page(findings))
    bold = [text for tag, text in reading.texts if tag == "strong"]
    assert bold[:5] == ["50%", "40", "20%", "0.50", "50%"]
    assert [text for tag, text in reading.texts if tag == "th"].count("Sentence BM25") == 1
    rows = [each.get("class") for each in reading.all("tr")]
    assert [name for name in rows if name in ("before", "after", "baseline")] == [
        "before",
        "after",
        "baseline",
        "baseline",
    ]
    assert ("span", "[0.400, 0.600]") in reading.texts


def test_what_is_missing_is_said(findings: Findings) -> None:
    page = build_page(replace(findings, metrics=[], facts={}, rows=[replace(row, episodes=1) for row in findings.rows]))
    assert "No training steps were recorded for this run." in page
    assert "How it was made" not in page
    assert "On one episode. The best" in page
    mixed = [replace(row, episodes=at) for at, row in enumerate(findings.rows, start=2)]
    assert "Systems were asked on 2 to 5 episodes." in build_page(replace(findings, rows=mixed))


TEXT = [
    *[(ink, ground) for ink in ("ink", "muted", "accent") for ground in ("page", "card")],
    *[(f"{name}-ink", name) for name in ("stored", "changed", "refused", "note")],
]
SHAPES = [(name, "card") for name in ("accent", "second", "quiet")]


@pytest.mark.parametrize("scheme", [LIGHT, DARK])
@pytest.mark.parametrize(
    ("ink", "ground", "least"), [*[(*pair, 4.5) for pair in TEXT], *[(*pair, 3.0) for pair in SHAPES]]
)
def test_contrast_meets_wcag_aa(scheme: int, ink: str, ground: str, least: float) -> None:
    style = (files("memalpha.evaluation") / "templates" / "report.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]))
    bright, dull = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
    assert (bright + 0.05) / (dull + 0.05) >= least


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_luminance() -> None:
    assert luminance("#ffffff") == pytest.approx(1.0)
    assert luminance("#777777") == pytest.approx(0.1845, abs=1e-4)
