// Operations as they are shown: what was there before, what is there after, what it was made from, and its undo.

import { get, path, post } from "./api.js";
import { change } from "./diff.js";
import { el, tell, text, when, words } from "./dom.js";
import { ask, badge, entryName, place } from "./parts.js";
import { userLink } from "./users.js";

// The newest first. `level` is that of the headings; `again` is called when one was taken back.
export function operationList({ user, operations, level, again, signal }) {
  const undone = new Map(operations.filter((each) => each.undoes).map((each) => [each.undoes, each.number]));
  return el("ol", { class: "timeline", reversed: true }, operations.toSorted((a, b) => b.number - a.number).map((operation) =>
    el("li", { class: `card ${undone.has(operation.number) ? "undone" : ""}`, id: `operation-${operation.number}`, value: operation.number },
      el("div", { class: "top" },
        el(`h${level}`, {},
          `Operation ${operation.number} `, badge(operation.action),
          el("a", { href: userLink(user, `entry/${operation.id ?? operation.kind}`) }, entryName(operation.kind, operation.id)),
          operation.undoes && badge(`takes back ${operation.undoes}`, "undo"),
          undone.has(operation.number) && badge(`taken back by ${undone.get(operation.number)}`, "undo")),
        el("div", { class: "buttons" },
          el("a", { href: `${userLink(user)}?as_of=${operation.number}` }, "Memory after it"),
          el("button", { type: "button", on: { click: () => undo(user, operation, again) } }, `Undo ${operation.number}`))),
      change(operation.before, operation.after),
      el("p", { class: "about" },
        el("span", {}, "by ", words(operation.author)), badge(operation.origin),
        el("span", {}, "learned ", when(operation.learned)), el("span", {}, "true from ", when(operation.valid))),
      source(user, operation, signal))));
}

// The chunk that an operation was made from; lines that stand in the entry are marked.
function source(user, operation, signal) {
  const at = place("the source");
  const load = async () => {
    let known = operation.source;
    if (!known) {
      const { operations } = await get(path("users", user, "operations"), { first: operation.number, last: operation.number }, signal);
      known = operations[0]?.source;
    }
    if (!known) return el("p", { class: "muted" }, "None is kept: it was written without one, or the source was erased.");
    const lines = known.text.split("\n").map((line) => {
      const quoted = operation.after !== null && line.trim() && operation.after.includes(line.trim());
      return text(line, quoted ? "mark" : "span");
    });
    return [
      el("p", { class: "muted" }, "Said ", when(known.time)),
      el("pre", { class: "text", tabindex: "0", "aria-label": "Source" }, lines.flatMap((line) => [line, "\n"])),
    ];
  };
  const made = el("details", {}, el("summary", {}, "What it was made from"), at.at);
  made.addEventListener("toggle", () => made.open && !at.at.childNodes.length && at.show(load));
  return made;
}

function undo(user, operation, again) {
  // Sent with each try, so that an undo whose answer was lost is not made twice.
  const key = "inspector-" + [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  ask({
    title: `Undo operation ${operation.number}?`,
    body: [
      el("p", {}, `${entryName(operation.kind, operation.id)} becomes what it was before. The undo is an operation of its own, which can be undone.`),
      change(operation.after, operation.before),
    ],
    verb: "Undo it",
    act: async () => {
      const made = await post(path("users", user, "operations", operation.number, "undo"), { key });
      return async () => {
        await again(made.number);
        tell(`Operation ${operation.number} is taken back by operation ${made.number}.`);
      };
    },
  });
}
