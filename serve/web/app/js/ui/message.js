// One message, and all that can be done to it.
import { html, useLayoutEffect, useRef, useState } from "../../../vendor/preact.js";
import { IconButton, Menu, icon, memo } from "./parts.js";
import { Tokens } from "./tokens.js";
import { counts } from "../counts.js";
import { Growing } from "../markdown.js";
import { dress } from "../dress.js";
import * as store from "../store.js";
import { answer, goOn, leaveOut, reading, stop } from "../answer.js";
import { contextSize } from "../server.js";
import { bytes, copyText, count, duration, rate } from "../util.js";
import { say } from "../notes.js";

const copy = (text) => copyText(text).then(() => say("Copied."), (e) => say(`Nothing was copied: ${e.message}.`));

/** Block is one block of Markdown. It is on the page once; its text changes only while it is the open one. */
const Block = memo(({ html: inner }) => {
  const ref = useRef();
  useLayoutEffect(() => { dress(ref.current); }, [inner]);
  return html`<div class="block" ref=${ref} dangerouslySetInnerHTML=${{ __html: inner }}></div>`;
});

/** Markdown shows a text that may still grow. */
export function Markdown({ text }) {
  const growing = useRef(null);
  growing.current ??= new Growing();
  const made = useRef({ text: null, blocks: [] });
  if (made.current.text !== text) made.current = { text, blocks: growing.current.blocks(text) };
  return html`<div class="text" dir="auto" onClick=${pressed}>${made.current.blocks.map((b, i) => html`<${Block} key=${i} html=${b} />`)}</div>`;
}

/** pressed answers the buttons over code, which are part of a block's HTML. */
function pressed(e) {
  const button = e.target.closest("button[data-do]");
  if (!button) return;
  const box = button.closest(".code");
  if (button.dataset.do === "wrap") {
    const on = box.classList.toggle("wrapped");
    button.setAttribute("aria-pressed", String(on));
  } else {
    copyText(box.querySelector("code").textContent.replace(/\n$/, "")).then(() => {
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    }, (err) => say(`Nothing was copied: ${err.message}.`));
  }
}

export const Message = memo(({ id }) => {
  counts.message++;
  const m = store.messages.get(id)?.value;
  if (!m) return null;
  if (m.role === "user") return html`<${Asked} m=${m} />`;
  if (m.role === "tool") return html`<${ToolResult} m=${m} />`;
  return html`<${Answered} m=${m} />`;
});

/** Branches turns between a message and its brothers. */
function Branches({ m }) {
  const all = store.brothers.value.get(m.parent) ?? [], at = all.indexOf(m.id);
  if (all.length < 2) return null;
  return html`<span class="branches"><${IconButton} name="left" label="Version before" disabled=${at === 0} act=${() => store.turn(m.id, -1)} />
    <span aria-label=${`Version ${at + 1} of ${all.length}`} role="img">${at + 1}/${all.length}</span>
    <${IconButton} name="right" label="Version after" disabled=${at === all.length - 1} act=${() => store.turn(m.id, 1)} /></span>`;
}

export function FileChip({ f, remove }) {
  const [open, setOpen] = useState(false);
  return html`<span class="chip"><button type="button" aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>${icon("file")}<span class="chip-name">${f.name}</span><small>${bytes(new Blob([f.text]).size)}</small></button>
    ${remove && html`<${IconButton} name="close" label=${`Remove ${f.name}`} act=${remove} />`}</span>
    ${open && html`<pre class="file-text" tabindex="0" dir="auto">${f.text.slice(0, 20000)}</pre>`}`;
}

function Editor({ m, done, label, save }) {
  const [text, setText] = useState(m.content);
  const ref = useRef();
  useLayoutEffect(() => { ref.current.focus(); ref.current.setSelectionRange(text.length, text.length); }, []);
  return html`<div class="editor"><textarea ref=${ref} dir="auto" aria-label="Edit the message" value=${text} onInput=${(e) => setText(e.target.value)}
      onKeyDown=${(e) => {
        if (e.key === "Escape") { e.preventDefault(); done(); }
        if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { done(); save(text); }
      }}></textarea>
    <div class="row end"><button type="button" class="button" onClick=${done}>Cancel</button>
    <button type="button" class="button main" disabled=${!text.trim()} onClick=${() => { done(); save(text); }}>${label}</button></div></div>`;
}

function Asked({ m }) {
  const [editing, setEditing] = useState(false);
  const resend = async (content) => answer((await store.add({ role: "user", parent: m.parent, content: content.trim(), ...(m.files && { files: m.files }) })).id);
  return html`<article class="message asked" aria-label="You" data-id=${m.id}>
    <h2 class="unseen">You</h2>
    ${m.files && html`<ul class="files">${m.files.map((f, i) => html`<li key=${i}><${FileChip} f=${f} /></li>`)}</ul>`}
    ${editing ? html`<${Editor} m=${m} label="Send" done=${() => setEditing(false)} save=${resend} />`
      : m.content && html`<div class="bubble" dir="auto">${m.content}</div>`}
    <div class="acts">
      <${Branches} m=${m} />
      <${IconButton} name="edit" label="Edit" act=${() => setEditing(true)} />
      <${IconButton} name="copy" label="Copy" act=${() => copy(m.content)} />
    </div></article>`;
}

function ToolResult({ m }) {
  return html`<article class="message" aria-label="Result of a tool" data-id=${m.id}><details class="fold" open><summary>${icon("tool")}Result of ${m.name || "the tool"}</summary><pre tabindex="0" dir="auto">${m.content}</pre></details></article>`;
}

function Answered({ m }) {
  const [editing, setEditing] = useState(false), [tokens, setTokens] = useState(false);
  const streaming = m.state === "streaming", waiting = streaming && !m.content && !m.reasoning && !m.calls?.length;
  const progress = reading.value?.id === m.id ? reading.value : null;
  const saveEdit = (content) => {
    const { id, at, tokens: _, ...rest } = m; // a message of its own; its tokens are no longer these
    return store.add({ ...rest, content, state: "done", error: "", edited: true });
  };
  return html`<article class=${"message answered" + (streaming ? " streaming" : "")} aria-label=${m.model || "Answer"} aria-busy=${String(streaming)} data-id=${m.id} data-state=${m.state}>
    <h2 class="unseen">${m.model || "Answer"}</h2>
    ${m.reasoning && html`<${Thinking} m=${m} />`}
    ${waiting && html`<p class="waiting">${progress ? html`<progress max=${progress.of} value=${progress.done} aria-label="Reading the prompt"></progress>Reading ${count(progress.done)} of ${count(progress.of)} tokens` : html`<span class="pulse" aria-hidden="true"></span><span class="unseen">Waiting for the first word</span>`}</p>`}
    ${editing ? html`<${Editor} m=${m} label="Save" done=${() => setEditing(false)} save=${saveEdit} />`
      : tokens && m.tokens ? html`<${Tokens} list=${m.tokens} />`
      : m.content && html`<${Markdown} text=${m.content} />`}
    ${m.calls?.length > 0 && html`<${Calls} m=${m} />`}
    <${Ending} m=${m} />
    <div class="acts">
      <${Branches} m=${m} />
      ${streaming ? html`<${IconButton} name="stop" label="Stop" act=${() => stop(m.id)} />` : html`
      <${IconButton} name="copy" label="Copy as Markdown" act=${() => copy(m.content)} />
      <${IconButton} name="again" label="Ask again" act=${() => answer(m.parent)} />
      ${m.tokens && html`<${IconButton} name="percent" label="Token probabilities" pressed=${tokens} act=${() => setTokens(!tokens)} />`}
      <${Menu} label="More" items=${[
        { icon: "edit", label: "Edit", act: () => setEditing(true) },
        { icon: "play", label: "Continue", act: () => goOn(m.id) },
        { icon: "branch", label: "Branch into a new chat", act: async () => { location.hash = "#/chat/" + await store.branchOff(m.id); } },
      ]} />`}
      <${Figures} m=${m} />
    </div></article>`;
}

/** Thinking is open while it runs, and folds to a line with its time. */
function Thinking({ m }) {
  const runs = m.state === "streaming" && !m.content && !m.calls?.length;
  const [open, setOpen] = useState(null);
  const shown = open ?? runs;
  return html`<section class="fold thinking"><button type="button" class="fold-head" aria-expanded=${String(shown)} onClick=${() => setOpen(!shown)}>
    ${icon("think")}<span>${runs ? "Thinking" : "Thought for"} ${m.thinkMs >= 1000 ? duration(m.thinkMs) : runs ? "" : "a moment"}</span>${icon("right")}</button>
    ${shown && html`<div class="fold-body"><${Markdown} text=${m.reasoning} /></div>`}</section>`;
}

/** Calls shows the tools an answer calls, and takes their results. */
function Calls({ m }) {
  const [results, setResults] = useState({});
  const open = m.state !== "streaming" && !store.brothers.value.get(m.id)?.length;
  const pretty = (text) => { try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; } };
  const send = async () => {
    let parent = m.id;
    for (const [i, c] of m.calls.entries()) parent = (await store.add({ role: "tool", parent, call: c.id, name: c.name, content: results[i] ?? "" })).id;
    await answer(parent);
  };
  return html`<section class="calls" aria-label="Tool calls">${m.calls.filter(Boolean).map((c, i) => html`<div class="call" key=${i}>
      <header>${icon("tool")}<strong>${c.name}</strong>${c.id && html`<small>${c.id}</small>`}</header>
      <pre tabindex="0" dir="ltr">${pretty(c.arguments)}</pre>
      ${open && html`<label>Its result<textarea rows="2" dir="auto" value=${results[i] ?? ""} onInput=${(e) => setResults({ ...results, [i]: e.target.value })}></textarea></label>`}</div>`)}
    ${open && html`<div class="row end"><button type="button" class="button main" onClick=${send}>Send ${m.calls.length > 1 ? "results" : "result"}</button></div>`}</section>`;
}

/** Ending says why an answer ended where it should not have, and what can be done. */
function Ending({ m }) {
  if (m.state === "done" || m.state === "streaming") return null;
  const last = store.chat.value.leaf === m.id;
  const going = (m.content || m.reasoning) && last;
  const text = { stopped: "Stopped.", length: "The answer reached its greatest length.", broken: m.error || "The answer was cut off.", error: m.error }[m.state];
  return html`<div class=${"ending" + (m.state === "error" || m.state === "broken" ? " bad" : "")} role=${m.state === "error" ? "alert" : undefined}>
    <span dir="auto">${m.tooLong ? `The conversation is longer than the context${m.tooLong.prompt ? `: ${count(m.tooLong.prompt)} of ${count(m.tooLong.context || contextSize.value)} tokens` : ""}.` : text}</span>
    ${m.tooLong && last && html`<button type="button" class="button" onClick=${() => leaveOut(m.id)}>Leave out the oldest turns</button>`}
    ${going && !m.tooLong && html`<button type="button" class="button" onClick=${() => goOn(m.id)}>Continue</button>`}
    ${m.state === "error" && !m.tooLong && last && html`<button type="button" class="button" onClick=${() => answer(m.parent)}>Try again</button>`}</div>`;
}

/** Figures are an answer's speed, and what it took. */
function Figures({ m }) {
  const t = m.timings, list = [];
  const speed = t?.predicted_per_second ?? m.live ?? (m.pieces > 1 && m.ms > m.firstMs ? (m.pieces - 1) / ((m.ms - m.firstMs) / 1000) : 0);
  if (speed > 0) list.push([`${rate(speed)} tokens/s`, "Tokens generated a second"]);
  if (m.firstMs > 0) list.push([`first after ${duration(m.firstMs)}`, "From sending to the first token"]);
  if (m.usage) list.push([`${count(m.usage.completion)} tokens`, "Tokens of the answer"]);
  const read = m.usage?.prompt ?? t?.prompt_n, cached = m.usage?.cached || t?.cache_n || 0;
  if (read > 0) list.push([`${count(read)} read${cached ? `, ${count(cached)} cached` : ""}`, "Tokens of the prompt, and how many of them were known already"]);
  if (t?.draft_n > 0) list.push([`${Math.round(100 * (t.draft_n_accepted ?? 0) / t.draft_n)} % of drafts kept`, "Tokens guessed ahead that were right"]);
  if (m.edited) list.push(["edited", "You changed this answer"]);
  return html`<span class="figures">${list.map(([text, title]) => html`<span key=${title} title=${title}>${text}</span>`)}</span>`;
}
