// The start of the page: its parts, its addresses, its keys.
import { html, render, effect } from "../../vendor/preact.js";
import { App } from "./ui/app.js";
import * as store from "./store.js";
import { mend, stop } from "./answer.js";
import { look } from "./server.js";
import { say } from "./notes.js";
import { key } from "./api.js";
import { page, side, panel } from "./ui/frame.js";

/** route shows what the address after # names. */
async function route() {
  const [, name = "", id = ""] = location.hash.split("/");
  side.value = false;
  if (name === "models" || name === "measure") {
    page.value = name;
    return;
  }
  page.value = "chat";
  if (name === "chat" && store.chat.value?.id !== id) {
    if (!(await store.openChat(id))) {
      say("There is no such chat in this browser.");
      location.hash = "#/";
      return;
    }
    await mend();
  } else if (name !== "chat") {
    await store.openChat(null);
  }
}

addEventListener("hashchange", route);

addEventListener("keydown", (e) => {
  const command = e.ctrlKey || e.metaKey;
  if (command && e.key.toLowerCase() === "k") {
    e.preventDefault();
    side.value = true;
    requestAnimationFrame(() => document.getElementById("search")?.focus());
  } else if (command && e.shiftKey && e.key.toLowerCase() === "o") {
    e.preventDefault();
    location.hash = "#/";
    requestAnimationFrame(() => document.getElementById("draft")?.focus());
  } else if (e.key === "Escape" && !e.defaultPrevented && !document.querySelector("dialog[open], [popover]:popover-open")) {
    const last = store.line.value.at(-1), m = last && store.messages.get(last)?.peek();
    if (m?.state === "streaming") stop(last);
    else if (side.value) side.value = false;
    else if (panel.value) panel.value = false;
  }
});

await store.start().catch((e) => say(`The browser keeps no chats here: ${e.message}`));
await route();
// A new key is tried at once.
effect(() => { key.value; look(); });
effect(() => {
  const title = { models: "Models and devices", measure: "Measure" }[page.value] ?? store.chat.value?.title;
  document.title = title ? `${title} – eclat` : "eclat";
});
render(html`<${App} />`, document.getElementById("app"));
