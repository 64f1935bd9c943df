// What every view is made of: headings, states, tables, pages, questions.

import { el, hidden, named, words } from "./dom.js";

// The heading of a view with the way back above it; it takes the focus when the view opens.
export function heading(title, trail = []) {
  const steps = trail.map(([label, href]) => el("li", {}, el("a", { href }, words(label))));
  return el(
    "div",
    { class: "heading" },
    trail.length > 0 && el("nav", { "aria-label": "Where you are" }, el("ol", { class: "trail" }, steps)),
    el("h1", { tabindex: "-1", dir: "auto" }, words(title)),
  );
}

export function loading(what) {
  return el("p", { class: "state loading", role: "status" }, el("span", { class: "spinner", "aria-hidden": "true" }), `Loading ${what}…`);
}

export function empty(sentence, ...more) {
  return el("div", { class: "state" }, el("p", {}, sentence), more);
}

// What went wrong in one sentence, and a way to try again.
export function failed(error, again = null) {
  return el(
    "div",
    { class: "state failed", role: "alert" },
    el("p", {}, el("strong", {}, "This did not work. "), words(error.message)),
    again && el("button", { type: "button", on: { click: again } }, "Try again"),
  );
}

// A place that shows what a promise brings: loading, then the view, or what went wrong. The newest `show` wins.
export function place(what, attributes = {}) {
  const at = el("div", attributes);
  let turn = 0;
  return {
    at,
    async show(load) {
      const mine = ++turn;
      const waiting = setTimeout(() => mine === turn && at.replaceChildren(loading(what)), at.childNodes.length ? 400 : 0);
      at.setAttribute("aria-busy", "true");
      try {
        const made = await load();
        if (mine === turn) at.replaceChildren(...[made].flat(Infinity).filter(Boolean));
      } catch (error) {
        if (mine === turn && error.name !== "AbortError") at.replaceChildren(failed(error, () => this.show(load)));
      } finally {
        clearTimeout(waiting);
        if (mine === turn) at.removeAttribute("aria-busy");
      }
    },
  };
}

// A table that is still one to a screen reader where a narrow page shows its rows as blocks. Columns are texts or
// {title, number}; rows are lists of nodes, the first of which names the row.
export function table(caption, columns, rows, attributes = {}) {
  const told = columns.map((column) => (typeof column === "string" ? { title: column } : column));
  const head = told.map(({ title, number }) =>
    el("th", { scope: "col", role: "columnheader", class: number ? "number" : null }, title));
  const body = rows.map((cells) => el("tr", { role: "row" }, cells.map((cell, at) => {
    const { title, number } = told[at];
    const named = { class: number ? "number" : null, "data-title": title };
    return at ? el("td", { role: "cell", ...named }, cell) : el("th", { scope: "row", role: "rowheader", ...named }, cell);
  })));
  return el("div", { class: "card scroll" }, el(
    "table",
    { role: "table", ...attributes },
    el("caption", { class: "hidden" }, caption),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, head)),
    el("tbody", { role: "rowgroup" }, body),
  ));
}

// Earlier and later pages; `go` is called with the place of the first row to show.
export function pager({ first, size, total, what, go }) {
  if (total <= size) return null;
  const last = Math.min(total, first + size);
  const button = (label, to, off) => el("button", { type: "button", disabled: off, on: { click: () => go(to) } }, label);
  return el(
    "nav",
    { class: "pager", "aria-label": `Pages of ${what}` },
    button("First", 0, first === 0),
    button("Previous", Math.max(0, first - size), first === 0),
    el("span", { class: "muted" }, `${(first + 1).toLocaleString("en")} to ${last.toLocaleString("en")} of ${total.toLocaleString("en")}`),
    button("Next", first + size, last >= total),
    button("Last", Math.floor((total - 1) / size) * size, last >= total),
  );
}

export function badge(word, kind = word) {
  return el("span", { class: `badge ${/^[a-z]+$/.test(kind) ? kind : ""}` }, words(word));
}

// A labelled control.
export function field(label, control, more = {}) {
  return el("label", { class: "field", ...more }, el("span", {}, label), control);
}

export function choice(options, value, attributes = {}) {
  const made = el("select", attributes, options.map(([name, label]) => el("option", { value: name }, label)));
  made.value = value;
  return made;
}

// Links between the views of one thing; the one that is open is marked.
export function tabs(label, links, open) {
  return el("nav", { class: "tabs", "aria-label": label }, el("ul", {}, links.map(([name, title, href]) =>
    el("li", {}, el("a", { href, "aria-current": name === open ? "page" : null }, title)))));
}

// Ask before something is done. `act` does it; what it says when it fails stays in the dialog. It gives what is to be
// done once the dialog is gone, since nothing behind it can take the focus.
export function ask({ title, body, verb, act }) {
  const opener = document.activeElement;
  const problem = el("div", { role: "alert" });
  const yes = el("button", { type: "button", class: "main" }, verb);
  const no = el("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel");
  const dialog = el(
    "dialog",
    { "aria-labelledby": "asked", on: { close: () => { dialog.remove(); if (opener?.isConnected) opener.focus(); } } },
    el("h2", { id: "asked" }, words(title)),
    body,
    problem,
    el("div", { class: "buttons" }, no, yes),
  );
  yes.addEventListener("click", async () => {
    yes.disabled = true;
    try {
      const after = await act();
      dialog.close();
      after();
    } catch (error) {
      problem.replaceChildren(el("p", { class: "wrong" }, words(error.message)));
      yes.disabled = false;
      no.focus();
    }
  });
  document.body.append(dialog);
  dialog.showModal();
  no.focus();
}

// A bar for a share in [0, 1], with the number beside it.
export function bar(value, label) {
  const shown = Math.max(0, Math.min(1, value));
  const fill = el("span", { class: "fill" });
  fill.style.width = `${shown * 100}%`;
  return el("span", { class: "share" }, el("span", { class: "track", "aria-hidden": "true" }, fill), hidden(label ?? ""), el("span", { class: "number" }, value.toFixed(2)));
}

export function entryName(kind, id) {
  return id === null || id === undefined ? kind : `${kind} ${id}`;
}

export function title(...parts) {
  document.title = [...parts.map(named), "memalpha Inspector"].join(" · ");
}
