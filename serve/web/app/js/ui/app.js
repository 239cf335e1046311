// The frame of the page: the list at the side, the page in the middle, notes at the foot.
import { html, useState } from "../../../vendor/preact.js";
import { Side } from "./side.js";
import { Chat } from "./chat.js";
import { Models } from "./models.js";
import { Measure } from "./measure.js";
import { Panel } from "./panel.js";
import { IconButton, Sheet } from "./parts.js";
import { page, side, panel } from "./frame.js";
import { notes, dismiss } from "../notes.js";
import { asks, key, setKey } from "../api.js";

export function App() {
  const p = page.value;
  return html`
    <a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); document.getElementById("main").focus(); }}>Skip to the conversation</a>
    <div class=${"frame" + (side.value ? " with-side" : "") + (panel.value && p === "chat" ? " with-panel" : "")}>
      <${Side} />
      <button type="button" class="scrim" aria-label="Close" tabindex="-1" onClick=${() => { side.value = false; panel.value = false; }}></button>
      ${p === "models" ? html`<${Models} />` : p === "measure" ? html`<${Measure} />` : html`<${Chat} />`}
      ${panel.value && p === "chat" && html`<${Panel} />`}
    </div>
    <${Notes} />
    ${asks.value && html`<${Key} />`}`;
}

function Notes() {
  return html`<div class="notes" role="status" aria-live="polite">${notes.value.map((n) => html`
    <div class="note" key=${n.id}><span dir="auto">${n.text}</span>
      ${n.act && html`<button type="button" class="text-button" onClick=${() => { dismiss(n.id); n.act(); }}>${n.label}</button>`}
      <${IconButton} name="close" label="Dismiss" act=${() => dismiss(n.id)} /></div>`)}</div>`;
}

function Key() {
  const [text, setText] = useState(key.peek());
  return html`<${Sheet} label="The server asks for a key" close=${() => { asks.value = false; }}>
    <form class="form" onSubmit=${(e) => { e.preventDefault(); setKey(text.trim()); }}>
      <label for="key">API key</label>
      <input id="key" type="password" autocomplete="current-password" value=${text} onInput=${(e) => setText(e.target.value)} />
      <p class="why">It is the one that eclat serve was started with. This browser keeps it, and sends it to this server alone.</p>
      <div class="row end"><button type="submit" class="button main">Use this key</button></div>
    </form></${Sheet}>`;
}
