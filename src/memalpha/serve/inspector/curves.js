// Learning curves as inline SVG in the colours of the page, each with its numbers in a table.

import { count, el, svg, words } from "./dom.js";
import { table } from "./parts.js";

const WIDTH = 480, HEIGHT = 250, LEFT = 52, RIGHT = 12, TOP = 10, BOTTOM = 34;
const ROWS = 24; // of the table of a curve
export const STYLES = 6; // colours and dashes that can be told apart

// All panels of some runs: [{name, panels}]. One slider moves through the steps of all of them.
export function curves(runs) {
  const metrics = [...new Map(runs.flatMap((run) => run.panels).map((panel) => [panel.metric, panel])).values()];
  if (!metrics.length) return [el("p", { class: "muted" }, "No step is finished yet.")];
  const figures = metrics.map((panel) => figure(panel, runs.flatMap((run, style) =>
    run.panels.filter((each) => each.metric === panel.metric).map((each) => ({ ...each, name: run.name, style })))));
  const last = Math.max(...metrics.flatMap((panel) => runs.flatMap((run) =>
    run.panels.filter((each) => each.metric === panel.metric).map((each) => each.steps.at(-1)))));
  const at = el("output", { for: "step" });
  const slider = el("input", { type: "range", id: "step", min: 1, max: last, value: last, on: { input: move } });
  function move() {
    at.textContent = `step ${Number(slider.value).toLocaleString("en")} of ${last.toLocaleString("en")}`;
    slider.setAttribute("aria-valuetext", at.textContent);
    for (const each of figures) each.move(Number(slider.value));
  }
  move();
  return [
    el("div", { class: "card slide" }, el("label", { for: "step" }, "Look at"), slider, at),
    runs.length > 1 && legend(runs),
    el("p", { class: "muted" }, "Thin: each step. Bold: the moving mean of the steps before. Points: single measurements."),
    el("div", { class: "plots" }, figures.map((each) => each.at)),
  ];
}

function legend(runs) {
  return el("ul", { class: "legend", "aria-label": "Runs" }, runs.map((run, style) =>
    el("li", {}, svg("svg", { viewBox: "0 0 28 8", class: "swatch", "aria-hidden": "true" }, svg("path", { d: "M0 4H28", class: `mean s${style % STYLES}` })), words(run.name))));
}

function figure(panel, drawn) {
  const id = `panel-${panel.metric}`;
  const scale = scales(drawn);
  const line = svg("path", { class: "cursor" });
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-labelledby": `${id} ${id}-told` },
    axes(scale),
    drawn.map((curve) => [
      svg("path", { d: trail(curve.steps, curve.values, scale), class: `${curve.points ? "joined" : "raw"} s${curve.style % STYLES}` }),
      curve.points
        ? curve.steps.map((step, at) => svg("circle", { cx: scale.x(step), cy: scale.y(curve.values[at]), r: 3.2, class: `dot s${curve.style % STYLES}` }))
        : svg("path", { d: trail(curve.steps, curve.means, scale), class: `mean s${curve.style % STYLES}` }),
    ]),
    line,
  );
  const read = el("p", { class: "read" });
  const at = el(
    "figure",
    { class: "card plot" },
    el("h3", { id }, panel.title, " ", el("span", { class: "muted" }, panel.unit)),
    picture,
    read,
    el("figcaption", { id: `${id}-told`, class: "muted" }, drawn.map((curve) => sentence(curve)).join(" ")),
    numbers(panel, drawn),
  );
  const move = (step) => {
    line.setAttribute("d", `M${scale.x(step)} ${TOP}V${HEIGHT - BOTTOM}`);
    read.replaceChildren(...drawn.flatMap((curve) => {
      const place = nearest(curve.steps, step);
      const named = drawn.length > 1 ? [...words(curve.name), " "] : [];
      const mean = curve.points ? [] : [`, mean ${shown(curve.means[place])}`];
      return [el("span", {}, named, `step ${curve.steps[place]}: `, el("strong", {}, shown(curve.values[place])), mean)];
    }));
  };
  return { at, move };
}

function sentence(curve) {
  const told = curve.points ? curve.values : curve.means;
  return `${curve.name}: from ${shown(told[0])} to ${shown(told.at(-1))} in ${count(curve.steps.length, curve.points ? "measurement" : "step")}.`;
}

function numbers(panel, drawn) {
  const steps = [...new Set(drawn.flatMap((curve) => curve.steps))].sort((a, b) => a - b);
  const apart = Math.ceil(steps.length / ROWS);
  const kept = steps.filter((_, at) => at % apart === 0 || at === steps.length - 1);
  const columns = drawn.flatMap((curve) =>
    curve.points ? [curve.name] : [`${curve.name}, step`, `${curve.name}, mean`]).map((title) => ({ title, number: true }));
  const cell = (value) => (value === undefined ? "–" : shown(value));
  const rows = kept.map((step) => [String(step), ...drawn.flatMap((curve) => {
    const place = curve.steps.indexOf(step);
    return curve.points ? [cell(curve.values[place])] : [cell(curve.values[place]), cell(curve.means[place])];
  })]);
  const made = el("details", {}, el("summary", {}, "Numbers"));
  made.addEventListener("toggle", () => made.childNodes.length === 1 && made.append(table(`${panel.title}, ${panel.unit}`, ["Step", ...columns], rows, { class: "plain" })));
  return made;
}

function scales(drawn) {
  const steps = drawn.flatMap((curve) => [curve.steps[0], curve.steps.at(-1)]);
  const [first, last] = [Math.min(...steps), Math.max(...steps)];
  let [low, high] = [Infinity, -Infinity];
  for (const curve of drawn) for (const value of curve.values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const ticks = nice(low, high);
  [low, high] = [ticks[0], ticks.at(-1)];
  return {
    first, last, ticks,
    x: (step) => round(LEFT + ((WIDTH - LEFT - RIGHT) * (step - first)) / Math.max(1, last - first)),
    y: (value) => round(TOP + ((HEIGHT - TOP - BOTTOM) * (high - value)) / (high - low)),
  };
}

// About four round numbers that enclose a span.
export function nice(low, high) {
  if (!(high > low)) [low, high] = [low - Math.max(0.5, Math.abs(low) / 2), high + Math.max(0.5, Math.abs(high) / 2)];
  const raw = (high - low) / 4;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = unit * ([1, 2, 2.5, 5].find((times) => times * unit >= raw) ?? 10);
  const from = Math.floor(low / step + 1e-9), to = Math.ceil(high / step - 1e-9);
  return Array.from({ length: to - from + 1 }, (_, at) => Number(((from + at) * step).toPrecision(12)));
}

function axes(scale) {
  const across = nice(scale.first, Math.max(scale.first + 1, scale.last)).filter((step) => step >= scale.first && step <= scale.last);
  return [
    scale.ticks.map((tick) => [
      svg("path", { class: "grid", d: `M${LEFT} ${scale.y(tick)}H${WIDTH - RIGHT}` }),
      svg("text", { x: LEFT - 8, y: scale.y(tick) + 4, "text-anchor": "end" }, shown(tick)),
    ]),
    across.filter(Number.isInteger).map((tick) => svg("text", { x: scale.x(tick), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle" }, tick.toLocaleString("en"))),
  ];
}

function trail(steps, values, scale) {
  return steps.map((step, at) => `${at ? "L" : "M"}${scale.x(step)} ${scale.y(values[at])}`).join("");
}

// The place of the last step that is not after `step`, else the first.
export function nearest(steps, step) {
  let place = 0;
  for (let at = 0; at < steps.length && steps[at] <= step; at += 1) place = at;
  return place;
}

export function shown(value) {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}

function round(value) {
  return Math.round(value * 10) / 10;
}
