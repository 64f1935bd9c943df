// Which words of a text were taken away and which were added.

import { el, hidden, words } from "./dom.js";

const PARTS = /\s+|[\p{L}\p{M}\p{N}]+|[^\s\p{L}\p{M}\p{N}]/gu;
const LARGEST = 4_000_000; // of the table of a comparison; longer texts are shown whole, one after the other

// Runs of words that are kept, removed or added, in reading order.
export function compare(before, after) {
  const [old, now] = [before, after].map((text) => text.match(PARTS) ?? []);
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
  let tail = 0;
  while (tail < old.length - head && tail < now.length - head && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1;
  const middle = between(old.slice(head, old.length - tail), now.slice(head, now.length - tail));
  const parts = [["kept", old.slice(0, head)], ...middle, ["kept", tail ? old.slice(-tail) : []]];
  const joined = [];
  for (const [fate, some] of parts) {
    if (!some.length) continue;
    if (joined.at(-1)?.[0] === fate) joined.at(-1)[1] += some.join("");
    else joined.push([fate, some.join("")]);
  }
  return joined;
}

// The longest common subsequence by its table; what is in it is kept.
function between(old, now) {
  if (!old.length || !now.length || old.length * now.length > LARGEST) return [["removed", old], ["added", now]];
  const wide = now.length + 1;
  const longest = new Uint16Array((old.length + 1) * wide);
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      longest[i * wide + j] = old[i] === now[j]
        ? longest[(i + 1) * wide + j + 1] + 1
        : Math.max(longest[(i + 1) * wide + j], longest[i * wide + j + 1]);
    }
  }
  const parts = [];
  let [i, j] = [0, 0];
  while (i < old.length && j < now.length) {
    if (old[i] === now[j]) { parts.push(["kept", [old[i]]]); i += 1; j += 1; }
    else if (longest[(i + 1) * wide + j] >= longest[i * wide + j + 1]) { parts.push(["removed", [old[i]]]); i += 1; }
    else { parts.push(["added", [now[j]]]); j += 1; }
  }
  return [...parts, ["removed", old.slice(i)], ["added", now.slice(j)]];
}

// A change as it is shown: the words before and after are told by sign, colour and hidden words.
export function change(before, after) {
  const shown = (fate, part) => {
    if (fate === "kept") return el("span", {}, words(part));
    const [tag, said] = fate === "removed" ? ["del", "removed: "] : ["ins", "added: "];
    return el(tag, {}, hidden(said), words(part));
  };
  if (before === null && after === null) return el("p", { class: "muted" }, "Nothing is left of its text.");
  const parts = before === null ? [["added", after]] : after === null ? [["removed", before]] : compare(before, after);
  const whole = before === null || after === null;
  return el("div", { class: `change text ${whole ? "whole" : ""}`, dir: "auto" }, parts.map(([fate, part]) => shown(fate, part)));
}
