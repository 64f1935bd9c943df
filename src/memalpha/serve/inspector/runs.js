// Run folders: the list, one run, several side by side.

import { get, path } from "./api.js";
import { STYLES, curves } from "./curves.js";
import { count, el, named, when, words } from "./dom.js";
import { badge, empty, failed, heading, table, title } from "./parts.js";

const runLink = (name) => `#/runs/${encodeURIComponent(name)}`;

export async function runsPage({ signal }) {
  title("Runs");
  const head = heading("Runs");
  let runs;
  try {
    ({ runs } = await get("/v1/runs", {}, signal));
  } catch (error) {
    if (error.status !== 404) throw error;
    return [head, none()];
  }
  if (!runs.length) return [head, none()];
  const chosen = new Set();
  const compare = el("button", { type: "button", class: "main", disabled: true, on: { click: open } }, "Compare curves");
  function open() {
    location.hash = `#/compare?${new URLSearchParams([...chosen].map((name) => ["run", name]))}`;
  }
  const pick = (name) => el("input", {
    type: "checkbox",
    "aria-label": `Compare ${named(name)}`,
    on: {
      change: (event) => {
        if (event.target.checked) chosen.add(name);
        else chosen.delete(name);
        compare.disabled = chosen.size < 2 || chosen.size > STYLES;
      },
    },
  });
  const rows = runs.map((run) => [
    el("a", { href: runLink(run.name) }, words(run.name)),
    badge(run.kind),
    run.traces ? count(run.traces, "trace") : el("span", { class: "muted" }, "none"),
    when(run.modified),
    run.kind === "training" ? pick(run.name) : "",
  ]);
  return [
    head,
    el("p", { class: "lead" }, "Training runs and evaluations in the folder that the server was started with."),
    table("Runs", ["Name", "Kind", "Traces", "Last written", "Compare"], rows),
    el("div", { class: "buttons start" }, compare, el("span", { class: "muted" }, `Choose 2 to ${STYLES} training runs.`)),
  ];
}

function none() {
  return empty(
    "This server shows no runs.",
    el("p", { class: "muted" }, "Start it with ", el("code", {}, "memalpha serve --runs runs"), " after a ", el("code", {}, "memalpha train"), " or ", el("code", {}, "memalpha demo"), "."),
  );
}

export async function runPage({ run, signal }) {
  title(run, "Runs");
  const [told, { traces }] = await Promise.all([
    get(`${path("runs", run)}/metrics`, {}, signal),
    get(`${path("runs", run)}/traces`, {}, signal),
  ]);
  return [
    heading(run, [["Runs", "#/runs"]]),
    el("p", { class: "lead" }, badge(told.kind), " ", told.kind === "training" ? count(told.steps, "finished step") : count(told.standings.length, "standing")),
    told.alarms.length > 0 && alarms(told.alarms),
    told.kind === "training"
      ? el("section", { "aria-labelledby": "curves" }, el("h2", { id: "curves" }, "Learning curves"), curves([told]))
      : standings(told.standings),
    el("section", { "aria-labelledby": "traces" }, el("h2", { id: "traces" }, "Traces"), traceList(run, traces)),
    told.settings && settings(told.settings),
  ];
}

export async function comparison({ query, signal }) {
  const names = query.getAll("run").slice(0, STYLES);
  title("Comparison", "Runs");
  const runs = await Promise.all(names.map((name) => get(`${path("runs", name)}/metrics`, {}, signal)));
  const head = heading("Comparison", [["Runs", "#/runs"]]);
  if (!runs.length) return [head, failed(new Error("got no run to compare, expected at least one; choose some in the list"))];
  return [head, el("section", { "aria-labelledby": "curves" }, el("h2", { id: "curves" }, "Learning curves"), curves(runs)), differences(runs)];
}

function alarms(raised) {
  return el("section", { class: "card alarms", "aria-labelledby": "alarms" },
    el("h2", { id: "alarms" }, "Alarms"),
    el("ul", {}, raised.map(({ step, sentence }) => el("li", {}, el("strong", {}, `Step ${step}: `), words(sentence)))));
}

function traceList(run, traces) {
  if (!traces.length) return empty("This run keeps no traces; steps that are validated, and the last one, leave some.");
  const rows = traces.map((trace) => [
    el("a", { href: `${runLink(run)}/${encodeURIComponent(trace.name)}` }, words(trace.name)),
    `${Math.max(1, Math.round(trace.bytes / 1024)).toLocaleString("en")} KiB`,
    when(trace.modified),
  ]);
  return table("Traces", ["Episode", { title: "Size", number: true }, "Written"], rows);
}

function standings(rows) {
  const share = (value) => `${Math.round(value * 100)}%`;
  const made = rows.map((row) => [
    words(row.system), words(row.suite), String(row.questions), row.score.toFixed(3), share(row.sufficient), Math.round(row.read_tokens).toLocaleString("en"),
  ]);
  const columns = ["System", "Suite", ...["Questions", "Mean score", "Answer was read", "Tokens read"].map((name) => ({ title: name, number: true }))];
  return el("section", { "aria-labelledby": "standings" }, el("h2", { id: "standings" }, "Standings"),
    made.length ? table("Standings", columns, made) : empty("No question is answered yet."));
}

function flat(tables) {
  return Object.entries(tables ?? {}).flatMap(([name, keys]) => Object.entries(keys).map(([key, value]) => [`${name}.${key}`, JSON.stringify(value)]));
}

function settings(tables) {
  return el("details", {}, el("summary", {}, "Settings"),
    table("Settings", ["Setting", "Value"], flat(tables).map(([name, value]) => [words(name), el("code", {}, words(value))]), { class: "plain" }));
}

function differences(runs) {
  const tables = runs.map((run) => new Map(flat(run.settings)));
  const names = [...new Set(tables.flatMap((each) => [...each.keys()]))].filter((name) => new Set(tables.map((each) => each.get(name))).size > 1);
  const rows = names.map((name) => [words(name), ...tables.map((each) => el("code", {}, words(each.get(name) ?? "default")))]);
  return el("section", { "aria-labelledby": "settings" }, el("h2", { id: "settings" }, "Settings that differ"),
    rows.length ? table("Settings that differ", ["Setting", ...runs.map((run) => run.name)], rows) : el("p", { class: "muted" }, "None."));
}
