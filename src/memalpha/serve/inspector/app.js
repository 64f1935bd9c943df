// Where the page begins: addresses to views, the key, the colours.

import { key, takeKey } from "./api.js";
import { el, tell } from "./dom.js";
import { empty, failed, heading, loading, title } from "./parts.js";
import { comparison, runPage, runsPage } from "./runs.js";
import { entryPage } from "./entry.js";
import { memoryPage } from "./memory.js";
import { searchPage } from "./search.js";
import { timelinePage } from "./timeline.js";
import { tracePage } from "./trace.js";
import { usersPage } from "./users.js";

// Parts of an address that open with a colon are names from outside.
const ROUTES = [
  ["users", usersPage],
  ["users/:user/memory", memoryPage],
  ["users/:user/search", searchPage],
  ["users/:user/timeline", timelinePage],
  ["users/:user/entry/:ref", entryPage],
  ["runs", runsPage],
  ["compare", comparison],
  ["runs/:run", runPage],
  ["runs/:run/:trace", tracePage],
];

const main = document.getElementById("main");
let leaving = new AbortController();
let opened = false;

function match(hash) {
  const [where, asked = ""] = hash.replace(/^#\/?/, "").split("?");
  const steps = (where || "users").split("/");
  for (const [pattern, view] of ROUTES) {
    const wanted = pattern.split("/");
    if (wanted.length !== steps.length) continue;
    if (!wanted.every((part, at) => part.startsWith(":") || part === steps[at])) continue;
    const names = wanted.flatMap((part, at) => (part.startsWith(":") ? [[part.slice(1), decodeURIComponent(steps[at])]] : []));
    return { view, room: steps[0] === "compare" ? "runs" : steps[0], names: Object.fromEntries(names), query: new URLSearchParams(asked) };
  }
  return null;
}

// Change what stands behind the "?" of the address without opening the view anew.
function note(changes) {
  const [where, asked = ""] = location.hash.split("?");
  const query = new URLSearchParams(asked);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") query.delete(name);
    else query.set(name, value);
  }
  history.replaceState(null, "", query.size ? `${where}?${query}` : where);
}

async function open() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  let found = null;
  try {
    found = match(location.hash);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
  }
  for (const link of document.querySelectorAll("nav [data-room]")) {
    if (link.dataset.room === found?.room) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  document.getElementById("forget").hidden = !key.get();
  if (!found) {
    title("Not found");
    return put(heading("Not found"), empty("No view has this address.", el("p", {}, el("a", { href: "#/users" }, "Go to the memories"))));
  }
  main.setAttribute("aria-busy", "true");
  main.replaceChildren(loading("this view"));
  try {
    const made = await found.view({ ...found.names, query: found.query, note, signal, again: open });
    if (!signal.aborted) put(...[made].flat(Infinity).filter(Boolean));
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    if (error.status === undefined) console.error(error);
    title("Problem");
    put(heading("Problem"), failed(error, open));
  }
}

// Show a view. All but the first move the focus to its heading, so that a screen reader goes on there.
function put(...nodes) {
  main.replaceChildren(...nodes);
  main.removeAttribute("aria-busy");
  if (opened) main.querySelector("h1")?.focus({ preventScroll: true });
  if (opened) window.scrollTo(0, 0);
  opened = true;
}

function askForKey() {
  leaving.abort();
  title("Key");
  document.getElementById("forget").hidden = true;
  const given = el("input", { type: "password", id: "key", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "key-note" });
  const wrong = key.get() !== null;
  key.forget();
  const form = el(
    "form",
    { class: "card gate", on: { submit: (event) => { event.preventDefault(); key.keep(given.value.trim()); open(); } } },
    wrong && el("p", { class: "wrong", role: "alert" }, "The server does not take this key."),
    el("label", { for: "key" }, "API key"),
    given,
    el("p", { id: "key-note", class: "muted" }, "It stays in this tab until you close it. Make one with ", el("code", {}, "memalpha keys"), "."),
    el("div", { class: "buttons" }, el("button", { class: "main" }, "Open")),
  );
  put(heading("Which key?"), form);
  given.focus();
}

function chooseColours() {
  const chosen = document.getElementById("theme");
  chosen.value = localStorage.getItem("memalpha.theme") ?? "auto";
  chosen.addEventListener("change", () => {
    if (chosen.value === "auto") {
      localStorage.removeItem("memalpha.theme");
      delete document.documentElement.dataset.theme;
    } else {
      localStorage.setItem("memalpha.theme", chosen.value);
      document.documentElement.dataset.theme = chosen.value;
    }
  });
}

document.getElementById("forget").addEventListener("click", () => {
  key.forget();
  askForKey();
  tell("The key is forgotten.");
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the view
  (main.querySelector("h1") ?? main).focus();
});
window.addEventListener("memalpha:key", askForKey);
window.addEventListener("hashchange", () => {
  takeKey();
  open();
});
chooseColours();
takeKey();
open();
