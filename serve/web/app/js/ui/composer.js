// The field to write in, with its files. What is not sent yet is kept over a reload.
import { computed, html, useEffect, useLayoutEffect, useRef, useState } from "../../../vendor/preact.js";
import { IconButton, icon } from "./parts.js";
import { FileChip } from "./message.js";
import * as store from "../store.js";
import { answer, stop } from "../answer.js";
import { limits, readFile } from "../attach.js";
import { say } from "../notes.js";

const draftName = () => "draft:" + (store.list.peek().some((c) => c.id === store.chat.peek()?.id) ? store.chat.peek().id : "new");

/** writing is true while the answer at the end of the line is on its way. */
const writing = computed(() => store.messages.get(store.line.value.at(-1))?.value.state === "streaming");

export function Composer() {
  const [text, setText] = useState(() => localStorage.getItem(draftName()) ?? "");
  const [files, setFiles] = useState([]);
  const [over, setOver] = useState(false);
  const field = useRef(), pick = useRef(), entered = useRef(false);
  const last = store.line.value.at(-1), streaming = writing.value;

  useLayoutEffect(() => {
    const f = field.current;
    if (CSS.supports("field-sizing", "content")) return;
    f.style.height = "auto";
    f.style.height = f.scrollHeight + "px";
  }, [text]);
  useEffect(() => { if (matchMedia("(pointer: fine)").matches) field.current.focus(); }, []);

  const write = (value) => {
    setText(value);
    if (value) localStorage.setItem(draftName(), value);
    else localStorage.removeItem(draftName());
  };
  const send = async () => {
    if ((!text.trim() && files.length === 0) || streaming) return;
    const message = { role: "user", parent: last ?? null, content: text.trim(), ...(files.length && { files }) };
    write("");
    setFiles([]);
    const fresh = !store.chat.value.title;
    const made = await store.add(message);
    // The address names the chat from its first message on, without a step back to the empty page.
    if (fresh) history.replaceState(null, "", "#/chat/" + made.chat);
    await answer(made.id);
  };
  const attach = async (list) => {
    const taken = [];
    for (const f of [...list].slice(0, limits.files)) {
      try {
        taken.push(await readFile(f));
      } catch (e) {
        say(`${e.message}.`);
      }
    }
    setFiles((now) => [...now, ...taken].slice(0, limits.files));
  };
  const pasted = (e) => {
    const list = e.clipboardData.files, plain = e.clipboardData.getData("text/plain");
    if (list.length) attach(list);
    else if (plain.length > limits.paste) setFiles((now) => [...now, { name: `pasted-${now.length + 1}.txt`, text: plain }].slice(0, limits.files));
    else return;
    e.preventDefault();
  };
  const keyed = (e) => {
    if (e.key !== "Enter" || e.shiftKey || e.isComposing || e.keyCode === 229) return;
    e.preventDefault();
    entered.current = true;
    send();
  };
  // Some keyboards send the line break apart from its key.
  const broken = (e) => { if (entered.current && e.inputType === "insertLineBreak") e.preventDefault(); };
  return html`<form class=${"composer" + (over ? " over" : "")} onSubmit=${(e) => { e.preventDefault(); send(); }}
      onDragOver=${(e) => { e.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)}
      onDrop=${(e) => { e.preventDefault(); setOver(false); attach(e.dataTransfer.files); }}>
    ${files.length > 0 && html`<ul class="files">${files.map((f, i) => html`<li key=${i}><${FileChip} f=${f} remove=${() => setFiles(files.filter((_, j) => j !== i))} /></li>`)}</ul>`}
    <textarea id="draft" ref=${field} rows="1" dir="auto" aria-label="Message" placeholder="Write a message" value=${text}
      onInput=${(e) => write(e.target.value)} onKeyDown=${keyed} onKeyUp=${() => { entered.current = false; }} onBeforeInput=${broken} onPaste=${pasted}></textarea>
    <div class="composer-row">
      <${IconButton} name="clip" label="Attach text files" act=${() => pick.current.click()} />
      <input ref=${pick} id="attach" type="file" multiple hidden onChange=${(e) => { attach(e.target.files); e.target.value = ""; }} />
      <span class="composer-hint">${streaming ? "Esc stops" : ""}</span>
      ${streaming
        ? html`<button key="stop" type="button" class="send stop" aria-label="Stop" title="Stop (Esc)" onClick=${() => stop(last)}>${icon("stop")}</button>`
        : html`<button key="send" type="submit" class="send" aria-label="Send" title="Send (Enter)" disabled=${!text.trim() && files.length === 0}>${icon("up")}</button>`}
    </div>
  </form>`;
}
