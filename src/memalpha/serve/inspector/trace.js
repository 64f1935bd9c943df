// The replay of one episode, chunk by chunk: what was said, what the writer did with it, what that was worth.

import { get, path } from "./api.js";
import { change } from "./diff.js";
import { count, el, hidden, svg, text, words } from "./dom.js";
import { badge, bar, entryName, failed, heading, table, title } from "./parts.js";

const FATES = { stored: ["✓", "stored"], changed: ["↻", "changed"], ignored: ["–", "ignored"] };
const VERDICTS = { right: ["✓", "right"], partly: ["◐", "partly"], wrong: ["✗", "wrong"] };

export async function tracePage({ run, trace, query, note, signal }) {
  title(trace, run);
  const head = heading(trace, [["Runs", "#/runs"], [run, `#/runs/${encodeURIComponent(run)}`]]);
  const kept = await get(`${path("runs", run)}/traces/${encodeURIComponent(trace)}`, {}, signal);
  if (!Array.isArray(kept.episode?.chunks) || !Array.isArray(kept.operations)) {
    return [head, failed(new Error("got a file that is no trace, expected one that a run has kept; take it out of the folder"))];
  }
  const replay = new Replay(kept, note);
  replay.go(Math.min(kept.episode.chunks.length, Math.max(1, Number(query.get("chunk")) || 1)) - 1);
  return [head, summary(kept), replay.at, questions(kept, (chunk) => replay.go(chunk, true))];
}

function summary(kept) {
  const { correctness, compression, weights } = kept.reward;
  const totals = kept.steps.map((step) => step.reward.total);
  const mean = totals.length ? totals.reduce((sum, each) => sum + each, 0) / totals.length : null;
  const tile = (name, figure, more) => el("div", { class: "card tile" }, el("dt", {}, name), el("dd", {}, el("span", { class: "figure" }, figure), el("span", { class: "muted" }, more)));
  return [
    el("dl", { class: "tiles" },
      tile("r1 correctness", correctness.toFixed(2), `mean of ${count(kept.answers.length, "question")}`),
      tile("r3 compression", compression.toFixed(2), `${kept.memory_tokens.toLocaleString("en")} of ${kept.raw_tokens.toLocaleString("en")} tokens kept`),
      tile("r of a chunk", mean === null ? "–" : mean.toFixed(2), mean === null ? "no writer read these chunks" : "mean over the chunks")),
    el("p", { class: "lead" }, "Episode ", words(kept.episode.id), `. r = r1 + r2 + ${weights.compression}·r3 + ${weights.content}·r4; r1 and r3 belong to the whole episode, r2 and r4 to each chunk.`),
  ];
}

class Replay {
  constructor(kept, note) {
    this.kept = kept;
    this.note = note;
    this.chunks = kept.episode.chunks;
    this.steps = new Map(kept.steps.map((step) => [step.chunk, step]));
    this.operations = placed(kept.operations);
    this.slider = el("input", { type: "range", id: "chunk", min: 1, max: this.chunks.length, value: 1, on: { input: () => this.go(this.slider.value - 1) } });
    this.told = el("output", { for: "chunk" });
    this.back = el("button", { type: "button", on: { click: () => this.go(this.chunk - 1) } }, "Previous");
    this.next = el("button", { type: "button", on: { click: () => this.go(this.chunk + 1) } }, "Next");
    this.panel = el("section", { "aria-labelledby": "shown-chunk", class: "replay" });
    this.strip = strip(this.chunks.length, this.steps);
    this.at = el("div", {},
      el("div", { class: "card slide" }, el("label", { for: "chunk" }, "Chunk"), this.slider, this.told, el("div", { class: "buttons" }, this.back, this.next), this.strip.at),
      this.panel, allChunks(this));
  }

  go(chunk, focus = false) {
    this.chunk = chunk;
    const { time } = this.chunks[chunk];
    this.slider.value = chunk + 1;
    this.told.replaceChildren(`${chunk + 1} of ${this.chunks.length}`, ...(time ? [", ", ...words(time)] : []));
    this.slider.setAttribute("aria-valuetext", this.told.textContent);
    this.back.disabled = chunk === 0;
    this.next.disabled = chunk === this.chunks.length - 1;
    this.strip.mark(chunk);
    this.note({ chunk: chunk ? chunk + 1 : null });
    const step = this.steps.get(chunk);
    this.panel.replaceChildren(
      el("h2", { id: "shown-chunk", tabindex: "-1" }, `Chunk ${chunk + 1}`),
      el("div", { class: "sides" },
        el("div", {}, el("h3", {}, "What was said"), lines(this.chunks[chunk], this.operations.filter((each) => each.chunk === chunk))),
        el("div", {}, el("h3", {}, "What the writer did"), deeds(step, this.operations.filter((each) => each.chunk === chunk)),
          step && el("h3", {}, "What it was worth"), step && worth(step.reward, this.kept.reward))),
      el("details", {}, el("summary", {}, "The memory after this chunk"), memory(this.operations, chunk)),
      ...(step ? [spoken(step)] : []),
    );
    if (focus) this.panel.querySelector("h2").focus();
  }
}

// Operations with the chunk each belongs to; one without a chunk belongs to that of the one before.
function placed(operations) {
  let chunk = 0;
  return operations.map((operation) => {
    chunk = operation.chunk ?? chunk;
    return { ...operation, chunk };
  });
}

function lines(chunk, operations) {
  const rows = chunk.text.split("\n").map((line) => line.trim()).filter(Boolean).map((line, at) => {
    const quoting = operations.filter((each) => each.after !== null && each.lines.includes(at + 1));
    const fate = quoting.some((each) => each.before !== null) ? "changed" : quoting.length ? "stored" : "ignored";
    const target = quoting.map((each) => ` ${entryName(each.kind, each.id)}`).join(",");
    return el("li", { class: fate }, text(line), el("span", { class: "fate" }, mark(FATES[fate]), target));
  });
  return el("ol", { class: "lines" }, rows);
}

function mark([icon, word]) {
  return [el("span", { "aria-hidden": "true" }, `${icon} `), el("strong", {}, word)];
}

function deeds(step, operations) {
  if (!operations.length && !step?.calls.length) return el("p", { class: "muted" }, "Nothing was written, changed or asked for.");
  const refused = (step?.calls ?? []).filter((call) => call.status !== "ok");
  return el("ul", { class: "deeds" },
    operations.map((each) => el("li", {}, el("p", {}, badge(each.action), " ", entryName(each.kind, each.id)), change(each.before, each.after))),
    refused.map((call) => el("li", { class: "refused" },
      el("p", {}, badge("refused"), " ", words(call.name), ` (${call.status.replaceAll("_", " ")})`),
      text(call.message), call.text && el("code", { class: "text" }, words(call.text)))));
}

function worth(reward, episode) {
  const { weights } = episode;
  const term = (name, value, more) => [name, value === null ? el("span", { class: "muted" }, "no question asks for it") : bar(value, ""), more];
  return table("Reward terms of this chunk", ["Term", "Value", "Weight"], [
    term("r1 correctness, of the episode", episode.correctness, "1"),
    term("r2 calls carried out", reward.tools, "1"),
    term("r3 compression, of the episode", episode.compression, String(weights.compression)),
    term("r4 fit to its memory", reward.content, String(weights.content)),
    [el("strong", {}, "r"), el("strong", { class: "number" }, reward.total.toFixed(3)), ""],
    term("r1 of its own questions", reward.own_correctness, "for credit"),
    term("r3 of what is left of it", reward.own_compression, "for credit"),
  ], { class: "plain" });
}

// What stands in memory after a chunk; what the chunk wrote is marked.
function memory(operations, chunk) {
  const standing = new Map();
  for (const each of operations.filter((operation) => operation.chunk <= chunk)) {
    const name = entryName(each.kind, each.id);
    if (each.after === null) standing.delete(name);
    else standing.set(name, each);
  }
  if (!standing.size) return el("p", { class: "muted" }, "Nothing.");
  return el("ul", { class: "memory" }, [...standing].map(([name, each]) =>
    el("li", { class: each.chunk === chunk ? "stored" : null }, el("strong", {}, name), each.chunk === chunk && [" ", each.before === null ? badge("new") : badge("changed", "update")], text(each.after))));
}

function spoken(step) {
  return el("details", {}, el("summary", {}, "What the writer was shown, and what it said"),
    step.prompt.map((message) => el("div", {}, el("h3", {}, message.role), text(message.content, "pre", { tabindex: "0", "aria-label": `Message of ${message.role}` }))),
    el("h3", {}, step.finished ? "its reply" : "its reply, which was cut"),
    step.completion ? text(step.completion, "pre", { tabindex: "0", "aria-label": "Reply" }) : el("p", { class: "muted" }, "It said nothing."));
}

// One bar a chunk, as high as its r; the table below says the same.
function strip(size, steps) {
  const totals = [...steps.values()].map((step) => step.reward.total);
  const [low, high] = [Math.min(0, ...totals), Math.max(0.01, ...totals)];
  const bars = Array.from({ length: size }, (_, chunk) => {
    const total = steps.get(chunk)?.reward.total ?? 0;
    const tall = Math.max(1, (28 * (total - low)) / (high - low));
    return svg("rect", { x: chunk * 10 + 1, y: 30 - tall, width: 8, height: tall });
  });
  const at = svg("svg", { class: "strip", viewBox: `0 0 ${size * 10} 30`, preserveAspectRatio: "none", "aria-hidden": "true" }, bars);
  at.style.maxWidth = `${size * 1.25}rem`;
  return { at, mark: (chunk) => bars.forEach((each, place) => each.classList.toggle("here", place === chunk)) };
}

function allChunks(replay) {
  const columns = ["Chunk", ...["Calls", "Operations", "r2", "r4", "r"].map((name) => ({ title: name, number: true }))];
  const rows = replay.chunks.map((chunk, at) => {
    const step = replay.steps.get(at);
    const made = replay.operations.filter((each) => each.chunk === at).length;
    const open = el("button", { type: "button", class: "quiet", on: { click: () => replay.go(at, true) } }, hidden("Show chunk "), String(at + 1));
    const worth = step ? [step.reward.tools, step.reward.content, step.reward.total].map((value) => value.toFixed(2)) : ["–", "–", "–"];
    return [open, step ? String(step.calls.length) : "–", String(made), ...worth];
  });
  return el("details", {}, el("summary", {}, "All chunks"), table("All chunks", columns, rows, { class: "plain" }));
}

function questions(kept, go) {
  const rows = kept.episode.questions.map((question, at) => {
    const { text: answer, score } = kept.answers[at];
    const verdict = score >= 1 ? "right" : score > 0 ? "partly" : "wrong";
    const evidence = question.evidence.map((chunk) => el("button", { type: "button", class: "quiet", on: { click: () => go(chunk) } }, hidden("Show chunk "), String(chunk + 1)));
    return [
      text(question.question),
      text(question.answers.join(" or ")),
      text(answer || "(no answer)"),
      el("span", { class: `verdict ${verdict}` }, mark(VERDICTS[verdict]), verdict === "partly" && ` (${score.toFixed(2)})`),
      evidence.length ? evidence : el("span", { class: "muted" }, "unknown"),
    ];
  });
  return el("section", { "aria-labelledby": "questions" }, el("h2", { id: "questions" }, "The questions, answered from memory alone"),
    table("Questions", ["Question", "Expected", "Answer", "Verdict", "Evidence in chunk"], rows));
}
