// Models and devices: what lies where, what it takes, and what has been checked.
import { html, useEffect, useState } from "../../../vendor/preact.js";
import { Badge, Bar, Line, Page, lacks } from "./pageparts.js";
import { useRun } from "./run.js";
import { ask, json } from "../api.js";
import { look } from "../server.js";
import { bytes, count, duration } from "../util.js";
import { say } from "../notes.js";

export function Models() {
  const [status, setStatus] = useState(null), [wrong, setWrong] = useState(""), [again, setAgain] = useState(0);
  useEffect(() => {
    let timer, stopped = false;
    const read = async () => {
      try {
        const s = await json("/api/status");
        if (stopped) return;
        setStatus(s);
        setWrong("");
        timer = setTimeout(read, s.models?.some((m) => m.state === "loading") ? 500 : 3000);
      } catch (e) {
        if (stopped) return;
        setWrong(lacks(e, "say what lies where (it has no /api/status)"));
        if (![404, 405, 501].includes(e.status)) timer = setTimeout(read, 5000);
      }
    };
    read();
    return () => { stopped = true; clearTimeout(timer); };
  }, [again]);
  const read = () => setAgain((n) => n + 1);
  const devices = status?.devices ?? [], models = status?.models ?? [], peers = status?.peers ?? [];
  return html`<${Page} title="Models and devices" about="What each model is cut into, which device holds it, and whether that device gives the same bits as the reference.">
    ${wrong && html`<${Line} bad>${wrong}</${Line}>`}
    ${!status && !wrong && html`<${Line}>Asking the server…</${Line}>`}
    ${status && html`
      <section class="block-of"><h2>Devices</h2>${devices.length === 0 && html`<${Line}>The server names no device.</${Line}>`}
        <div class="cards">${devices.map((d, i) => html`<${Device} key=${d.id} d=${d} i=${i} read=${read} />`)}</div></section>
      ${peers.length > 0 && html`<section class="block-of"><h2>Other machines</h2><${Peers} peers=${peers} /></section>`}
      <section class="block-of"><h2>Models</h2>${models.length === 0 && html`<${Line}>The server names no model.</${Line}>`}
        ${models.map((m) => html`<${Model} key=${m.id} m=${m} devices=${devices.map((d) => d.id)} read=${read} />`)}</section>`}
  </${Page}>`;
}

const bits = { equal: ["good", "Equal bits"], limits: ["warn", "Within limits"], wrong: ["bad", "Wrong bits"], unchecked: ["", "Not checked"] };

/** Doing shows work of the server's on its way, or the button that begins it. */
const Doing = ({ r, label, about, begin }) => html`<div class="row doing">${r.running
    ? html`<button type="button" class="button" onClick=${r.stop}>Stop</button><progress max=${r.progress?.of ?? 1} value=${r.progress?.done} aria-label="Progress"></progress>`
    : html`<button type="button" class="button" aria-label=${about} onClick=${begin}>${label}</button>`}</div>
  ${r.wrong && html`<${Line} bad=${r.wrong !== "Stopped."}>${r.wrong}</${Line}>`}`;

function Device({ d, i, read }) {
  const [kind, text] = bits[d.bits] ?? bits.unchecked, m = d.memory;
  const r = useRun("/api/check", "check devices (it has no /api/check)");
  const check = () => r.run({ device: d.id }, () => read());
  return html`<article class="card"><header><span class=${`dot d${i % 6}`} aria-hidden="true"></span><h3>${d.name}</h3>
      ${d.state === "lost" ? html`<${Badge} kind="bad">Lost</${Badge}>` : html`<${Badge} kind=${kind}>${text}</${Badge}>`}</header>
    <p class="faint">${[d.id, d.driver].filter(Boolean).join(" · ")}</p>
    ${d.kernels > 0 && html`<p>${count(d.kernels)} kernels answered as the reference does.</p>`}
    ${d.difference && html`<p>${d.difference}</p>`}
    ${m?.total > 0 && html`<div class="meter"><${Bar} of=${m.total} parts=${[{ value: m.used ?? 0, cls: `d${i % 6}` }]} label=${`${bytes(m.used ?? 0)} of ${bytes(m.total)} used`} /><span>${bytes(m.used ?? 0)} of ${bytes(m.total)}</span></div>`}
    ${!(m?.total > 0) && m?.used > 0 && html`<p>${bytes(m.used)} held</p>`}
    ${d.bits === "unchecked" && d.kind !== "peer" && html`<${Doing} r=${r} label="Check" about=${`Check the kernels of ${d.id}`} begin=${check} />`}</article>`;
}

function Peers({ peers }) {
  return html`<div class="wide card" tabindex="0"><table class="sheet-table"><thead><tr><th scope="col">Machine</th><th scope="col">State</th><th scope="col" class="number">Layers</th><th scope="col" class="number">A token</th><th scope="col">Models</th><th scope="col">Checked before it computes</th></tr></thead>
    <tbody>${peers.map((p) => html`<tr key=${p.id}><th scope="row">${p.name || p.id} <span class="faint">${p.name ? p.id : ""}</span></th><td>${p.state === "lost" ? html`<${Badge} kind="bad">Lost</${Badge}>` : html`<${Badge} kind="good">Here</${Badge}>`}</td>
      <td class="number">${count(p.layers ?? 0)}</td><td class="number">${p.token_ms > 0 ? duration(p.token_ms) : "–"}</td><td>${(p.models ?? []).join(", ")}</td><td class="prose">${p.checks}</td></tr>`)}</tbody></table></div>`;
}

const states = { ready: ["good", "Ready"], loading: ["", "Loading"], unloaded: ["", "Not loaded"], failed: ["bad", "Failed"] };

function Model({ m, devices, read }) {
  const [kind, text] = states[m.state] ?? ["", m.state];
  const act = async (path) => {
    try {
      await ask(path, { body: { model: m.id } });
      look();
      read();
    } catch (e) {
      say(lacks(e, "load and unload models on request"));
    }
  };
  const facts = [["Architecture", m.architecture], ["Parameters", m.parameters], ["Weights", [m.quantisation, m.bytes > 0 && bytes(m.bytes)].filter(Boolean).join(", ")],
    ["Context", m.context > 0 && `${count(m.context)} tokens`], ["File", m.file], ["Identity", m.identity]].filter(([, v]) => v);
  return html`<article class="card model"><header><h3>${m.id}</h3><${Badge} kind=${kind}>${text}</${Badge}><span class="spring"></span>
      ${m.state === "ready" && html`<button type="button" class="button" onClick=${() => act("/models/unload")}>Unload</button>`}
      ${(m.state === "unloaded" || m.state === "failed") && html`<button type="button" class="button" onClick=${() => act("/models/load")}>Load</button>`}</header>
    ${m.state === "loading" && html`<div class="meter"><progress max="1" value=${m.progress ?? 0} aria-label="Loading"></progress><span>${[m.what, `${Math.round(100 * (m.progress ?? 0))} %`].filter(Boolean).join(", ")}</span></div>`}
    ${m.error && html`<${Line} bad>${m.error}</${Line}>`}
    <dl class="facts">${facts.map(([k, v]) => html`<div key=${k} class=${String(v).length > 40 ? "long" : ""}><dt>${k}</dt><dd>${v}</dd></div>`)}</dl>
    ${m.layers?.length > 0 && html`<${Layers} layers=${m.layers} devices=${devices} />`}
    ${m.memory?.length > 0 && html`<${Memory} rows=${m.memory} />`}
    ${m.fragments && html`<${Fragments} m=${m} f=${m.fragments} read=${read} />`}</article>`;
}

/** Layers draws one cell a layer in the colour of its device, and the same as a table. */
function Layers({ layers, devices }) {
  const at = (d) => Math.max(0, devices.indexOf(d)) % 6;
  const runs = [];
  for (const l of layers) {
    const r = runs.at(-1);
    if (r?.device === l.device) { r.last = l.name; r.bytes += l.bytes ?? 0; r.n++; } else runs.push({ device: l.device, first: l.name, last: l.name, bytes: l.bytes ?? 0, n: 1 });
  }
  return html`<section><h4>Where it lies</h4>
    <div class="strip" role="img" aria-label=${runs.map((r) => `${r.first} to ${r.last}: ${r.device}`).join("; ")}>${layers.map((l, i) => html`<span key=${i} class=${`cell d${at(l.device)}`} title=${`${l.name}: ${l.device}, ${bytes(l.bytes ?? 0)}`}></span>`)}</div>
    <ul class="legend">${runs.map((r, i) => html`<li key=${i}><span class=${`dot d${at(r.device)}`} aria-hidden="true"></span>${r.device}: ${r.n === 1 ? r.first : `${r.first} to ${r.last}`} <span class="faint">${bytes(r.bytes)}</span></li>`)}</ul>
    <details><summary>Layer by layer</summary><div class="wide" tabindex="0"><table class="sheet-table"><thead><tr><th scope="col">Part</th><th scope="col">Device</th><th scope="col" class="number">Weights</th></tr></thead>
      <tbody>${layers.map((l, i) => html`<tr key=${i}><th scope="row">${l.name}</th><td>${l.device}</td><td class="number">${bytes(l.bytes ?? 0)}</td></tr>`)}</tbody></table></div></details></section>`;
}

function Memory({ rows }) {
  const most = Math.max(1, ...rows.map((r) => Math.max(r.planned ?? 0, r.real ?? 0)));
  return html`<section><h4>Memory</h4><div class="wide" tabindex="0"><table class="sheet-table"><thead><tr><th scope="col">What</th><th scope="col">Device</th><th scope="col" class="number">Planned</th><th scope="col" class="number">Real</th><th scope="col"><span class="unseen">Real as a bar</span></th></tr></thead>
    <tbody>${rows.map((r, i) => html`<tr key=${i}><th scope="row">${r.what}</th><td>${r.device}</td><td class="number">${bytes(r.planned ?? 0)}</td><td class="number">${bytes(r.real ?? 0)}</td>
      <td class="bar-cell"><${Bar} of=${most} parts=${[{ value: r.real ?? 0, cls: "d0" }]} label=${`${bytes(r.real ?? 0)} of ${bytes(r.planned ?? 0)} planned`} /></td></tr>`)}</tbody></table></div></section>`;
}

function Fragments({ m, f, read }) {
  const r = useRun("/api/verify", "check fragments (it has no /api/verify)");
  const damaged = f.damaged ?? [], all = f.total > 0 && f.verified === f.total;
  return html`<section class="stack"><h4>Fragments</h4><div class="meter"><${Bar} of=${Math.max(1, f.total)} parts=${[{ value: f.verified ?? 0, cls: "good" }, { value: damaged.length, cls: "bad" }]} label=${`${f.verified} of ${f.total} verified`} /><span>${count(f.verified ?? 0)} of ${count(f.total ?? 0)} verified</span>
      ${damaged.length ? html`<${Badge} kind="bad">${count(damaged.length)} damaged</${Badge}>` : all ? html`<${Badge} kind="good">Whole</${Badge}>` : html`<${Badge}>Sums not checked</${Badge}>`}</div>
    ${!all && html`<${Doing} r=${r} label="Verify" about=${`Verify the fragments of ${m.id}`} begin=${() => r.run({ model: m.id }, () => read())} />`}
    ${damaged.length > 0 && html`<ul class="plain">${damaged.slice(0, 50).map((d) => html`<li key=${d}><code>${d}</code></li>`)}</ul>`}
    ${f.manifest && html`<p class="faint">Manifest <code>${f.manifest}</code></p>`}</section>`;
}
