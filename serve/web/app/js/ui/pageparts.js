// What the pages beside the chat share: their head, a line for what the server lacks, a bar.
import { html } from "../../../vendor/preact.js";
import { IconButton } from "./parts.js";
import { side } from "./frame.js";

/** Page is a page with a head and a column. */
export const Page = ({ title, about, children }) => html`<main class="page" id="main" tabindex="-1">
  <header class="head"><${IconButton} name="menu" label="Chats" cls="narrow-only" act=${() => { side.value = true; }} expanded=${side.value} /><h1>${title}</h1></header>
  <div class="column" tabindex="-1"><p class="about">${about}</p>${children}</div></main>`;

/** Line says what is not there, and why. */
export const Line = ({ children, bad }) => html`<p class=${"line" + (bad ? " bad" : "")} role="status">${children}</p>`;

/** lacks is the line for an endpoint that a server does not have, or its own error. */
export const lacks = (e, what) => [404, 405, 501].includes(e.status) ? `This server does not ${what}.` : e.status ? e.message : "The server does not answer.";

/** Bar shows shares of a whole: parts are {value, cls, label}. */
export const Bar = ({ parts, of, label }) => html`<span class="bar" role="img" aria-label=${label}>
  <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">${parts.map((p, i) => {
    const x = parts.slice(0, i).reduce((n, q) => n + q.value, 0) / of * 100;
    return html`<rect key=${i} class=${p.cls} x=${x} y="0" width=${Math.min(100 - x, p.value / of * 100)} height="6" />`;
  })}</svg></span>`;

export const Badge = ({ kind = "", children }) => html`<span class=${"badge " + kind}>${children}</span>`;
