// One answer: what is sent, what comes back token by token, and how it ends.
import { signal } from "../../vendor/preact.js";
import { ask, events } from "./api.js";
import { contextSize, look, tellsProgress } from "./server.js";
import { request } from "./settings.js";
import * as store from "./store.js";
import { sent } from "./tree.js";
import { Voice } from "./notes.js";
import { fileText } from "./attach.js";

/** running are the answers this tab is getting: id of the message to its controller. */
const running = new Map();
/** unsaved are Answers of which the last is not in the database yet: they may have ended. */
const unsaved = new Set();
/** busy counts them for who shows it; reading says how far the prompt of one is read. */
export const busy = signal(0);
export const reading = signal(null);

const lockName = (id) => "eclat-answer-" + id;

/** alive reports whether some tab is getting this answer. */
async function alive(id) {
  if (running.has(id)) return true;
  if (navigator.locks) return (await navigator.locks.query()).held.some((l) => l.name === lockName(id));
  // Without locks (no TLS off loopback) another tab's writes are what shows it.
  return new Promise((done) => {
    const hear = (note) => { if (note.kind === "message" && note.message.id === id) end(true); };
    const end = (value) => { store.heard.delete(hear); done(value); };
    store.heard.add(hear);
    setTimeout(() => end(false), 2500);
  });
}

/** mend marks answers that were cut off, by a reload or a crash, as such. */
export async function mend() {
  for (const s of [...store.messages.values()]) {
    const m = s.peek();
    if (m.state === "streaming" && !(await alive(m.id)) && s.peek().state === "streaming") {
      store.update({ ...s.peek(), state: "broken", error: "The page was closed or reloaded before the answer ended.", ...rest(m) });
    }
  }
}

/** rest is what a page that went away had of an answer, where that is more than was written: its end too. */
function rest(m) {
  const text = localStorage.getItem(restName(m.id));
  localStorage.removeItem(restName(m.id));
  const more = text ? JSON.parse(text) : {};
  return more.content?.length >= m.content.length ? more : {};
}

/** stop ends an answer and keeps what came. */
export function stop(id) {
  if (running.has(id)) running.get(id).abort();
  else store.stopElsewhere(id);
}

store.heard.add((note) => { if (note.kind === "stop") running.get(note.id)?.abort(); });

// A page that goes has no time for the database: what came since the last write lies in
// the local storage until mend finds it.
const restName = (id) => "rest:" + id;
addEventListener("pagehide", () => { for (const a of unsaved) a.leave(); });

/** wire writes a message as the API takes it. */
function wire(m) {
  if (m.role === "user") return { role: "user", content: [...(m.files ?? []).map(fileText), m.content].filter(Boolean).join("\n\n") };
  if (m.role === "tool") return { role: "tool", tool_call_id: m.call, content: m.content };
  const out = { role: "assistant", content: m.content };
  if (m.reasoning) out.reasoning_content = m.reasoning;
  if (m.calls?.length) out.tool_calls = m.calls.map((c) => ({ id: c.id, type: "function", function: { name: c.name, arguments: c.arguments } }));
  return out;
}

/** body is the request for the messages of a line that ends in the answer to get. */
function body(chat, ids, going) {
  const list = sent(store.messages, going ? ids : ids.slice(0, -1), chat.from).map(wire);
  if (chat.system.trim()) list.unshift({ role: "system", content: chat.system });
  const out = { model: chat.model, messages: list, stream: true, stream_options: { include_usage: true }, ...request(chat.settings) };
  if (going) Object.assign(out, { continue_final_message: true, add_generation_prompt: false });
  if (tellsProgress()) out.return_progress = true;
  return out;
}

/** answer gets a new answer below parent. */
export async function answer(parent) {
  const chat = store.chat.value;
  const m = await store.add({ role: "assistant", parent, state: "streaming", model: chat.model, settings: { ...chat.settings } });
  return run(m, false);
}

/** goOn continues an answer that stopped, broke off or ran out of length. */
export function goOn(id) {
  const m = store.messages.get(id).peek();
  return run({ ...m, state: "streaming", error: "", model: store.chat.value.model }, true);
}

async function run(message, going) {
  const chat = store.chat.value, ids = store.line.value.slice(0, store.line.value.indexOf(message.id) + 1);
  const stopper = new AbortController();
  const a = new Answer(message);
  unsaved.add(a);
  running.set(message.id, stopper);
  busy.value++;
  store.update(message);
  let release;
  const over = new Promise((done) => { release = done; });
  navigator.locks?.request(lockName(message.id), () => over);
  if (!contextSize.peek()) setTimeout(look, 300); // the request has the model loaded; how far that is look shows
  try {
    const got = await ask("/v1/chat/completions", { body: body(chat, ids, going), signal: stopper.signal });
    let done = false;
    for await (const event of events(got)) done = a.take(event) || done;
    a.end(done ? "done" : "broken", done ? "" : "The connection ended before the answer did.");
  } catch (e) {
    if (e.name === "AbortError") a.end("stopped", "");
    else if (e.status) a.fail(e);
    else a.end("broken", "The connection was lost.");
  } finally {
    running.delete(message.id);
    a.saved.finally(() => unsaved.delete(a));
    release();
    reading.value = null;
    busy.value--;
    if (!contextSize.peek()) look(); // a model that was loaded for this answer has told nothing before
  }
}

/** Answer collects the pieces, and shows them once a frame; saved is when its end is written. */
class Answer {
  #m; #voice = new Voice(); #began = performance.now(); #first = 0; #thinking = 0; #pieces = 0; #frame = 0; #saved = 0; #finish = "";

  constructor(message) {
    this.#m = { ...message, calls: message.calls ?? [] };
  }

  /** take takes a chunk; true is the end of a whole answer. */
  take(event) {
    const m = this.#m;
    if (event.prompt_progress) {
      reading.value = { id: m.id, done: event.prompt_progress.processed, of: event.prompt_progress.total };
    }
    if (event.usage) {
      m.usage = { prompt: event.usage.prompt_tokens ?? 0, completion: event.usage.completion_tokens ?? 0,
        cached: event.usage.prompt_tokens_details?.cached_tokens ?? 0 };
    }
    if (event.timings) m.timings = event.timings;
    if (event.system_fingerprint) m.fingerprint = event.system_fingerprint;
    const choice = event.choices?.[0];
    if (!choice) return false;
    const d = choice.delta ?? {}, thought = d.reasoning_content ?? d.reasoning ?? "", text = d.content ?? "";
    if (thought || text || d.tool_calls) {
      this.#pieces++;
      const now = performance.now();
      if (!this.#first) {
        this.#first = now;
        m.firstMs = now - this.#began;
        reading.value = null;
      }
      if (thought) {
        if (!this.#thinking) this.#thinking = now - (m.thinkMs ?? 0);
        m.reasoning = (m.reasoning ?? "") + thought;
        m.thinkMs = now - this.#thinking;
      } else if (this.#thinking) {
        m.thinkMs = now - this.#thinking;
        this.#thinking = 0;
      }
      m.content += text;
      for (const call of d.tool_calls ?? []) this.#call(call);
      if (this.#pieces > 1) m.live = (this.#pieces - 1) / ((now - this.#first) / 1000);
      this.#show();
    }
    if (choice.logprobs?.content) {
      m.tokens = (m.tokens ?? []).concat(choice.logprobs.content.map((t) => ({ text: t.token, p: t.logprob,
        top: (t.top_logprobs ?? []).map((o) => [o.token, o.logprob]) })));
    }
    if (choice.finish_reason) this.#finish = choice.finish_reason;
    return Boolean(choice.finish_reason);
  }

  #call({ index = 0, id, function: f }) {
    if (!Number.isInteger(index) || index < 0 || index > 63) return;
    const calls = this.#m.calls = [...this.#m.calls];
    const c = calls[index] = { id: "", name: "", arguments: "", ...calls[index] };
    if (id) c.id = id;
    c.name += f?.name ?? "";
    c.arguments += f?.arguments ?? "";
  }

  #show() {
    if (this.#frame) return;
    this.#frame = 1;
    const show = () => {
      if (!this.#frame) return;
      this.#frame = 0;
      if (this.#m.state !== "streaming") return;
      const now = performance.now(), save = now - this.#saved > 400;
      if (save) this.#saved = now;
      store.update({ ...this.#m }, { save });
      this.#voice.hear(this.#m.content, false);
    };
    requestAnimationFrame(show);
    setTimeout(show, 250); // a hidden tab gets no frames
  }

  /** leave keeps what came for a page that comes after this one. */
  leave() {
    const { id, content, reasoning, thinkMs, firstMs, state } = this.#m;
    try {
      localStorage.setItem(restName(id), JSON.stringify(state === "streaming" ? { content, reasoning, thinkMs, firstMs } : this.#m));
    } catch { /* no room: what was written last stays */ }
  }

  end(state, error) {
    const m = this.#m;
    m.state = state === "done" && this.#finish === "length" ? "length" : state;
    m.error = error;
    m.calls = m.calls.filter(Boolean);
    m.pieces = this.#pieces;
    m.ms = performance.now() - this.#began;
    delete m.live;
    this.saved = store.update({ ...m });
    this.#voice.hear(m.content, true);
  }

  fail(e) {
    this.#m.tooLong = e.type === "exceed_context_size_error" || /context/i.test(e.type ?? "")
      ? { prompt: e.error.n_prompt_tokens ?? 0, context: e.error.n_ctx ?? contextSize.peek() } : null;
    this.end(this.#m.content || this.#m.reasoning ? "broken" : "error", e.message);
  }
}

/** leaveOut drops the oldest turns from what is sent until about three quarters of the context are used. */
export async function leaveOut(id) {
  const m = store.messages.get(id).peek(), ids = store.line.value.slice(0, store.line.value.indexOf(id));
  const size = (i) => { const x = store.messages.get(i).peek(); return wire(x).content.length + (x.reasoning?.length ?? 0) + 16; };
  const of = sent(store.messages, ids, store.chat.value.from).map((x) => x.id);
  const all = of.reduce((n, i) => n + size(i), 0);
  const share = m.tooLong?.prompt > 0 && m.tooLong.context > 0 ? 0.75 * m.tooLong.context / m.tooLong.prompt : 0.5;
  let left = all, from = null;
  for (let k = 0; k < of.length; k++) {
    const x = store.messages.get(of[k]).peek();
    // A conversation begins with what the user says.
    if (x.role === "user" && left <= share * all) { from = of[k]; break; }
    if (x.role === "user") from = of[k];
    left -= size(of[k]);
  }
  await store.change(store.chat.value.id, { from });
  return answer(m.parent);
}
