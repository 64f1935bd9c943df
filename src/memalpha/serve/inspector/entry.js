// One entry: what it says now, and everything that was done to it.

import { get, path } from "./api.js";
import { el, text, when, words } from "./dom.js";
import { badge, empty, entryName, heading, place, title } from "./parts.js";
import { operationList } from "./operations.js";
import { focus } from "./timeline.js";
import { userLink } from "./users.js";

export async function entryPage({ user, ref, signal }) {
  const single = !/^\d+$/.test(ref);
  const all = place("the entry");
  const load = async () => {
    const where = path("users", user, "memories", ref);
    const { operations } = await get(`${where}/history`, {}, signal).catch((error) => {
      if (error.status === 404) return { operations: [] };
      throw error;
    });
    if (!operations.length) return empty("There never was such an entry, or it was erased with its history.");
    const entry = operations.at(-1).after === null ? null : await get(where, {}, signal);
    const again = async (number) => {
      await all.show(load);
      focus(number);
    };
    return [
      entry ? now(entry) : el("div", { class: "card entry" }, el("p", {}, el("strong", {}, "It is not in memory now. "), "The history says what became of it.")),
      el("h2", {}, "History"),
      operationList({ user, operations, level: 3, again, signal }),
    ];
  };
  await all.show(load);
  const name = single ? ref : `entry ${ref}`;
  title(name, user);
  return [heading(name, [["Memories", "#/users"], [user, userLink(user)]]), all.at];
}

function now(entry) {
  const fact = (name, value) => [el("dt", {}, name), el("dd", {}, value)];
  return el("section", { class: "card entry", "aria-label": "What it says now" },
    text(entry.text),
    el("dl", { class: "facts" },
      fact("Name", entryName(entry.kind, typeof entry.ref === "number" ? entry.ref : null)),
      fact("Said", when(entry.time)),
      fact("Whose words", badge(entry.origin)),
      fact("Written by", words(entry.author)),
      fact("Version", String(entry.version))));
}
