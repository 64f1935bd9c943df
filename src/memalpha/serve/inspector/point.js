// The slider that chooses a point in the history of a memory, and what stands above the views of one user.

import { get, path } from "./api.js";
import { el, when } from "./dom.js";
import { entryName, heading, tabs } from "./parts.js";
import { userLink } from "./users.js";

const CALM_MS = 150; // so long a slider must rest before anything is asked for

export function userHead(user, open) {
  const views = [["memory", "Memory"], ["search", "Search"], ["timeline", "Timeline"]];
  return [
    heading(user, [["Memories", "#/users"]]),
    tabs("Views of this memory", views.map(([name, label]) => [name, label, userLink(user, name)]), open),
  ];
}

export async function lastNumber(user, signal) {
  return (await get(path("users", user, "operations"), { limit: 1 }, signal)).last;
}

// `chosen` is called with the number of an operation, or null for now.
export function pointSlider({ user, last, value, chosen, signal }) {
  const slider = el("input", { type: "range", id: "point", min: 0, max: last, value: value ?? last, on: { input: () => move(true) } });
  const told = el("output", { for: "point" });
  const past = el("p", { class: "past" });
  const now = el("button", { type: "button", on: { click: () => { slider.value = last; move(true); } } }, "Now");
  let resting = 0;

  function move(tell) {
    const at = Number(slider.value);
    told.textContent = at === last ? `now, after ${last.toLocaleString("en")} operations` : `after operation ${at.toLocaleString("en")} of ${last.toLocaleString("en")}`;
    slider.setAttribute("aria-valuetext", told.textContent);
    now.disabled = at === last;
    past.hidden = at === last;
    past.replaceChildren(at ? "This is the past: what is shown was known then." : "This is before the first operation.");
    clearTimeout(resting);
    if (tell) resting = setTimeout(() => chosen(at === last ? null : at), CALM_MS);
    if (at && at !== last) describe(at);
  }

  async function describe(at) {
    await new Promise((rest) => setTimeout(rest, CALM_MS));
    if (Number(slider.value) !== at || signal.aborted) return;
    const { operations: [operation] } = await get(path("users", user, "operations"), { first: at, last: at }, signal).catch(() => ({ operations: [] }));
    if (!operation || Number(slider.value) !== at) return;
    past.replaceChildren("This is the past, right after the ", operation.action, " of ", entryName(operation.kind, operation.id), ", ", when(operation.learned), ".");
  }

  move(false);
  return el("div", { class: "card slide" }, el("label", { for: "point" }, "As of"), slider, el("span", {}, told, " ", now), past);
}

// The point that an address names: a number below the last one, else now.
export function pointOf(query, last) {
  const given = query.get("as_of");
  return /^\d+$/.test(given ?? "") && Number(given) < last ? Number(given) : null;
}
