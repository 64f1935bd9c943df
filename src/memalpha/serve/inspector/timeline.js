// Everything that was ever done to a memory, the newest first.

import { get, path } from "./api.js";
import { el } from "./dom.js";
import { empty, pager, place, title } from "./parts.js";
import { operationList } from "./operations.js";
import { userHead } from "./point.js";

const SIZE = 25;

export async function timelinePage({ user, query, note, signal }) {
  title(user, "Timeline");
  const list = place("the operations");
  let skipped = Math.max(0, Number(query.get("skip")) || 0); // newer ones that are not shown

  const show = async (skip) => {
    skipped = skip;
    note({ skip: skip || null });
    await list.show(load);
  };
  const load = async () => {
    const where = path("users", user, "operations");
    const { last } = await get(where, { limit: 1 }, signal);
    if (!last) return empty("Nothing was ever written here.");
    const newest = Math.max(1, last - skipped);
    const { operations } = await get(where, { first: Math.max(1, newest - SIZE + 1), last: newest, limit: SIZE }, signal);
    const again = async (number) => {
      await show(0);
      focus(number);
    };
    return [
      operations.length
        ? operationList({ user, operations, level: 2, again, signal })
        : empty("These operations were erased."),
      pager({ first: skipped, size: SIZE, total: last, what: "operations", go: show }),
    ];
  };
  await show(skipped);
  return [...userHead(user, "timeline"), el("p", { class: "lead" }, "The newest operation stands first."), list.at];
}

// Move to an operation that has just been made.
export function focus(number) {
  const made = document.querySelector(`#operation-${number} :is(h2, h3)`);
  made?.setAttribute("tabindex", "-1");
  made?.focus();
}
