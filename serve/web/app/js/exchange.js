// Chats as files: JSON that can be read back whole, and Markdown for people.
import * as db from "./db.js";
import { clean } from "./settings.js";
import { newId, download } from "./util.js";

const kind = "eclat-chats", version = 1;
const slug = (title) => title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 50) || "chat";

/** said orders messages as they were said: the database has them by their ids. */
const said = (a, b) => a.at - b.at || (a.id === b.parent ? -1 : b.id === a.parent ? 1 : 0);

/** exportJSON gives a file of these chats. */
export async function exportJSON(chats) {
  const out = [];
  for (const c of chats) out.push({ chat: c, messages: (await db.messages(c.id)).sort(said) });
  const name = chats.length === 1 ? slug(chats[0].title) : `eclat-${new Date().toISOString().slice(0, 10)}`;
  download(`${name}.json`, "application/json", JSON.stringify({ kind, version, chats: out }, null, 1));
}

/** exportMarkdown gives a file of the line of messages that is shown. */
export function exportMarkdown(chat, list) {
  download(`${slug(chat.title)}.md`, "text/markdown", markdown(chat, list));
}

/** markdown writes a chat for people, with its times and settings. */
export function markdown(chat, list) {
  const parts = [`# ${chat.title || "Chat"}`, `${new Date(chat.created).toISOString()} · ${chat.model}`];
  const set = Object.entries(chat.settings).map(([k, v]) => `${k} = ${JSON.stringify(v)}`);
  if (set.length) parts.push(set.join(", "));
  if (chat.system) parts.push("## System", chat.system);
  for (const m of list) {
    parts.push(`## ${m.role === "user" ? "You" : m.role === "tool" ? "Tool" : m.model || "Assistant"}`);
    parts.push(new Date(m.at).toISOString());
    for (const f of m.files ?? []) parts.push(`**${f.name}**`, "````\n" + f.text + "\n````");
    if (m.reasoning) parts.push("<details><summary>Thinking</summary>\n\n" + m.reasoning + "\n\n</details>");
    if (m.content) parts.push(m.content);
    for (const c of m.calls ?? []) parts.push("```json\n" + `${c.name}(${c.arguments})` + "\n```");
  }
  return parts.join("\n\n") + "\n";
}

const text = (v, most = 10e6) => { if (typeof v !== "string" || v.length > most) throw new Error("a text is missing or too long"); return v; };
const time = (v) => Number.isFinite(v) && v > 0 ? v : Date.now();
const number = (v) => Number.isFinite(v) ? v : undefined;

/**
 * read checks a file of exportJSON and returns its chats under new ids. Only what is
 * known is taken, each with its type: the file may come from anyone.
 */
export function read(source) {
  let file;
  try {
    file = JSON.parse(source);
  } catch {
    throw new Error("it is not JSON");
  }
  if (file?.kind !== kind) throw new Error("it is no export of eclat");
  if (file.version !== version) throw new Error(`its version is ${String(file.version).slice(0, 20)}, this page reads ${version}`);
  if (!Array.isArray(file.chats) || file.chats.length > 100000) throw new Error("it has no list of chats");
  return file.chats.map((entry, i) => {
    try {
      return readChat(entry);
    } catch (e) {
      throw new Error(`chat ${i + 1}: ${e.message}`);
    }
  });
}

function readChat({ chat: c, messages: list }) {
  if (!Array.isArray(list) || list.length > 1000000) throw new Error("its messages are missing");
  const ids = new Map(list.map((m) => [text(m.id, 64), newId()]));
  if (ids.size !== list.length) throw new Error("two messages have one id");
  const id = newId();
  const messages = list.map((m, i) => {
    if (m.parent !== null && !ids.has(m.parent)) throw new Error(`message ${i + 1} follows none`);
    return readMessage(m, { id: ids.get(m.id), chat: id, parent: m.parent === null ? null : ids.get(m.parent) });
  });
  noCircle(messages);
  return { messages, chat: { id, title: text(c.title ?? "", 500), named: c.named === true, pinned: c.pinned === true,
    created: time(c.created), updated: time(c.updated), removed: 0, model: text(c.model ?? "", 500), system: text(c.system ?? ""),
    settings: clean(c.settings), leaf: ids.get(c.leaf) ?? messages.at(-1)?.id ?? null, from: ids.get(c.from) ?? null } };
}

function noCircle(messages) {
  const parent = new Map(messages.map((m) => [m.id, m.parent])), sound = new Set();
  for (const m of messages) {
    const seen = new Set();
    for (let id = m.id; id && !sound.has(id); id = parent.get(id)) {
      if (seen.has(id)) throw new Error("its messages run in a circle");
      seen.add(id);
    }
    for (const id of seen) sound.add(id);
  }
}

const states = ["done", "stopped", "broken", "length", "error"];

function readMessage(m, out) {
  if (!["user", "assistant", "tool"].includes(m.role)) throw new Error("a message has no known role");
  Object.assign(out, { role: m.role, at: time(m.at), content: text(m.content), state: states.includes(m.state) ? m.state : "done" });
  if (m.reasoning) out.reasoning = text(m.reasoning);
  if (m.model) out.model = text(m.model, 500);
  if (m.error) out.error = text(m.error, 10000);
  if (m.call) out.call = text(m.call, 500);
  if (m.fingerprint) out.fingerprint = text(m.fingerprint, 500);
  if (m.settings) out.settings = clean(m.settings);
  for (const k of ["thinkMs", "firstMs", "ms", "pieces"]) if (number(m[k]) !== undefined) out[k] = m[k];
  if (m.usage) out.usage = { prompt: number(m.usage.prompt) ?? 0, completion: number(m.usage.completion) ?? 0, cached: number(m.usage.cached) ?? 0 };
  if (m.timings) out.timings = Object.fromEntries(Object.entries(m.timings).filter(([, v]) => Number.isFinite(v)).slice(0, 32));
  if (Array.isArray(m.files)) out.files = m.files.slice(0, 100).map((f) => ({ name: text(f.name, 1000), text: text(f.text) }));
  if (Array.isArray(m.calls)) out.calls = m.calls.slice(0, 64).map((c) => ({ id: text(c.id, 500), name: text(c.name, 500), arguments: text(c.arguments) }));
  if (Array.isArray(m.tokens)) {
    out.tokens = m.tokens.map((t) => ({ text: text(t.text, 10000), p: number(t.p) ?? 0,
      top: (Array.isArray(t.top) ? t.top.slice(0, 20) : []).map(([s, p]) => [text(s, 10000), number(p) ?? 0]) }));
  }
  return out;
}

