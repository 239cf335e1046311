// The page of a chat: its head, the conversation, and the field to write in.
import { computed, html, useEffect, useLayoutEffect, useRef, useState } from "../../../vendor/preact.js";
import { IconButton, Menu, icon, logo } from "./parts.js";
import { Message } from "./message.js";
import { Composer } from "./composer.js";
import { actions } from "./side.js";
import { panel, side } from "./frame.js";
import { counts } from "../counts.js";
import * as store from "../store.js";
import * as server from "../server.js";
import { count } from "../util.js";

export function Chat() {
  const c = store.chat.value;
  return html`<main class="page chat" id="main" tabindex="-1" aria-label="Conversation">
    <${Head} c=${c} />
    ${server.trouble.value && html`<p class="banner" role="status">${server.loading.value && html`<span class="spinner" aria-hidden="true"></span>`}${server.trouble.value}</p>`}
    <${Thread} key=${c?.id} />
  </main>`;
}

function Head({ c }) {
  const known = c && store.list.value.some((x) => x.id === c.id);
  return html`<header class="head">
    <${IconButton} name="menu" label="Chats" cls="narrow-only" act=${() => { side.value = true; }} expanded=${side.value} />
    <h1 dir="auto">${c?.title || "New chat"}</h1>
    <${Gauge} />
    <${ModelChoice} c=${c} />
    ${known && html`<${Menu} label="This chat" items=${actions(c)} />`}
    <${IconButton} name="sliders" label="Settings of this chat" act=${() => { panel.value = !panel.value; }} expanded=${panel.value} />
  </header>`;
}

function ModelChoice({ c }) {
  const ids = server.models.value.map((m) => m.id);
  const now = c?.model || server.chosen.value;
  if (now && !ids.includes(now)) ids.unshift(now);
  const set = (id) => { server.choose(id); store.change(c.id, { model: id }); };
  useEffect(() => { if (c && !c.model && now) store.change(c.id, { model: now }); }, [c?.id, now]);
  if (ids.length === 0) return null;
  return html`<label class="pick"><span class="unseen">Model</span><select value=${now} onChange=${(e) => set(e.target.value)}>
    ${ids.map((id) => html`<option key=${id} value=${id} selected=${id === now}>${id}</option>`)}</select></label>`;
}

/** taken is how many tokens the line that is shown takes, as the last answer told it. */
const taken = computed(() => {
  for (const id of store.line.value.toReversed()) {
    const u = store.messages.get(id)?.value.usage;
    if (u) return u.prompt + u.completion;
  }
  return 0;
});

/** Gauge shows how much of the context that is. */
function Gauge() {
  const size = server.contextSize.value, used = taken.value;
  if (!size || !used) return null;
  const share = Math.min(1, used / size), text = `${count(used)} of ${count(size)} tokens`;
  return html`<div class=${"gauge" + (share > 0.9 ? " full" : "")} title=${`Context: ${text}`}>
    <svg viewBox="0 0 20 20" role="img" aria-label=${`Context used: ${text}`}><circle cx="10" cy="10" r="7.5" /><circle class="part" cx="10" cy="10" r="7.5" pathLength="100" stroke-dasharray=${`${Math.max(2, share * 100)} 100`} /></svg>
    <span aria-hidden="true">${Math.round(share * 100)} %</span></div>`;
}

const chunk = 30; // messages that come onto the page at a time

function Thread() {
  counts.thread++;
  const ids = store.line.value, from = store.chat.value?.from;
  const box = useRef(), inner = useRef(), follow = useRef(true), top = useRef(0), start = useRef(null), hold = useRef(0);
  const [below, setBelow] = useState(false), [, anew] = useState(0);
  // What is on the page stays there while more comes: the first message that is shown is fixed.
  let first = ids.indexOf(start.current);
  if (first < 0) {
    first = Math.max(0, ids.length - chunk);
    start.current = ids[first] ?? null;
  }

  // The page follows the answer while it is read at its end; a reader who scrolls up is left alone.
  useLayoutEffect(() => {
    const b = box.current, atEnd = () => b.scrollHeight - b.scrollTop - b.clientHeight < 24;
    const toEnd = () => { if (follow.current) b.scrollTop = b.scrollHeight; else setBelow(!atEnd()); };
    const scrolled = () => {
      if (b.scrollTop < top.current - 1 && !atEnd()) follow.current = false;
      else if (atEnd()) follow.current = true;
      top.current = b.scrollTop;
      setBelow(!follow.current && !atEnd());
    };
    const seen = new ResizeObserver(toEnd);
    seen.observe(inner.current);
    seen.observe(b);
    b.addEventListener("scroll", scrolled, { passive: true });
    toEnd();
    return () => { seen.disconnect(); b.removeEventListener("scroll", scrolled); };
  }, []);

  // Who sends a message wants to see it.
  const end = ids.at(-1);
  useLayoutEffect(() => {
    if (store.messages.get(end)?.peek().state === "streaming") {
      follow.current = true;
      box.current.scrollTop = box.current.scrollHeight;
    }
  }, [end]);

  const earlier = () => {
    hold.current = box.current.scrollHeight - box.current.scrollTop;
    follow.current = false;
    start.current = ids[Math.max(0, first - chunk)];
    anew((n) => n + 1);
  };
  // What is read stays where it is when more comes above it.
  useLayoutEffect(() => {
    if (hold.current) box.current.scrollTop = box.current.scrollHeight - hold.current;
    hold.current = 0;
  }, [first]);
  const at = from ? ids.indexOf(from) : -1;
  return html`<div class="thread" ref=${box} tabindex="0" role="region" aria-label="Messages"><div class="thread-in" ref=${inner}>
      ${ids.length === 0 && html`<${Empty} />`}
      ${first > 0 && html`<button type="button" class="text-button earlier" onClick=${earlier}>Show earlier messages (${count(first)})</button>`}
      ${ids.slice(first).flatMap((id, i) => [
        first + i === at && at > 0 && html`<p class="cut" key="cut">What stands above is no longer sent to the model. <button type="button" class="text-button" onClick=${() => store.change(store.chat.value.id, { from: null })}>Send all again</button></p>`,
        html`<${Message} key=${id} id=${id} />`])}
    </div></div>
    ${below && html`<button type="button" class="to-end" onClick=${() => { follow.current = true; box.current.scrollTop = box.current.scrollHeight; }}>${icon("down")}<span class="unseen">To the end</span></button>`}
    <${Composer} />`;
}

function Empty() {
  const about = server.models.value.find((m) => m.id === (store.chat.value?.model || server.chosen.value))?.about;
  const facts = [about?.description, about?.device, about?.bits].filter((x) => typeof x === "string" && x);
  return html`<div class="welcome">${logo}
    <h2>What shall we begin with?</h2>
    <p>Everything stays between this browser and this server: the model runs here, and chats are kept here.</p>
    ${facts.length > 0 && html`<p class="facts-line">${facts.join(" · ")}</p>`}
    <ul class="hints"><li><kbd>Enter</kbd> sends, <kbd>Shift</kbd> <kbd>Enter</kbd> begins a new line</li><li><kbd>Esc</kbd> stops an answer and keeps what came</li><li>Text files can be dropped or pasted into the field</li></ul></div>`;
}
