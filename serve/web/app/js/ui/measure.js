// Measure: tokens a second on a device, and how equal two devices are.
import { html, useEffect, useMemo, useState } from "../../../vendor/preact.js";
import { Badge, Line, Page, lacks } from "./pageparts.js";
import { Plot } from "./plot.js";
import { useRun } from "./run.js";
import { json } from "../api.js";
import { models } from "../server.js";
import { count, duration, rate } from "../util.js";

export function Measure() {
  const [status, setStatus] = useState({});
  useEffect(() => { json("/api/status").then(setStatus, () => {}); }, []); // a server without it may have the rest
  const devices = (status.devices ?? []).filter((d) => d.kind !== "peer").map((d) => ({ id: d.id, name: d.name }));
  return html`<${Page} title="Measure" about="The same measurements as eclat bench and eclat compare, on this server. While one runs, answers are slower, and it is slower for answers.">
    <${Bench} devices=${devices} status=${status} /><${Compare} devices=${devices} /></${Page}>`;
}

const numbers = (text, least, most) => {
  const list = text.split(/[\s,]+/).filter(Boolean).map(Number);
  return list.length && list.length <= 8 && list.every((n) => Number.isInteger(n) && n >= least && n <= most) ? list : null;
};

function Choice({ id, label, value, set, options }) {
  return html`<div class="field"><label for=${id}>${label}</label><select id=${id} value=${value} onChange=${(e) => set(e.target.value)}>
    ${options.map((o) => html`<option key=${o.id} value=${o.id} selected=${o.id === value}>${o.name ?? o.id}</option>`)}</select></div>`;
}

function Numbers({ id, label, value, set, why, bad }) {
  return html`<div class="field"><label for=${id}>${label}</label><input id=${id} inputmode="numeric" autocomplete="off" value=${value} aria-invalid=${bad ? "true" : undefined} aria-describedby=${id + "-why"} onInput=${(e) => set(e.target.value)} /><p class="why" id=${id + "-why"}>${why}</p></div>`;
}

const Running = ({ r }) => html`<div class="row">
  ${r.running ? html`<button type="button" class="button" onClick=${r.stop}>Stop</button>` : html`<button type="submit" class="button main">Run</button>`}
  ${r.running && html`<progress max=${r.progress?.of ?? 1} value=${r.progress?.done} aria-label="Progress"></progress><span class="faint" role="status">${r.progress?.text ?? "Starting"}</span>`}</div>
  ${r.wrong && html`<${Line} bad=${r.wrong !== "Stopped."}>${r.wrong}</${Line}>`}`;

/** usual are the tests that fit into a context, in tokens; most servers have 4,096 or more. */
function usual(context = 4096) {
  for (const deepest of [4096, 2048]) {
    if (deepest + 512 < context) return { prompt: "512", gen: "128", depth: `0, 1024, ${deepest}` };
  }
  const quarter = Math.max(1, Math.floor(context / 4));
  return { prompt: String(quarter), gen: String(Math.min(128, quarter)), depth: `0, ${quarter}, ${2 * quarter}` };
}

function Bench({ devices, status }) {
  const [model, setModel] = useState(""), [device, setDevice] = useState("auto"), [repeat, setRepeat] = useState("3");
  const [own, setOwn] = useState({}); // what was written into the fields; the others have what is usual
  const fit = usual(status.models?.find((m) => m.id === (model || models.value[0]?.id))?.context);
  const { prompt, gen, depth } = { ...fit, ...own };
  const set = (name) => (text) => setOwn((now) => ({ ...now, [name]: text }));
  const [rows, setRows] = useState([]);
  const r = useRun("/api/bench", "measure speed (it has no /api/bench)");
  const v = { prompt: numbers(prompt, 1, 1e6), generate: numbers(gen, 1, 1e5), depth: numbers(depth, 0, 1e6), repeat: numbers(repeat, 1, 100) };
  const start = (e) => {
    e.preventDefault();
    if (Object.values(v).some((x) => !x)) return;
    setRows([]);
    r.run({ model: model || models.value[0]?.id || "", device, prompt: v.prompt, generate: v.generate, depth: v.depth, repeat: v.repeat[0] }, (ev) => { if (ev.row) setRows((now) => [...now, ev.row]); });
  };
  return html`<section class="block-of card"><h2>Speed</h2><form class="grid-form of-six" onSubmit=${start}>
      <${Choice} id="b-model" label="Model" value=${model || models.value[0]?.id} set=${setModel} options=${models.value} />
      <${Choice} id="b-device" label="Device" value=${device} set=${setDevice} options=${[{ id: "auto", name: "As served" }, ...devices]} />
      <${Numbers} id="b-prompt" label="Prompt" value=${prompt} set=${set("prompt")} bad=${!v.prompt} why="Tokens to read, one or more numbers" />
      <${Numbers} id="b-gen" label="Generate" value=${gen} set=${set("gen")} bad=${!v.generate} why="Tokens to generate" />
      <${Numbers} id="b-depth" label="Depth" value=${depth} set=${set("depth")} bad=${!v.depth} why="Tokens that stand before" />
      <${Numbers} id="b-repeat" label="Repeat" value=${repeat} set=${setRepeat} bad=${!v.repeat} why="Times each is measured" />
      <${Running} r=${r} /></form>
    ${rows.length > 0 && html`<${BenchResult} rows=${rows} />`}</section>`;
}

/** benchLines groups rows of one length and device into lines over depth. */
function benchLines(rows, part) {
  const depths = [...new Set(rows.map((r) => r.n_depth))].sort((a, b) => a - b), lines = new Map();
  const several = new Set(rows.map((r) => r.device)).size > 1;
  for (const r of rows.filter((r) => r[part] > 0)) {
    const label = `${r[part]} tokens${several ? `, ${r.device}` : ""}`;
    if (!lines.has(label)) lines.set(label, { label, colour: lines.size, values: depths.map(() => null) });
    lines.get(label).values[depths.indexOf(r.n_depth)] = r.avg_ts;
  }
  return { x: depths, series: [...lines.values()] };
}

function BenchResult({ rows }) {
  const read = useMemo(() => benchLines(rows, "n_prompt"), [rows]), made = useMemo(() => benchLines(rows, "n_gen"), [rows]);
  const summary = (l) => l.series.map((s) => `${s.label}: ${s.values.map((v, i) => v === null ? "" : `${rate(v)} at depth ${count(l.x[i])}`).filter(Boolean).join(", ")}`).join("; ");
  return html`<div class="plots">
      ${made.series.length > 0 && html`<${Plot} title="Generating" x=${made.x} series=${made.series} xLabel="depth, tokens" yLabel="tokens/s" bars=${made.x.length < 2} summary=${summary(made)} />`}
      ${read.series.length > 0 && html`<${Plot} title="Reading a prompt" x=${read.x} series=${read.series} xLabel="depth, tokens" yLabel="tokens/s" bars=${read.x.length < 2} summary=${summary(read)} />`}</div>
    <div class="wide" tabindex="0"><table class="sheet-table"><thead><tr><th scope="col">Test</th><th scope="col">Device</th><th scope="col" class="number">Depth</th><th scope="col" class="number">tokens/s</th><th scope="col" class="number">±</th><th scope="col" class="number">First token</th><th scope="col" class="number">Of the limit</th></tr></thead>
      <tbody>${rows.map((r, i) => html`<tr key=${i}><th scope="row">${r.test ?? (r.n_prompt ? `pp${r.n_prompt}` : `tg${r.n_gen}`)}</th><td>${r.device}</td><td class="number">${count(r.n_depth)}</td><td class="number">${rate(r.avg_ts)}</td><td class="number">${rate(r.stddev_ts ?? 0)}</td>
        <td class="number">${r.ttft_ns > 0 ? duration(r.ttft_ns / 1e6) : "–"}</td><td class="number">${r.of_limit > 0 ? `${Math.round(100 * r.of_limit)} %` : "–"}</td></tr>`)}</tbody></table></div>`;
}

function Compare({ devices }) {
  const [model, setModel] = useState(""), [device, setDevice] = useState("auto"), [against, setAgainst] = useState("ref"), [tokens, setTokens] = useState("64");
  const [result, setResult] = useState(null);
  const r = useRun("/api/compare", "compare devices (it has no /api/compare)");
  const n = numbers(tokens, 1, 4096);
  const start = (e) => {
    e.preventDefault();
    if (n?.length !== 1) return;
    setResult(null);
    r.run({ model: model || models.value[0]?.id || "", device, against, tokens: n[0] }, (ev) => { if (ev.result) setResult(ev.result); });
  };
  return html`<section class="block-of card"><h2>Equality</h2><form class="grid-form" onSubmit=${start}>
      <${Choice} id="c-model" label="Model" value=${model || models.value[0]?.id} set=${setModel} options=${models.value} />
      <${Choice} id="c-device" label="Device" value=${device} set=${setDevice} options=${[{ id: "auto", name: "As served" }, ...devices]} />
      <${Choice} id="c-against" label="Against" value=${against} set=${setAgainst} options=${devices.some((d) => d.id === "ref") ? devices : [{ id: "ref", name: "The reference" }, ...devices]} />
      <${Numbers} id="c-tokens" label="Tokens" value=${tokens} set=${setTokens} bad=${n?.length !== 1} why="How many of a text are computed on both" />
      <${Running} r=${r} /></form>
    ${result && html`<${CompareResult} r=${result} />`}</section>`;
}

function CompareResult({ r }) {
  const equal = !r.first_unequal, sound = (r.failures ?? []).length === 0;
  const kl = useMemo(() => ({ x: (r.kl ?? []).map((_, i) => i), series: [{ label: "KL", colour: 0, values: r.kl ?? [] }] }), [r]);
  const layers = useMemo(() => { const l = (r.layers ?? []).filter((x) => x.layer >= 0); return { x: l.map((x) => x.layer), series: [{ label: "Error", colour: 1, values: l.map((x) => x.nmse) }] }; }, [r]);
  return html`<div class="verdict">${equal ? html`<${Badge} kind="good">Equal bit for bit</${Badge}>` : sound ? html`<${Badge} kind="warn">Within limits</${Badge}>` : html`<${Badge} kind="bad">Different</${Badge}>`}
      <p>${equal ? `All ${count(r.numbers)} numbers of ${count(r.positions)} positions are the same.` : `First different: ${r.first_unequal.tensor}, position ${r.first_unequal.position}, element ${r.first_unequal.element}.`}</p>
      ${r.sha256 && html`<p class="faint">sha256 <code>${r.sha256}</code></p>`}
      ${(r.failures ?? []).map((f) => html`<${Line} bad key=${f}>${f}</${Line}>`)}</div>
    ${!equal && html`<div class="plots"><${Plot} title="Distance of the predictions" x=${kl.x} series=${kl.series} xLabel="position" yLabel="KL, nats" summary=${`Mean ${r.logits?.kl_mean}`} />
      ${layers.x.length > 0 && html`<${Plot} title="Error of each layer" x=${layers.x} series=${layers.series} xLabel="layer" yLabel="normalised error" bars summary=${`Of ${layers.x.length} layers`} />`}</div>
      <dl class="facts"><div><dt>Same most likely token</dt><dd>${(100 * (r.logits?.same_top ?? 0)).toFixed(1)} %</dd></div><div><dt>Mean |Δ log p|</dt><dd>${r.logits?.mean_logprob_diff}</dd></div><div><dt>Largest difference of a logit</dt><dd>${r.logits?.max_logit_diff}</dd></div></dl>`}`;
}
