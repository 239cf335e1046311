// The settings of an answer, with what each does. A value that is not set is not sent:
// the server's default stands.
import { signal } from "../../vendor/preact.js";

/**
 * fields: name in the request, label, kind, limits, and an explanation. A number's
 * default is read from the server's /props under the same name, or under props.
 */
export const fields = [
  { name: "temperature", label: "Temperature", min: 0, max: 2, step: 0.05, group: "Choice of words",
    why: "How freely tokens are drawn. 0 always takes the most likely one; above 1 the unlikely gain." },
  { name: "top_p", label: "Top-p", min: 0, max: 1, step: 0.01, group: "Choice of words",
    why: "Only the most likely tokens that together reach this probability are drawn from. 1 is all." },
  { name: "top_k", label: "Top-k", min: 0, max: 1000, step: 1, whole: true, group: "Choice of words",
    why: "Only so many of the most likely tokens are drawn from. 0 is all." },
  { name: "min_p", label: "Min-p", min: 0, max: 1, step: 0.01, group: "Choice of words",
    why: "Tokens less likely than this share of the most likely one are left out. 0 leaves none out." },
  { name: "seed", label: "Seed", min: 0, max: 4294967295, step: 1, whole: true, group: "Choice of words",
    why: "The same seed, model and conversation give the same answer, on every device. Empty: a new one each time." },
  { name: "repeat_penalty", label: "Repeat penalty", min: 0.5, max: 2, step: 0.01, group: "Repetition",
    why: "Above 1 makes tokens that came lately less likely. 1 is off." },
  { name: "presence_penalty", label: "Presence penalty", min: -2, max: 2, step: 0.1, group: "Repetition",
    why: "Taken from a token that has come at all. 0 is off." },
  { name: "frequency_penalty", label: "Frequency penalty", min: -2, max: 2, step: 0.1, group: "Repetition",
    why: "Taken from a token each time it has come. 0 is off." },
  { name: "dry_multiplier", label: "DRY", min: 0, max: 5, step: 0.1, group: "Repetition",
    why: "Holds back tokens that would continue a phrase already said. 0 is off, 0.8 is usual." },
  { name: "max_tokens", props: "n_predict", label: "Longest answer", min: 1, max: 1000000, step: 1, whole: true, group: "Length and form",
    why: "In tokens. Empty: until the model ends or the context is full." },
  { name: "stop", label: "Stop at", lines: true, group: "Length and form",
    why: "The answer ends before any of these texts. One a line." },
  { name: "reasoning_effort", label: "Thinking", choices: ["none", "minimal", "low", "medium", "high"], group: "Length and form",
    why: "How much a model that can think does so before it answers. Others refuse it." },
  { name: "tools", label: "Tools", json: true, group: "Length and form",
    why: "A JSON list of functions, as OpenAI's API takes them. Calls are shown, and you answer them." },
  { name: "logprobs", label: "Keep token probabilities", flag: true, group: "Length and form",
    why: "Each answer can then be read token by token, with what else the model might have said." },
];

/** standing are the settings new chats begin with. */
export const standing = signal(read());

function read() {
  try {
    const s = JSON.parse(localStorage.getItem("standing") ?? "{}");
    return { system: String(s.system ?? ""), settings: clean(s.settings) };
  } catch {
    return { system: "", settings: {} };
  }
}

export function setStanding(value) {
  standing.value = value;
  localStorage.setItem("standing", JSON.stringify(value));
}

/** clean keeps of an object what is a known setting of the right type. It may come from a file. */
export function clean(object) {
  const out = {};
  for (const f of fields) {
    const v = object?.[f.name];
    if (v !== undefined && v !== null && problem(f, v) === "") out[f.name] = v;
  }
  return out;
}

/** problem says what is wrong with a value, "" for nothing. */
export function problem(f, v) {
  if (f.flag) return v === true ? "" : "is on or not set";
  if (f.choices) return f.choices.includes(v) ? "" : `is one of ${f.choices.join(", ")}`;
  if (f.lines) return Array.isArray(v) && v.length <= 16 && v.every((s) => typeof s === "string" && s) ? "" : "is up to 16 lines";
  if (f.json) return Array.isArray(v) && v.every((t) => t?.type === "function" && typeof t.function?.name === "string") ? "" : "is a list of {type: \"function\", function: {name, …}}";
  if (typeof v !== "number" || !Number.isFinite(v)) return "is a number";
  if (f.whole && !Number.isInteger(v)) return "is a whole number";
  return v < f.min || v > f.max ? `lies between ${f.min} and ${f.max}` : "";
}

/** request turns settings into fields of a request. */
export function request(settings) {
  const out = { ...settings };
  if (out.logprobs) out.top_logprobs = 5;
  if (out.tools?.length === 0) delete out.tools;
  return out;
}
