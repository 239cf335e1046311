// Chats and messages in the browser's IndexedDB.
//
//   chats:    {id, title, named, pinned, created, updated, removed, model, system, settings, leaf, from}
//   messages: {id, chat, parent, role, at, content, …}, by chat
//
// A message's parent is null at the top; a chat's leaf is the end of the branch that is
// shown, its from the first message that is still sent, null for all.

const open = new Promise((done, failed) => {
  const request = indexedDB.open("eclat", 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("chats", { keyPath: "id" });
    request.result.createObjectStore("messages", { keyPath: "id" }).createIndex("chat", "chat");
  };
  request.onsuccess = () => done(request.result);
  request.onerror = () => failed(request.error);
});

/** act runs f with the stores in one transaction and returns what f's request found. */
async function act(mode, f) {
  const db = await open;
  return new Promise((done, failed) => {
    const t = db.transaction(["chats", "messages"], mode);
    const request = f(t.objectStore("chats"), t.objectStore("messages"));
    t.oncomplete = () => done(request?.result);
    t.onabort = t.onerror = () => failed(t.error ?? new Error("the browser's storage refused"));
  });
}

export const chats = () => act("readonly", (c) => c.getAll());
export const messages = (chat) => act("readonly", (_, m) => m.index("chat").getAll(chat));
export const everything = () => act("readonly", (_, m) => m.getAll());
export const putChat = (chat) => act("readwrite", (c) => c.put(chat));
export const putMessage = (message) => act("readwrite", (_, m) => m.put(message));

/** putAll writes a chat with its messages, or nothing. */
export const putAll = (chat, list) => act("readwrite", (c, m) => {
  for (const message of list) m.put(message);
  return c.put(chat);
});

/** drop removes a chat and its messages for good. */
export const drop = (id) => act("readwrite", (c, m) => {
  c.delete(id);
  m.index("chat").openKeyCursor(id).onsuccess = (e) => {
    const cursor = e.target.result;
    if (!cursor) return;
    m.delete(cursor.primaryKey);
    cursor.continue();
  };
});

/** find returns the ids of chats one of whose messages holds the text, in small letters. */
export async function find(text, stopped) {
  const db = await open, found = new Set();
  return new Promise((done, failed) => {
    const request = db.transaction("messages").objectStore("messages").openCursor();
    request.onerror = () => failed(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      if (!cursor || stopped()) return done(found);
      const m = cursor.value;
      if (!found.has(m.chat) && m.content.toLowerCase().includes(text)) found.add(m.chat);
      cursor.continue();
    };
  });
}
