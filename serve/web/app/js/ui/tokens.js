// An answer token by token, each as strongly marked as it was unlikely, with what else
// the model might have said.
import { html, useRef, useState } from "../../../vendor/preact.js";

const percent = (p) => { const x = 100 * Math.exp(p); return x >= 99.95 ? "100 %" : x >= 0.1 ? `${x.toFixed(1)} %` : "< 0.1 %"; };
const visible = (s) => s.replace(/\n/g, "↵").replace(/\t/g, "⇥").replace(/^ | $/g, "␣") || "∅";
// Five steps of likelihood; the mark is a colour and a line, never colour alone.
const step = (p) => { const x = Math.exp(p); return x >= 0.9 ? 0 : x >= 0.6 ? 1 : x >= 0.3 ? 2 : x >= 0.1 ? 3 : 4; };
const most = 5000; // tokens on the page

export function Tokens({ list }) {
  const [at, setAt] = useState(-1);
  const box = useRef();
  const focus = (i) => { setAt(i); box.current.querySelector(`[data-i="${i}"]`)?.focus(); };
  const keyed = (e) => {
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: Math.min(list.length, most) - 1 }[e.key];
    if (to === undefined || to < 0 || to >= Math.min(list.length, most)) return;
    e.preventDefault();
    focus(to);
  };
  const over = (e) => { const i = e.target.dataset?.i; if (i !== undefined) setAt(Number(i)); };
  const t = list[at];
  return html`<div class="tokens" onKeyDown=${keyed}>
    <div class="token-text" ref=${box} dir="auto" role="group" aria-label="Tokens; the arrow keys move" onMouseOver=${over} onFocusIn=${over}>${list.slice(0, most).map((x, i) => html`<span key=${i} data-i=${i} class=${"token p" + step(x.p)} tabindex=${i === Math.max(0, at) ? 0 : -1} role="img" aria-label=${`${visible(x.text)}, ${percent(x.p)}`}>${x.text}</span>`)}</div>
    <div class="token-about" aria-live="polite">${t ? html`<table><caption>${visible(t.text)} <span>${percent(t.p)}</span></caption><tbody>
      ${t.top.map(([s, p], i) => html`<tr key=${i} class=${s === t.text ? "said" : ""}><th scope="row">${visible(s)}</th><td><progress max="1" value=${Math.exp(p)} aria-label=${percent(p)}></progress></td><td>${percent(p)}</td></tr>`)}</tbody></table>`
      : html`<p>Point at a token, or move with the arrow keys, to see what else the model might have said.</p>`}</div>
  </div>`;
}
