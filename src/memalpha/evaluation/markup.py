"""HTML from Python: an element escapes whatever is not markup already, so that no text can become a tag."""

from __future__ import annotations

from html import escape

from memalpha.evaluation.marks import visible


class Html(str):
    """Markup; any other text is escaped where it meets this."""

    __slots__ = ()


def el(tag: str, *children: str, **attributes: str | None) -> Html:
    """One element. `class_` is class, `aria_label` is aria-label; an attribute that is None is left out."""
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(visible(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Html(f"<{tag}{named}>{join(*children)}</{tag}>")


def join(*children: str) -> Html:
    """Markup and texts one after the other."""
    return Html("".join(child if isinstance(child, Html) else escape(visible(child)) for child in children))
