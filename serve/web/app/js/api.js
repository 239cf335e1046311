// Requests to the server this page came from.
import { signal } from "../../vendor/preact.js";

/** key is the API key that goes with each request; asks is true where the server wants one. */
export const key = signal(localStorage.getItem("key") ?? "");
export const asks = signal(false);

export function setKey(text) {
  key.value = text;
  asks.value = false;
  if (text) localStorage.setItem("key", text);
  else localStorage.removeItem("key");
}

/** ServerError is an answer that is no success: its status, and the API's own error fields. */
export class ServerError extends Error {
  constructor(status, error) {
    super(error.message || `the server answered ${status}`);
    this.status = status;
    this.type = error.type;
    this.error = error;
  }
}

/** ask sends a request; where it fails it throws a ServerError. */
export async function ask(path, { body, signal } = {}) {
  const headers = {};
  if (key.peek()) headers.Authorization = `Bearer ${key.peek()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method: body === undefined ? "GET" : "POST", headers, signal,
    body: body === undefined ? undefined : JSON.stringify(body) });
  if (answer.ok) return answer;
  if (answer.status === 401) asks.value = true;
  const text = await answer.text();
  let error = { message: text.slice(0, 500) };
  try {
    const e = JSON.parse(text).error;
    error = typeof e === "string" ? { message: e } : e ?? error;
  } catch { /* not JSON: the text is the message */ }
  throw new ServerError(answer.status, error);
}

export const json = async (path, options) => (await ask(path, options)).json();

/**
 * events yields the JSON objects of an event stream, and returns true where [DONE] ended it.
 * A line longer than 16 MiB is refused.
 */
export async function* events(answer) {
  const reader = answer.body.getReader(), decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return false;
      rest += decoder.decode(value, { stream: true });
      if (rest.length > 16 << 20) throw new Error("the server's line is too long");
      const lines = rest.split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data:")) continue;
        const data = line.slice(5).trim();
        if (data === "[DONE]") return true;
        const event = JSON.parse(data);
        if (event.error) throw new ServerError(event.error.code ?? 500, event.error);
        yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
