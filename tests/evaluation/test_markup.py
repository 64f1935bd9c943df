"""Elements escape what is not markup."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from memalpha.evaluation.marks import visible
from memalpha.evaluation.markup import Html, el, join


def test_an_element() -> None:
    made = el("td", "a < b", el("b", "&"), class_="x y", aria_label='"', colspan=None, data_side="1", open="")
    assert made == '<td class="x y" aria-label="&quot;" data-side="1" open="">a &lt; b<b>&amp;</b></td>'
    assert isinstance(made, Html)
    assert el("p") == "<p></p>"


def test_what_is_joined_is_escaped_once() -> None:
    assert join("<", Html("<br>"), join(">")) == "&lt;<br>&gt;"
    assert join() == ""


class Reading(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(), st.text())
def test_any_text_stays_text(text: str, value: str) -> None:
    reading = Reading()
    reading.feed(el("p", text, title=value))
    reading.close()
    assert reading.tags == [("p", {"title": visible(value)})]
    assert reading.text == visible(text)
