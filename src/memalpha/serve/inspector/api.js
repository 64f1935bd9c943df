// The one way to the server: the key in a header and in no address, one sentence for whatever goes wrong.

const KEPT = "memalpha.key";

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEPT),
  keep: (given) => sessionStorage.setItem(KEPT, given),
  forget: () => sessionStorage.removeItem(KEPT),
};

// Take the key out of `#key=...`, so that it stands neither in the address bar nor in the history.
export function takeKey() {
  const given = /^#key=([^&]+)$/.exec(location.hash);
  if (!given) return false;
  history.replaceState(null, "", location.pathname + location.search);
  key.keep(decodeURIComponent(given[1]));
  return true;
}

// The path of what belongs to names from outside. Browsers resolve "." and ".." even when they are escaped.
export function path(...parts) {
  const wrong = parts.find((part) => [".", ".."].includes(String(part)));
  if (wrong !== undefined) {
    throw new ApiError(0, `got the name “${wrong}”, which no address can hold; use the command line for it`);
  }
  return ["/v1", ...parts.map((part) => encodeURIComponent(part))].join("/");
}

export function get(where, query = {}, signal = undefined) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const asked = new URLSearchParams(given).toString();
  return send(asked ? `${where}?${asked}` : where, { signal });
}

export function post(where, body, signal = undefined) {
  return send(where, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
}

async function send(where, options) {
  const headers = { ...options.headers };
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`;
  const base = new URL("..", document.baseURI).pathname.replace(/\/$/, "");
  let reply;
  try {
    reply = await fetch(base + where, { ...options, headers, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer; see whether it still runs, then try again.");
  }
  const body = await reply.json().catch(() => null);
  if (reply.status === 401) window.dispatchEvent(new Event("memalpha:key"));
  if (!reply.ok) {
    const message = body?.error?.message ?? `The server answered with status ${reply.status} and no reason; see its log.`;
    throw new ApiError(reply.status, message);
  }
  if (body === null) throw new ApiError(reply.status, "The answer is no JSON; see whether this server is memalpha's.");
  return body;
}
