// The settings of a chat: its system prompt, and how tokens are chosen.
import { html, useState, useEffect, useRef } from "../../../vendor/preact.js";
import { IconButton } from "./parts.js";
import { panel } from "./frame.js";
import { fields, problem, setStanding, standing } from "../settings.js";
import { defaults } from "../server.js";
import * as store from "../store.js";
import { say } from "../notes.js";

export function Panel() {
  const c = store.chat.value;
  const set = (name, value) => {
    const settings = { ...c.settings };
    if (value === undefined) delete settings[name];
    else settings[name] = value;
    store.change(c.id, { settings });
  };
  const same = standing.value.system === c.system && JSON.stringify(standing.value.settings) === JSON.stringify(c.settings);
  return html`<aside class="panel" aria-label="Settings of this chat">
    <header><h2>Settings of this chat</h2><${IconButton} name="close" label="Close the settings" act=${() => { panel.value = false; }} /></header>
    <div class="panel-in" tabindex="-1">
      <div class="field"><label for="system">System prompt</label>
        <textarea id="system" rows="4" dir="auto" value=${c.system} placeholder="None" onInput=${(e) => store.change(c.id, { system: e.target.value })}></textarea>
        <p class="why">What the model is told before the conversation begins.</p></div>
      ${[...new Set(fields.map((f) => f.group))].map((group) => html`<fieldset key=${group}><legend>${group}</legend>
        ${fields.filter((f) => f.group === group).map((f) => html`<${Field} key=${c.id + f.name} f=${f} value=${c.settings[f.name]} set=${(v) => set(f.name, v)} />`)}</fieldset>`)}
    </div>
    <footer class="row"><button type="button" class="button" disabled=${same} onClick=${() => { setStanding({ system: c.system, settings: c.settings }); say("New chats will begin with these settings."); }}>Use for new chats</button>
      <button type="button" class="button" disabled=${Object.keys(c.settings).length === 0} onClick=${() => store.change(c.id, { settings: {} })}>Reset all</button></footer>
  </aside>`;
}

/** standard is the server's default of a field, as text. */
function standard(f) {
  const v = defaults.value[f.name] ?? defaults.value[f.props];
  if (f.name === "seed" && (v === -1 || v === 4294967295)) return "";
  if (f.name === "max_tokens" && v === -1) return "";
  return typeof v === "number" ? String(Math.round(v * 1e4) / 1e4) : "";
}

function Field({ f, value, set }) {
  const id = "set-" + f.name, why = id + "-why";
  const written = (v) => v === undefined ? "" : f.lines ? v.join("\n") : f.json ? JSON.stringify(v, null, 1) : String(v);
  const [text, setText] = useState(written(value));
  const [wrong, setWrong] = useState("");
  const own = useRef(value); // what was read from the field; it stays as it was written
  useEffect(() => { if (value !== own.current) { own.current = value; setWrong(""); setText(written(value)); } }, [value]);
  const put = (v) => { own.current = v; set(v); };
  const read = (s) => {
    setText(s);
    let v;
    if (!s.trim()) { setWrong(""); put(undefined); return; }
    try {
      v = f.lines ? s.split("\n").filter(Boolean) : f.json ? JSON.parse(s) : f.choices ? s : Number(s);
    } catch {
      setWrong("is no JSON");
      return;
    }
    const p = problem(f, v);
    setWrong(p);
    if (!p) put(v);
  };
  const common = { id, "aria-describedby": why, "aria-invalid": wrong ? "true" : undefined };
  const reset = value !== undefined && !f.flag && html`<button type="button" class="text-button" aria-label=${`Reset ${f.label}`} onClick=${() => { setWrong(""); put(undefined); setText(""); }}>Reset</button>`;
  const input = f.choices ? html`<select ...${common} value=${value ?? ""} onChange=${(e) => read(e.target.value)}><option value="" selected=${value === undefined}>As the model does</option>${f.choices.map((o) => html`<option key=${o} value=${o} selected=${o === value}>${o}</option>`)}</select>`
    : f.lines || f.json ? html`<textarea ...${common} rows=${f.json ? 3 : 2} spellcheck=${false} dir="ltr" value=${text} placeholder=${f.json ? "[]" : ""} onInput=${(e) => read(e.target.value)}></textarea>`
    : html`<input ...${common} type="text" inputmode="decimal" autocomplete="off" value=${text} placeholder=${standard(f) || "not set"} onInput=${(e) => read(e.target.value)}
        onKeyDown=${(e) => {
          const by = { ArrowUp: 1, ArrowDown: -1 }[e.key];
          if (!by) return;
          e.preventDefault();
          const from = Number(text || standard(f) || f.min);
          read(String(Math.min(f.max, Math.max(f.min, Math.round((from + by * f.step) * 1e6) / 1e6))));
        }} />`;
  if (f.flag) {
    return html`<div class="field flag"><input ...${common} type="checkbox" checked=${value === true} onChange=${(e) => set(e.target.checked ? true : undefined)} /><label for=${id}>${f.label}</label><p class="why" id=${why}>${f.why}</p></div>`;
  }
  return html`<div class=${"field" + (f.lines || f.json ? "" : " short")}><label for=${id}>${f.label}</label>${reset}${input}
    <p class="why" id=${why}>${wrong ? html`<strong class="wrong">This ${wrong}.</strong> ` : ""}${f.why}</p></div>`;
}
