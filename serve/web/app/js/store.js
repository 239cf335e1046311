// The chats, and the one that is open. What is shown is read from signals here; all
// changes go through the functions below, which also write to the database and tell
// other tabs.
import { signal, computed, batch } from "../../vendor/preact.js";
import * as db from "./db.js";
import { children, leafBelow, path } from "./tree.js";
import { newId } from "./util.js";
import { say } from "./notes.js";
import { standing } from "./settings.js";
import { chosen } from "./server.js";

/** list holds every chat that is not removed, the youngest first. */
export const list = signal([]);
/** chat is the open chat's record, null where there is none; a new one is not in the database yet. */
export const chat = signal(null);
/** messages holds the open chat's messages: id to signal. shape counts its changes. */
export let messages = new Map();
export const shape = signal(0);
/** line is the branch that is shown, as ids from the top. */
export const line = computed(() => (shape.value, path(messages, chat.value?.leaf)));
/** brothers gives each parent's messages. */
export const brothers = computed(() => (shape.value, children(messages)));
/** ready is true once the list has been read. */
export const ready = signal(false);

const channel = new BroadcastChannel("eclat");
const tell = (note) => channel.postMessage(note);
/** heard are the functions that other modules want called with a note from another tab. */
export const heard = new Set();

const sorted = (chats) => chats.filter((c) => !c.removed).sort((a, b) => b.updated - a.updated);

/** start reads the list, and removes for good what was removed before. */
export async function start() {
  const all = await db.chats();
  for (const c of all) if (c.removed && c.removed < Date.now() - 60e3) db.drop(c.id);
  list.value = sorted(all);
  ready.value = true;
}

channel.onmessage = async ({ data }) => {
  if (data.kind === "list") list.value = sorted(await db.chats());
  if (data.kind === "chat" && data.chat.id === chat.value?.id) {
    await reread(data.chat.id);
  }
  if (data.kind === "message" && data.message.chat === chat.value?.id) {
    const s = messages.get(data.message.id);
    if (s) s.value = data.message;
    else await reread(data.message.chat);
  }
  for (const f of heard) f(data);
};

/** reread takes the open chat from the database again. */
async function reread(id) {
  const record = (await db.chats()).find((c) => c.id === id && !c.removed);
  const read = await db.messages(id);
  if (record && chat.value?.id === id) show(record, read, messages);
}

/** show puts a chat and its messages on the page; those that were there keep their signals. */
function show(record, read, kept) {
  batch(() => {
    messages = new Map(read.map((m) => {
      const s = kept.get(m.id) ?? signal(m);
      s.value = m;
      return [m.id, s];
    }));
    chat.value = record;
    shape.value++;
  });
}

/** blank makes the record of a new chat. */
const blank = () => ({ id: newId(), title: "", named: false, pinned: false, created: Date.now(), updated: Date.now(), removed: 0,
  model: chosen.peek(), system: standing.peek().system, settings: { ...standing.peek().settings }, leaf: null, from: null });

let openings = 0;

/** openChat shows a chat, or a new one for null. It returns false where there is none of that id. */
export async function openChat(id) {
  const mine = ++openings;
  const record = id ? (await db.chats()).find((c) => c.id === id && !c.removed) : blank();
  if (!record) return false;
  const read = id ? await db.messages(id) : [];
  if (mine === openings) show(record, read, new Map()); // else the reader has gone on
  return true;
}

/** change alters the open chat, or another one of the list; with touch it moves to the top. */
export async function change(id, fields, { touch = false } = {}) {
  const open = chat.value?.id === id;
  const record = { ...(open ? chat.value : list.value.find((c) => c.id === id)), ...fields };
  if (touch) record.updated = Date.now();
  const known = list.value.some((c) => c.id === id);
  batch(() => {
    if (open) chat.value = record;
    if (known || touch) list.value = sorted([...list.value.filter((c) => c.id !== id), record]);
  });
  if (!known && !touch) return; // a new chat is kept with its first message
  await keep(() => db.putChat(record));
  tell({ kind: "list" });
  if (open) tell({ kind: "chat", chat: record });
}

/** keep runs a write and says it where the browser refuses. */
async function keep(write) {
  try {
    await write();
  } catch (e) {
    say(`This could not be saved in the browser: ${e.message}`);
  }
}

/** add puts a message into the open chat and makes it the end of what is shown. */
export async function add(fields) {
  const c = chat.value;
  const last = Math.max(0, ...(brothers.peek().get(fields.parent) ?? []).map((id) => messages.get(id).peek().at));
  const message = { id: newId(), chat: c.id, at: Math.max(Date.now(), last + 1), content: "", state: "done", ...fields };
  const first = message.role === "user" && !c.title;
  batch(() => {
    messages.set(message.id, signal(message));
    chat.value = { ...chat.value, leaf: message.id, ...(first && { title: titleOf(message) }) };
    shape.value++;
  });
  const record = chat.value;
  await keep(() => db.putMessage(message));
  // The reader may have gone to another chat, or to another branch of this one.
  await change(c.id, chat.value?.id === c.id ? {} : record, { touch: true });
  return message;
}

/** titleOf is a chat's name until somebody gives it another: its first line. */
export function titleOf(message) {
  const text = message.content.trim().split("\n")[0] || message.files?.[0]?.name || "New chat";
  return text.length > 60 ? text.slice(0, 59).trimEnd() + "…" : text;
}

/** update changes a message on the screen; save writes it too. A message of a chat that is no longer open is only written. */
export function update(message, { save = true } = {}) {
  const s = messages.get(message.id);
  if (s) s.value = message;
  if (!save) return;
  tell({ kind: "message", message });
  return keep(() => db.putMessage(message));
}

export const stopElsewhere = (id) => tell({ kind: "stop", id });

/** turn shows the n-th brother of a message, and below it the youngest. */
export function turn(id, by) {
  const all = brothers.value.get(messages.get(id).peek().parent);
  const to = all[all.indexOf(id) + by];
  if (to) return change(chat.value.id, { leaf: leafBelow(brothers.value, to), from: null });
}

/** remove hides a chat; undo brings it back; it is gone for good at a start a minute later. */
export async function remove(id) {
  const record = list.value.find((c) => c.id === id);
  if (!record) return;
  list.value = list.value.filter((c) => c.id !== id);
  await keep(() => db.putChat({ ...record, removed: Date.now() }));
  tell({ kind: "list" });
  say(`“${record.title || "New chat"}” is deleted.`, { label: "Undo", act: async () => {
    await keep(() => db.putChat({ ...record, removed: 0 }));
    list.value = sorted(await db.chats());
    tell({ kind: "list" });
  } });
}

/** take puts chats with their messages into the database, as imported or branched off. */
export async function take(chats) {
  for (const c of chats) await db.putAll(c.chat, c.messages);
  list.value = sorted(await db.chats());
  tell({ kind: "list" });
}

/** branchOff makes a chat of its own from the line down to a message. */
export async function branchOff(id) {
  const c = chat.value, upTo = line.value.slice(0, line.value.indexOf(id) + 1);
  const record = { ...c, id: newId(), title: c.title + " (branch)", pinned: false, created: Date.now(), updated: Date.now(), from: null };
  let parent = null;
  const copies = upTo.map((m) => {
    const copy = { ...messages.get(m).peek(), id: newId(), chat: record.id, parent };
    if (copy.state === "streaming") copy.state = "broken";
    parent = copy.id;
    return copy;
  });
  record.leaf = parent;
  await take([{ chat: record, messages: copies }]);
  return record.id;
}
