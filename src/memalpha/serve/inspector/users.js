// The users of the tenant that the key belongs to.

import { get } from "./api.js";
import { count, el, text, when } from "./dom.js";
import { empty, field, heading, place, table, title } from "./parts.js";

const SIZE = 100;

export const userLink = (user, view = "memory") => `#/users/${encodeURIComponent(user)}/${view}`;

export async function usersPage({ query, note, signal }) {
  title("Memories");
  const list = place("the users");
  const show = (after) => {
    note({ after });
    return list.show(async () => page(await get("/v1/users", { after, limit: SIZE }, signal), after, show));
  };
  const first = await get("/v1/users", { after: query.get("after"), limit: SIZE }, signal);
  list.at.replaceChildren(...page(first, query.get("after"), show).filter(Boolean));
  return [
    heading("Memories"),
    el("p", { class: "lead" }, "Whose memory do you want to look into? To erase one for good, use ", el("code", {}, "memalpha erase"), "; nothing here does."),
    finder(),
    list.at,
  ];
}

function finder() {
  const name = el("input", { type: "text", autocomplete: "off", spellcheck: "false", required: true });
  const open = (event) => {
    event.preventDefault();
    location.hash = userLink(name.value);
  };
  return el("form", { class: "filters", role: "search", on: { submit: open } }, field("User by name", name), el("button", {}, "Open"));
}

function page({ users, next }, after, show) {
  if (!users.length) return [after ? empty("There are no more users.") : empty("No memory is kept for this key yet.")];
  const rows = users.map((each) => [
    el("a", { href: userLink(each.user) }, text(each.user, "span")),
    each.entries.toLocaleString("en"),
    each.operations.toLocaleString("en"),
    when(each.learned),
  ]);
  const number = (name) => ({ title: name, number: true });
  return [
    table("Users", ["User", number("Entries"), number("Operations"), "Last learned"], rows),
    (after || next) && el("nav", { class: "pager", "aria-label": "Pages of users" },
      el("button", { type: "button", disabled: !after, on: { click: () => show(null) } }, "First"),
      el("button", { type: "button", disabled: !next, on: { click: () => show(next) } }, "Next"),
      el("span", { class: "muted" }, count(users.length, "user"))),
  ];
}
