// Short notes at the foot of the page, with one thing to do about them; and the finished
// sentences that a screen reader hears.
import { signal } from "../../vendor/preact.js";
import { newId } from "./util.js";

/** notes are those shown: {id, text, label, act}. */
export const notes = signal([]);

/** say shows a note for twelve seconds, or until it is answered. */
export function say(text, { label = "", act = null } = {}) {
  const note = { id: newId(), text, label, act };
  notes.value = [...notes.value.slice(-2), note];
  setTimeout(() => dismiss(note.id), 12e3);
}

export const dismiss = (id) => { notes.value = notes.value.filter((n) => n.id !== id); };

/**
 * Voice hears an answer as it grows and passes on whole sentences, so that a screen
 * reader does not start again at every token. Code is named, not spelled.
 */
export class Voice {
  #said = 0;
  #out = document.getElementById("heard");

  constructor() { this.#out.replaceChildren(); }

  /** hear takes the text so far; at the end all that is left is said. */
  hear(text, ended) {
    let end = ended ? text.length : this.#said;
    if (!ended) {
      const rest = text.slice(this.#said);
      for (const m of rest.matchAll(/[.!?…。！？]["'”’)]*\s|\n/g)) end = this.#said + m.index + m[0].length;
      if ((text.slice(0, end).match(/^```/gm) ?? []).length % 2) return; // inside code
    }
    const words = text.slice(this.#said, end).replace(/^```(\w*)[\s\S]*?^```/gm, " Code. ").replace(/[*_`#|>$\\]+/g, " ").trim();
    this.#said = end;
    if (!words) return;
    const p = document.createElement("p");
    p.textContent = words;
    this.#out.append(p);
    while (this.#out.childNodes.length > 40) this.#out.firstChild.remove();
  }
}
