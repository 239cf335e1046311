// The list of chats: search, pin, rename, delete, export and import.
import { html, signal, useEffect, useLayoutEffect, useRef, useState } from "../../../vendor/preact.js";
import { IconButton, Menu, icon, logo } from "./parts.js";
import { page, side, theme } from "./frame.js";
import * as store from "../store.js";
import * as db from "../db.js";
import { exportJSON, exportMarkdown, read } from "../exchange.js";
import { path } from "../tree.js";
import { say } from "../notes.js";
import { mac, period, when } from "../util.js";

/** shown is how many chats of the list are on the page; the rest come with a button. */
const step = 100;

export function Side() {
  const [query, setQuery] = useState("");
  const [found, setFound] = useState(null);
  const [shown, setShown] = useState(step);
  const current = store.chat.value?.id, text = query.trim().toLowerCase();

  useEffect(() => {
    setFound(null);
    if (!text) return undefined;
    let stopped = false;
    const wait = setTimeout(async () => {
      const ids = await db.find(text, () => stopped);
      if (!stopped) setFound(ids);
    }, 150);
    return () => { stopped = true; clearTimeout(wait); };
  }, [text]);

  const all = store.list.value.filter((c) => !text || c.title.toLowerCase().includes(text) || found?.has(c.id));
  const groups = [];
  for (const c of [...all.filter((c) => c.pinned), ...all.filter((c) => !c.pinned)].slice(0, shown)) {
    const name = c.pinned ? "Pinned" : period(c.updated);
    if (groups.at(-1)?.name !== name) groups.push({ name, chats: [] });
    groups.at(-1).chats.push(c);
  }
  return html`<nav class="side" aria-label="Chats and pages">
    <div class="side-head">
      <a class="brand" href="#/">${logo}<span>eclat</span></a>
      <${IconButton} name="close" label="Close the list" cls="narrow-only" act=${() => { side.value = false; }} />
    </div>
    <a class="new-chat" href="#/" onClick=${() => { side.value = false; }}>${icon("new")}New chat</a>
    <label class="search">${icon("search")}<span class="unseen">Search chats</span>
      <input id="search" type="search" placeholder="Search" value=${query} onInput=${(e) => setQuery(e.target.value)} />
      ${!query && html`<kbd aria-hidden="true">${mac ? "⌘" : "Ctrl"} K</kbd>`}</label>
    <div class="chats" tabindex="-1">
      ${groups.map((g) => html`<section key=${g.name}><h2>${g.name}</h2><ul>${g.chats.map((c) => html`<${Row} key=${c.id} c=${c} current=${c.id === current && page.value === "chat"} />`)}</ul></section>`)}
      ${all.length > shown && html`<button type="button" class="text-button" onClick=${() => setShown(shown + step)}>Show more</button>`}
      ${store.ready.value && all.length === 0 && html`<p class="empty">${text ? (found ? "No chat holds these words." : "Searching…") : "Chats are kept here, in this browser alone."}</p>`}
    </div>
    <ul class="side-foot">
      <li><a href="#/models" aria-current=${page.value === "models" ? "page" : undefined}>${icon("chip")}Models and devices</a></li>
      <li><a href="#/measure" aria-current=${page.value === "measure" ? "page" : undefined}>${icon("gauge")}Measure</a></li>
      <li class="foot-row"><${Theme} /><${Exchange} /></li>
    </ul>
  </nav>`;
}

function Theme() {
  const next = { system: "light", light: "dark", dark: "system" }[theme.value];
  const name = { system: "half", light: "sun", dark: "moon" }[theme.value];
  return html`<button type="button" class="quiet" onClick=${() => { theme.value = next; }}>${icon(name)}${{ system: "System colours", light: "Light colours", dark: "Dark colours" }[theme.value]}</button>`;
}

function Exchange() {
  const pick = useRef();
  const take = async (e) => {
    const files = [...e.target.files];
    e.target.value = "";
    for (const f of files) {
      try {
        if (f.size > 512 << 20) throw new Error("it is larger than 512 MiB");
        const chats = read(await f.text());
        await store.take(chats);
        say(chats.length === 1 ? "One chat is imported." : `${chats.length} chats are imported.`);
      } catch (err) {
        say(`${f.name} was not imported: ${err.message}.`);
      }
    }
  };
  return html`<${Menu} label="Export and import" items=${[
    { icon: "save", label: "Export all chats", act: () => exportJSON(store.list.value) },
    { icon: "file", label: "Import chats", act: () => pick.current.click() },
  ]} /><input ref=${pick} id="import" type="file" accept=".json,application/json" multiple hidden onChange=${take} />`;
}

const naming = signal(null); // id of the chat whose name is being written

/** rename opens the field for a chat's name. */
export const rename = (id) => { side.value = true; naming.value = id; };

/** actions are what can be done to a chat, here and at the head of the page. */
export const actions = (c) => [
  { icon: "pin", label: c.pinned ? "Unpin" : "Pin", act: () => store.change(c.id, { pinned: !c.pinned }) },
  { icon: "edit", label: "Rename", act: () => rename(c.id) },
  { icon: "save", label: "Export as JSON", act: () => exportJSON([c]) },
  { icon: "file", label: "Export as Markdown", act: async () => {
    const list = new Map((await db.messages(c.id)).map((m) => [m.id, signal(m)]));
    exportMarkdown(c, path(list, c.leaf).map((id) => list.get(id).peek()));
  } },
  { icon: "bin", label: "Delete", cls: "danger", act: async () => {
    await store.remove(c.id);
    if (store.chat.value?.id === c.id) location.hash = "#/";
  } },
];

function Row({ c, current }) {
  const field = useRef();
  const open = naming.value === c.id;
  useLayoutEffect(() => { if (open) { field.current?.focus(); field.current?.select(); } }, [open]);
  if (open) {
    const end = (keep) => {
      const title = field.current.value.trim().slice(0, 200);
      naming.value = null;
      if (keep && title && title !== c.title) store.change(c.id, { title, named: true });
    };
    return html`<li class="chat-row"><input ref=${field} class="rename" aria-label="Name of the chat" defaultValue=${c.title}
      onBlur=${() => end(true)} onKeyDown=${(e) => { if (e.key === "Enter") field.current.blur(); if (e.key === "Escape") { e.preventDefault(); field.current.value = c.title; end(false); } }} /></li>`;
  }
  return html`<li class="chat-row"><a href=${"#/chat/" + c.id} aria-current=${current ? "page" : undefined} onClick=${() => { side.value = false; }} onDblClick=${() => rename(c.id)}>
    <span class="chat-title" dir="auto">${c.title || "New chat"}</span><time>${when(c.updated)}</time></a>
    <${Menu} label=${`More for ${c.title || "New chat"}`} items=${actions(c)} /></li>`;
}
