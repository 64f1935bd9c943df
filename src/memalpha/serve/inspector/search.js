// Search in the memory of a user, with what spoke for each entry that was found.

import { path, post } from "./api.js";
import { count, el, text, when, words } from "./dom.js";
import { badge, choice, empty, entryName, field, place, title } from "./parts.js";
import { KINDS } from "./memory.js";
import { lastNumber, pointOf, pointSlider, userHead } from "./point.js";
import { userLink } from "./users.js";

const SIGNALS = { bm25: "words (BM25)", vector: "meaning (vectors)", recency: "recency" };
const WORD = /[\p{L}\p{M}\p{N}]+/gu;

export async function searchPage({ user, query, note, signal }) {
  title(user, "Search");
  const last = await lastNumber(user, signal);
  let point = pointOf(query, last);
  const found = place("what is found");
  const told = el("p", { class: "muted", role: "status" });
  const asked = el("input", { type: "search", id: "query", value: query.get("q") ?? "", required: true, autocomplete: "off", enterkeyhint: "search" });
  const kind = choice(KINDS, query.get("kind") ?? "");
  const limit = choice([["10", "10"], ["25", "25"], ["100", "100"]], query.get("limit") ?? "10");
  const [since, until] = ["since", "until"].map((name) => el("input", { type: "date", value: query.get(name) ?? "" }));

  const show = () => {
    const about = { q: asked.value, kind: kind.value, limit: limit.value === "10" ? null : limit.value, since: since.value, until: until.value, as_of: point };
    note(about);
    if (!asked.value.trim()) return found.at.replaceChildren();
    const body = { query: asked.value, as_of: point };
    const wanted = { limit: Number(limit.value), kinds: kind.value ? [kind.value] : [], since: since.value || null, until: until.value ? `${until.value}T23:59:59` : null };
    return found.show(async () => {
      const reply = await post(path("users", user, "search"), { ...body, ...wanted, explain: true }, signal);
      told.textContent = `${count(reply.found.length, "entry", "entries")} found.`;
      return [results(user, reply.found, asked.value), prompt(user, body, signal)];
    });
  };
  const form = el("form", { class: "card finder", role: "search", on: { submit: (event) => { event.preventDefault(); show(); } } },
    el("div", { class: "ask" }, field("What to look for", asked), el("button", { class: "main" }, "Search")),
    el("div", { class: "more" }, field("Kind", kind), field("At most", limit), field("Since", since), field("Until", until)));
  if (asked.value) await show();
  return [
    ...userHead(user, "search"),
    form,
    last > 0 && pointSlider({ user, last, value: point, signal, chosen: (at) => { point = at; show(); } }),
    told,
    found.at,
  ];
}

function results(user, found, query) {
  if (!found.length) return empty("Nothing speaks to that. Try other words; a search finds entries that share some with it.");
  const asked = new Set(query.toLowerCase().match(WORD) ?? []);
  return el("ol", { class: "found" }, found.map(({ entry, score, signals }) => el("li", { class: "card" },
    el("div", { class: "text", dir: "auto" }, marked(entry.text, asked)),
    el("p", { class: "about" },
      el("a", { href: userLink(user, `entry/${entry.ref}`) }, entryName(entry.kind, typeof entry.ref === "number" ? entry.ref : null)),
      badge(entry.origin), entry.time && when(entry.time), el("span", {}, `score ${shown(score)}`)),
    el("ul", { class: "about", "aria-label": "Why it was found" }, signals.map((each) =>
      el("li", {}, `${SIGNALS[each.name] ?? each.name}: `, each.rank === null ? "not in its list" : `rank ${each.rank}`, `, ${shown(each.score)}`))))));
}

// A text with the words of the query marked.
function marked(content, asked) {
  const nodes = [];
  let from = 0;
  for (const match of content.matchAll(WORD)) {
    if (!asked.has(match[0].toLowerCase())) continue;
    nodes.push(words(content.slice(from, match.index)), el("mark", {}, match[0]));
    from = match.index + match[0].length;
  }
  return [...nodes, words(content.slice(from))];
}

// What a prompt would be given for the same question.
function prompt(user, body, signal) {
  const at = place("the context");
  const load = async () => {
    const { context } = await post(path("users", user, "context"), body, signal);
    return context ? text(context, "pre", { tabindex: "0", "aria-label": "Text for a prompt" }) : empty("Nothing.");
  };
  const made = el("details", {}, el("summary", {}, "What a prompt would be given"), at.at);
  made.addEventListener("toggle", () => made.open && !at.at.childNodes.length && at.show(load));
  return made;
}

function shown(score) {
  return String(Number(score.toPrecision(3)));
}
