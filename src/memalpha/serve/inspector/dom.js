// Elements from texts. A text becomes a text node and nothing else, so that no memory can become markup.

// Characters that are not seen, or that change the direction of what follows: control and format characters, half
// surrogate pairs. Joiners stay as they are, since names and signs are written with them.
const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}\ud800-\udfff]/gu;

const SVG = "http://www.w3.org/2000/svg";

// One element. Attributes that are null or false are left out; `on` holds listeners by event, `value`, `checked` and
// `disabled` are set as properties; children are nodes, texts or lists of them.
export function el(tag, attributes = {}, ...children) {
  return build(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, tag), attributes, children);
}

function build(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (["value", "checked", "disabled"].includes(name)) made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

// The nodes of a text from outside: what is not seen is named.
export function words(text) {
  const plain = String(text).replaceAll("\r\n", "\n");
  const nodes = [];
  let from = 0;
  for (const match of plain.matchAll(UNSEEN)) {
    const code = "U+" + match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    nodes.push(plain.slice(from, match.index));
    nodes.push(el("span", { class: "unseen", title: `${code}: a character that is not seen` }, code));
    from = match.index + match[0].length;
  }
  nodes.push(plain.slice(from));
  return nodes.filter((node) => node !== "");
}

// The same as one text, for titles and names that are read out.
export function named(text) {
  return words(text).map((node) => (typeof node === "string" ? node : `⟨${node.textContent}⟩`)).join("");
}

// A block of text from outside, in its own direction and with its own lines.
export function text(content, tag = "div", attributes = {}) {
  return el(tag, { dir: "auto", ...attributes, class: ["text", attributes.class ?? ""].join(" ").trim() }, words(content));
}

export function hidden(content) {
  return el("span", { class: "hidden" }, content);
}

// A count with its word: 1 entry, 2 entries.
export function count(number, one, many = one + "s") {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

// A time as people read it, with the exact one for machines and on hovering; what is no time stays as it is.
export function when(time) {
  if (!time) return el("span", { class: "muted" }, "unknown");
  const at = new Date(time);
  if (Number.isNaN(at.getTime())) return el("span", {}, words(time));
  const dated = /^\d{4}-\d{2}-\d{2}$/.test(time);
  const shown = dated ? time : at.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
  return el("time", { datetime: time, title: time }, shown);
}

// Tell what happened: seen for a while, and read out by screen readers.
let clearing = 0;
export function tell(sentence) {
  const told = document.getElementById("told");
  told.replaceChildren(...words(sentence));
  clearTimeout(clearing);
  clearing = setTimeout(() => told.replaceChildren(), 8000);
}
