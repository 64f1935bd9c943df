"""Every view in a real browser: it loads, says nothing wrong, reaches nobody else, and can be read by everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

TRACE = "runs/first/step-000010-best"
VIEWS = {
    "users": "Memories",
    "users/ana/memory": "ana",
    "users/ana/memory?as_of=9": "ana",
    "users/ana/search?q=Ana%20dog": "ana",
    "users/ana/timeline": "ana",
    "users/ana/entry/2": "entry 2",
    "users/ana/entry/3": "entry 3",
    "users/ana/entry/core": "core",
    "runs": "Runs",
    "runs/first": "first",
    "compare?run=first&run=second": "Comparison",
    TRACE: "step-000010-best",
    "nowhere": "Not found",
}
"""Addresses and their headings."""

UNFOLD = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"

ACCESSIBILITY = """(() => {
  const wrong = [];
  const shown = (each) => each.checkVisibility({ visibilityProperty: true });
  const all = (selector) => [...document.querySelectorAll(selector)];
  const named = (each) => (each.ariaLabel || [...(each.labels ?? [])].map((label) => label.textContent).join(" ")
    || each.textContent || each.getAttribute("alt") || "").trim();
  if (!document.documentElement.lang) wrong.push("the page names no language");
  if (all("h1").length !== 1) wrong.push(`${all("h1").length} headings of the first level`);
  let level = 0;
  for (const heading of all("h1, h2, h3, h4").filter(shown)) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) wrong.push(`${heading.textContent} is of level ${next} after ${level}`);
    level = next;
  }
  for (const landmark of ["header", "main", "nav"]) if (!all(landmark).length) wrong.push(`no ${landmark}`);
  for (const nav of all("nav")) if (!nav.ariaLabel) wrong.push("a nav without a name");
  for (const control of all("button, a, input, select, summary, dialog, pre[tabindex]")) {
    if (!named(control) && !control.getAttribute("aria-labelledby")) wrong.push(`no name: ${control.outerHTML}`);
  }
  for (const image of all("img")) if (!image.hasAttribute("alt")) wrong.push(`no alt: ${image.outerHTML}`);
  for (const drawing of all("svg")) {
    const told = drawing.getAttribute("aria-labelledby") || drawing.getAttribute("aria-hidden");
    if (!told) wrong.push(`an svg without a name: ${drawing.outerHTML.slice(0, 80)}`);
  }
  for (const attribute of ["aria-labelledby", "aria-describedby", "for"]) {
    for (const each of all(`[${attribute}]`)) for (const id of each.getAttribute(attribute).split(" ")) {
      if (!document.getElementById(id)) wrong.push(`${attribute} names ${id}, which is not there`);
    }
  }
  const ids = all("[id]").map((each) => each.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push(`two elements are ${id}`);
  for (const table of all("table")) {
    if (!table.caption?.textContent) wrong.push("a table without a caption");
    for (const head of table.querySelectorAll("thead th")) if (head.scope !== "col") wrong.push("a head without scope");
  }
  for (const list of all("ul, ol")) {
    for (const child of list.children) if (child.tagName !== "LI") wrong.push(`${child.tagName} in a list`);
  }
  for (const each of all("[tabindex]")) if (each.tabIndex > 0) wrong.push("an order of its own for Tab");
  for (const each of all("button, select, input, summary").filter(shown)) {
    const { width, height } = each.getBoundingClientRect();
    const label = each.labels?.[0]?.getBoundingClientRect();
    if (Math.max(height, label?.height ?? 0) < 18 || width < 18) wrong.push(`too small to hit: ${named(each)}`);
  }
  return wrong;
})()"""

CONTRAST = """(() => {
  const parse = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return colour.startsWith("color(") ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((part, at) => part * a + under[at] * (1 - a));
  const bright = (colour) => {
    const [r, g, b] = colour.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [low, high] = [bright(one), bright(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const ground = (each) => {
    const line = [];
    for (let at = each; at; at = at.parentElement) line.unshift(at);
    return line.reduce((under, at) => over(parse(getComputedStyle(at).backgroundColor), under), [255, 255, 255]);
  };
  const wrong = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const each = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !each.checkVisibility()) continue;
    if (each.closest(":disabled, .hidden, .skip, script, option, svg")) continue;
    const style = getComputedStyle(each), under = ground(each);
    let faded = 1;
    for (let at = each; at; at = at.parentElement) faded *= Number(getComputedStyle(at).opacity);
    const [r, g, b, a] = parse(style.color);
    const found = ratio(over([r, g, b, a * faded], under), under);
    texts += 1;
    const told = `${walker.currentNode.data.trim().slice(0, 40)} (${each.className})`;
    if (found < 4.5) wrong.push(`${found.toFixed(2)}: ${told}`);
  }
  return texts > 6 ? wrong : [`only ${texts} texts`];
})()"""

MARKUP = """(() => {
  try { document.body.innerHTML = "<b>x</b>"; } catch (error) { return error.name; }
  return "made";
})()"""

INLINE = """(() => {
  const made = document.createElement("div");
  made.setAttribute("style", "color: red");
  return made.style.color;
})()"""

SPINNING = """(() => {
  const made = document.createElement("span");
  made.className = "spinner";
  document.body.append(made);
  return getComputedStyle(made).animationName;
})()"""


@pytest.fixture
def visit(page: Any, served: Any) -> Callable[[str], None]:
    """Opens a view."""

    def go(view: str) -> None:
        page.open(served.view(view))

    return go


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_loads_in_peace(view: str, visit: Callable[[str], None], page: Any, served: Any) -> None:
    visit(view)
    page.run(UNFOLD)
    page.settle()
    assert page.text("h1") == VIEWS[view]
    assert "memalpha Inspector" in page.run("document.title")
    assert page.problems() == []
    assert page.run("document.querySelectorAll('.failed').length") == 0
    origin = served.url.removesuffix("inspector/")
    # A picture in the control of a date is the browser's own.
    assert [url for url in page.requests() if not url.startswith((origin, "data:"))] == []


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_can_be_read_by_everybody(view: str, visit: Callable[[str], None], page: Any) -> None:
    visit(view)
    page.run(UNFOLD)
    page.settle()
    assert page.run(ACCESSIBILITY) == []
    for scheme in ("light", "dark"):
        page.prefer(prefers_color_scheme=scheme)
        assert page.run(CONTRAST) == [], scheme


@pytest.mark.parametrize("view", VIEWS)
def test_a_narrow_screen_is_wide_enough(view: str, visit: Callable[[str], None], page: Any) -> None:
    page.size(360, 740)
    visit(view)
    assert page.run("document.documentElement.scrollWidth") <= 360


def test_screen_readers_are_told_names_and_roles(visit: Callable[[str], None], page: Any) -> None:
    visit("users/ana/memory")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    told = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if "role" in node}
    assert {
        ("heading", "ana"),
        ("slider", "As of"),
        ("combobox", "Kind"),
        ("combobox", "Colours"),
        ("navigation", "Main"),
        ("table", "Entries"),
        ("columnheader", "Text"),
        ("rowheader", "semantic 2"),
    } <= told
    (slider,) = [node for node in nodes if node.get("role", {}).get("value") == "slider"]
    properties = {each["name"]: each["value"].get("value") for each in slider["properties"]}
    assert (properties["valuemin"], properties["valuemax"], slider["value"]["value"]) == (0, 12, 12)
    assert page.run("document.querySelector('#point').ariaValueText") == "now, after 12 operations"


def test_a_hostile_text_is_only_a_text(visit: Callable[[str], None], page: Any) -> None:
    views = [view for view in VIEWS if view.startswith("users/ana")] + [TRACE + "?chunk=3", "users/ana/search?q=img"]
    seen = 0
    for view in views:
        visit(view)
        page.run(UNFOLD)
        page.settle()
        seen += "<img src=x onerror=" in page.text()
        assert page.run("document.querySelectorAll('main img, main script, main b').length") == 0
        assert "owned" not in page.run("document.title")
    assert seen >= 5
    assert not any(url.endswith("/x") for url in page.requests())


def test_a_hostile_name_is_only_a_name(visit: Callable[[str], None], page: Any) -> None:
    visit("users")
    names = page.run("[...document.querySelectorAll('tbody th')].map((each) => each.innerText)")
    assert len(names) == 6
    for name in names:
        visit(f"users/{quote(name, safe='')}/memory")
        assert page.text("h1") == name
        assert page.run("document.querySelectorAll('main img').length") == 0
    assert page.problems() == []


def test_what_is_not_seen_is_named(visit: Callable[[str], None], page: Any) -> None:
    visit("users/ana/entry/5")
    assert page.text(".entry .text") == "Invoice U+202Egpj.exeU+202C from U+200BBob, 5\u00a0€."
    assert page.run("[...document.querySelectorAll('.entry .unseen')].map((each) => each.textContent)") == [
        "U+202E",
        "U+202C",
        "U+200B",
    ]


def test_markup_cannot_be_made_at_all(visit: Callable[[str], None], page: Any) -> None:
    """The policy stands even where a script would be wrong."""
    visit("users")
    assert page.run(MARKUP) == "TypeError"
    assert page.run(INLINE) == ""


def test_colours_follow_the_system_and_the_choice(visit: Callable[[str], None], page: Any, served: Any) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    visit("users")
    light = page.run(ground)
    page.prefer(prefers_color_scheme="dark")
    dark = page.run(ground)
    assert light != dark
    page.run(
        "(() => { const chosen = document.getElementById('theme'); chosen.value = 'light';"
        " chosen.dispatchEvent(new Event('change')); })()"
    )
    assert page.run(ground) == light
    page.call("Page.reload")
    page.settle()
    assert page.run(ground) == light
    assert page.run("document.getElementById('theme').value") == "light"


def test_nothing_moves_for_those_who_ask_for_it(visit: Callable[[str], None], page: Any) -> None:
    visit("users")
    assert page.run(SPINNING) == "turn"
    page.prefer(prefers_reduced_motion="reduce")
    assert page.run(SPINNING) == "none"
