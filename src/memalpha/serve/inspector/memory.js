// What is in the memory of a user, now or at any point of its history.

import { get, path } from "./api.js";
import { change } from "./diff.js";
import { count, el, text, when, words } from "./dom.js";
import { badge, choice, empty, entryName, field, place, table, title } from "./parts.js";
import { lastNumber, pointOf, pointSlider, userHead } from "./point.js";
import { userLink } from "./users.js";

const SIZE = 100;
export const KINDS = [["", "All kinds"], ["core", "Core"], ["episodic", "Episodic"], ["semantic", "Semantic"]];

export async function memoryPage({ user, query, note, signal }) {
  title(user, "Memory");
  const last = await lastNumber(user, signal);
  const asked = { kind: query.get("kind") ?? "", as_of: pointOf(query, last), after: query.get("after") };
  const list = place("the entries", { class: "entries" });
  const told = el("p", { class: "muted", role: "status" });

  const show = (changes) => {
    Object.assign(asked, changes);
    note(asked);
    return list.show(load);
  };
  const load = async () => {
    const { entries, next } = await get(path("users", user, "memories"), { ...asked, limit: SIZE }, signal);
    told.textContent = next ? `The first ${count(entries.length, "entry", "entries")} from here.` : `${count(entries.length, "entry", "entries")} from here on.`;
    if (asked.after === null && !next) told.textContent = count(entries.length, "entry", "entries");
    return [...listing(user, entries, asked.after), pages(asked.after, next, show), asked.as_of !== null && since(user, asked.as_of, last, signal)];
  };

  await show({});
  const kind = choice(KINDS, asked.kind, { on: { change: () => show({ kind: kind.value, after: null }) } });
  return [
    ...userHead(user, "memory"),
    last > 0 && pointSlider({ user, last, value: asked.as_of, signal, chosen: (at) => show({ as_of: at, after: null }) }),
    el("div", { class: "filters" }, field("Kind", kind), told),
    list.at,
  ];
}

function listing(user, entries, after) {
  if (!entries.length) return [after ? empty("There are no more entries.") : empty("Nothing is in memory here.")];
  const singles = entries.filter((entry) => typeof entry.ref === "string");
  const listed = entries.filter((entry) => typeof entry.ref === "number");
  const rows = listed.map((entry) => [
    el("a", { href: userLink(user, `entry/${entry.ref}`) }, entryName(entry.kind, entry.ref)),
    text(entry.text),
    entry.time ? when(entry.time) : el("span", { class: "muted" }, "no time"),
    badge(entry.origin),
    `version ${entry.version}`,
  ]);
  return [
    ...singles.map((entry) => el("section", { class: "card single", "aria-labelledby": `single-${entry.kind}` },
      el("h2", { id: `single-${entry.kind}` }, entry.kind),
      text(entry.text),
      el("p", { class: "muted" }, el("a", { href: userLink(user, `entry/${entry.ref}`) }, "History"), `, version ${entry.version}, by `, words(entry.author)))),
    listed.length > 0 && table("Entries", ["Entry", "Text", "When", "Whose words", "Changes"], rows, { class: "wide" }),
  ];
}

// Pages go on behind an id; the way back is to the first one.
function pages(after, next, show) {
  if (!after && !next) return null;
  const behind = el("input", { type: "number", min: 0, inputmode: "numeric", value: after ?? "" });
  const go = (event) => {
    event.preventDefault();
    show({ after: behind.value === "" ? null : Number(behind.value) });
  };
  return el("nav", { class: "pager", "aria-label": "Pages of entries" },
    el("button", { type: "button", disabled: !after, on: { click: () => show({ after: null }) } }, "First"),
    el("button", { type: "button", disabled: !next, on: { click: () => show({ after: next }) } }, "Next"),
    el("form", { class: "pager", on: { submit: go } }, field("Behind entry", behind), el("button", {}, "Go")));
}

// What has been changed between a point and now.
function since(user, point, last, signal) {
  const list = place("the differences");
  const load = async () => {
    const { differences } = await get(path("users", user, "diff"), { first: point, last }, signal);
    const shown = differences.slice(0, SIZE);
    if (!shown.length) return empty("Nothing: the memory is now what it was.");
    return [
      el("ul", { class: "memory" }, shown.map((each) => el("li", {}, el("strong", {}, entryName(each.kind, each.id)), change(each.before, each.after)))),
      differences.length > SIZE && el("p", { class: "muted" }, `and ${count(differences.length - SIZE, "more entry", "more entries")}; the timeline has them all.`),
    ];
  };
  const made = el("details", {}, el("summary", {}, "What is different now"), list.at);
  made.addEventListener("toggle", () => made.open && !list.at.childNodes.length && list.show(load));
  return made;
}
