// usage: node clients.mjs PLAIN_URL INSTRUCT_URL CHECKED.ts
//
// Tries the server with the clients that the APIs' makers publish for JavaScript. Prints a
// line for each thing tried, "not ok" for what is wrong, and ends with 1 where anything is.
// All that the server answered is written to CHECKED.ts as values of the clients' own types,
// which the compiler of TypeScript then checks: what is required is there, of the right
// kind, and nothing is there that the API does not know.
import OpenAI from "openai";
import Anthropic from "@anthropic-ai/sdk";
import { writeFileSync } from "node:fs";

const [, , plain, instruct, checked] = process.argv;
const key = "secret-of-clients";
const openai = (url, o = {}) => new OpenAI({ baseURL: url + "/v1", apiKey: key, maxRetries: 0, ...o });
const anthropic = (url, o = {}) => new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0, ...o });
const model = "sotu";
const system = { role: "system", content: "Be brief." };
const user = (content) => ({ role: "user", content });

let wrong = 0;
const lines = [`import OpenAI from "openai";`, `import Anthropic from "@anthropic-ai/sdk";`];
const ok = (what, right, detail) => {
  console.log(right ? "ok" : "not ok", what, right ? "" : JSON.stringify(detail));
  if (!right) wrong++;
};

// Fields that this server adds to the API's, by the object that they are in.
const own = {
  "": ["timings", "proof", "prompt_progress", "system_fingerprint", "_request_id"],
  choice: ["tokens", "proof"],
  text: ["reasoning_content"],
  logprobs: ["id"],
};
function strip(v, kind = "") {
  if (Array.isArray(v)) return v.map((e) => strip(e, kind));
  if (v === null || typeof v !== "object") return v;
  const out = {};
  for (const [k, e] of Object.entries(v)) {
    if (own[kind]?.includes(k)) continue;
    out[k] = kind === "" && k === "choices" ? strip(e, "choice")
      : kind === "choice" && (k === "delta" || k === "message") ? strip(e, "text")
      : kind === "choice" && k === "logprobs" || kind === "logprobs" ? strip(e, "logprobs") : e;
  }
  return out;
}
const typed = (type, v) => lines.push(`export const v${lines.length}: ${type} = ${JSON.stringify(strip(v))};`);

// The API sends null where these types have nothing: as the user and, until it is known, the
// usage of a response, and as the probability of a token that nothing comes before.
// The API's reference has store, and the name of a call that is done; its types do not.
const answered = ({ usage, user, store, ...r }) => strip({ ...r, output_text: "", ...(usage && { usage }), ...(user && { user }) });
const ofResponse = ({ response, name, ...e }) => (response ? { ...e, response: answered(response) } : e);
const known = (k) => ({ ...k, choices: k.choices.map((c) => ({
  ...c, finish_reason: c.finish_reason ?? "stop", // there is none before the last piece
  logprobs: c.logprobs && { ...c.logprobs, token_logprobs: c.logprobs.token_logprobs.map((p) => p ?? 0), top_logprobs: c.logprobs.top_logprobs.map((p) => p ?? {}) },
})) });

async function attempt(what, f) {
  try {
    await f();
  } catch (e) {
    ok(what, false, String(e?.stack ?? e).slice(0, 600));
  }
}
async function fails(what, type, status, says, f) {
  try {
    await f();
    ok(what, false, "it does not fail");
  } catch (e) {
    ok(what, e instanceof type && (status === undefined || e.status === status) && String(e.message).includes(says), String(e));
  }
}

const weather = {
  type: "object", properties: { place: { enum: ["Paris", "Rome"] } }, required: ["place"], additionalProperties: false,
};

for (const [name, url] of [["plain", plain], ["instruct", instruct]]) {
  const c = openai(url);
  const ask = { model, messages: [system, user("What is the state of the Union?")], max_tokens: 16, seed: 7, temperature: 0, reasoning_effort: name === "instruct" ? "none" : undefined };

  await attempt(name + " models", async () => {
    const list = [];
    for await (const m of c.models.list()) {
      typed("OpenAI.Models.Model", { id: m.id, object: m.object, created: m.created, owned_by: m.owned_by });
      list.push(m.id);
    }
    ok(name + " models", list.length === 1 && list[0] === model, list);
  });
  await attempt(name + " chat", async () => {
    const whole = await c.chat.completions.create(ask);
    typed("OpenAI.ChatCompletion", whole);
    let text = "", chunks = 0, last;
    for await (const k of await c.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) {
      typed("OpenAI.ChatCompletionChunk", k);
      text += k.choices[0]?.delta?.content ?? "";
      chunks++;
      last = k;
    }
    ok(name + " chat: in pieces as in one", text === whole.choices[0].message.content && text !== "" && chunks > 3, [text, whole]);
    ok(name + " chat: usage", last.usage?.completion_tokens === whole.usage.completion_tokens && last.choices.length === 0, last);
    const runner = c.chat.completions.stream(ask); // the client puts the pieces together
    const final = await runner.finalChatCompletion();
    ok(name + " chat: put together", final.choices[0].message.content === text, final);
  });
  await attempt(name + " logprobs", async () => {
    const r = await c.chat.completions.create({ ...ask, n: 2, logprobs: true, top_logprobs: 3, stop: ["zzz"], logit_bias: { 5: -100 } });
    typed("OpenAI.ChatCompletion", r);
    ok(name + " logprobs", r.choices.length === 2 && r.choices[0].logprobs.content[0].top_logprobs.length === 3, r);
  });
  await attempt(name + " schema", async () => {
    const schema = { type: "object", properties: { place: { enum: ["Paris", "Rome"] }, sun: { type: "boolean" } }, required: ["place", "sun"], additionalProperties: false };
    const r = await c.chat.completions.create({ ...ask, max_tokens: 60, response_format: { type: "json_schema", json_schema: { name: "answer", strict: true, schema } } });
    typed("OpenAI.ChatCompletion", r);
    const v = JSON.parse(r.choices[0].message.content);
    ok(name + " schema", ["Paris", "Rome"].includes(v.place) && typeof v.sun === "boolean", v);
  });
  await attempt(name + " completions", async () => {
    const r = await c.completions.create({ model, prompt: "The state of", max_tokens: 8, temperature: 0, echo: true, logprobs: 2 });
    typed("OpenAI.Completion", known(r));
    let text = "";
    for await (const k of await c.completions.create({ model, prompt: "The state of", max_tokens: 8, temperature: 0, stream: true })) {
      typed("OpenAI.Completion", known(k));
      text += k.choices[0]?.text ?? "";
    }
    ok(name + " completions", r.choices[0].text === "The state of" + text, [r, text]);
  });
  await attempt(name + " responses", async () => {
    const p = { model, input: "What is the state of the Union?", instructions: "Be brief.", max_output_tokens: 16, temperature: 0, reasoning: name === "instruct" ? { effort: "none" } : undefined };
    const whole = await c.responses.create(p);
    typed("OpenAI.Responses.Response", answered(whole));
    const types = [];
    let text = "", number = -1, ordered = true;
    for await (const e of await c.responses.create({ ...p, stream: true })) {
      typed("OpenAI.Responses.ResponseStreamEvent", ofResponse(e));
      ordered &&= e.sequence_number === ++number;
      types.push(e.type);
      if (e.type === "response.output_text.delta") text += e.delta;
    }
    ok(name + " responses", text !== "" && text === whole.output_text && ordered, [types, text, whole.output_text]);
    ok(name + " responses: first and last event", types[0] === "response.created" && /^response\.(completed|incomplete)$/.test(types.at(-1)), types);
  });
  await attempt(name + " cancelled", async () => {
    const s = await c.chat.completions.create({ ...ask, max_tokens: 2000, stream: true, ignore_eos: true });
    let n = 0;
    for await (const k of s) if (k.choices[0]?.delta?.content && ++n === 3) s.controller.abort();
    ok(name + " cancelled", n >= 3 && n < 2000, n);
    const stop = new AbortController();
    const whole = c.chat.completions.create({ ...ask, max_tokens: 2000, ignore_eos: true }, { signal: stop.signal });
    setTimeout(() => stop.abort(), 50);
    await fails(name + " cancelled before it answers", OpenAI.APIUserAbortError, undefined, "abort", () => whole);
  });
  await fails(name + " no such model", OpenAI.NotFoundError, 404, "gpt-9", () => c.chat.completions.create({ ...ask, model: "gpt-9" }));
  await fails(name + " a bad field", OpenAI.BadRequestError, 400, "temperature", () => c.chat.completions.create({ ...ask, temperature: -1 }));
  await fails(name + " a bad key", OpenAI.AuthenticationError, 401, "API key", () => openai(url, { apiKey: "other" }).models.list());
  await fails(name + " too long", OpenAI.BadRequestError, 400, "context holds", () => c.chat.completions.create({ ...ask, messages: [user("the people ".repeat(9000))] }));
  await fails(name + " responses that are kept", OpenAI.BadRequestError, 400, "previous_response_id", () => c.responses.create({ model, input: "x", previous_response_id: "resp_1" }));

  const a = anthropic(url);
  const say = { model, max_tokens: 16, temperature: 0, system: "Be brief.", messages: [user("What is the state of the Union?")], thinking: { type: "disabled" } };
  await attempt(name + " messages", async () => {
    const whole = await a.messages.create(say);
    typed("Anthropic.Message", whole);
    let text = "";
    const types = [];
    for await (const e of await a.messages.create({ ...say, stream: true })) {
      if (e.type !== "ping") typed("Anthropic.RawMessageStreamEvent", e); // the type has no ping
      types.push(e.type);
      if (e.type === "content_block_delta" && e.delta.type === "text_delta") text += e.delta.text;
    }
    ok(name + " messages", text !== "" && text === whole.content.at(-1).text && types[0] === "message_start" && types.at(-1) === "message_stop", [types, text, whole]);
    const final = await a.messages.stream(say).finalMessage();
    ok(name + " messages: put together", final.content.at(-1).text === text && final.usage.output_tokens === whole.usage.output_tokens, final);
    const count = await a.messages.countTokens({ model, system: say.system, messages: say.messages, thinking: say.thinking });
    typed("Anthropic.MessageTokensCount", count);
    ok(name + " count of tokens", count.input_tokens === whole.usage.input_tokens + (whole.usage.cache_read_input_tokens ?? 0) + (whole.usage.cache_creation_input_tokens ?? 0), [count, whole.usage]);
  });
  await attempt(name + " messages cancelled", async () => {
    const s = await a.messages.create({ ...say, max_tokens: 2000, stream: true });
    let n = 0;
    for await (const e of s) if (e.type === "content_block_delta" && ++n === 3) s.controller.abort();
    ok(name + " messages cancelled", n >= 1 && n < 2000, n);
  });
  await fails(name + " messages: no such model", Anthropic.NotFoundError, 404, "gpt-9", () => a.messages.create({ ...say, model: "gpt-9" }));
  await fails(name + " messages: a bad field", Anthropic.BadRequestError, 400, "temperature", () => a.messages.create({ ...say, temperature: -1 }));
  await fails(name + " messages: a bad key", Anthropic.AuthenticationError, 401, "API key", () => anthropic(url, { apiKey: "other" }).messages.create(say));
}

const c = openai(instruct), a = anthropic(instruct);
await attempt("tools", async () => {
  const ask = { model, messages: [user("What is the weather?")], max_tokens: 200, seed: 1, reasoning_effort: "none", tool_choice: "required",
    tools: [{ type: "function", function: { name: "weather", description: "tells it", parameters: weather, strict: true } }] };
  const whole = await c.chat.completions.create(ask);
  typed("OpenAI.ChatCompletion", whole);
  const call = whole.choices[0].message.tool_calls[0];
  let args = "", id, pieces = 0, last;
  for await (const k of await c.chat.completions.create({ ...ask, stream: true })) {
    typed("OpenAI.ChatCompletionChunk", k);
    const t = k.choices[0]?.delta?.tool_calls?.[0];
    if (t) { args += t.function.arguments ?? ""; id ??= t.id; pieces++; }
    last = k.choices[0]?.finish_reason ?? last;
  }
  ok("tools", args === call.function.arguments && ["Paris", "Rome"].includes(JSON.parse(args).place) && id && pieces > 1 && last === "tool_calls", [whole, args, last]);
  const next = await c.chat.completions.create({ ...ask, max_tokens: 8, tool_choice: "none", messages: [...ask.messages, whole.choices[0].message, { role: "tool", tool_call_id: call.id, content: [{ type: "text", text: "sunny" }] }] });
  typed("OpenAI.ChatCompletion", next);
  ok("tools: what the tool said", next.choices[0].finish_reason !== "tool_calls", next);
});
await attempt("messages: tools", async () => {
  const say = { model, max_tokens: 200, messages: [user("What is the weather?")], thinking: { type: "disabled" }, tool_choice: { type: "tool", name: "weather" }, tools: [{ name: "weather", description: "tells it", input_schema: weather }] };
  const whole = await a.messages.create({ ...say, temperature: 0 });
  const call = whole.content.at(-1);
  typed("Anthropic.ToolUseBlockParam", call);
  const final = await a.messages.stream({ ...say, temperature: 0 }).finalMessage();
  ok("messages: tools", call.type === "tool_use" && ["Paris", "Rome"].includes(call.input.place) && JSON.stringify(final.content.at(-1).input) === JSON.stringify(call.input) && whole.stop_reason === "tool_use", [whole, final]);
  const next = await a.messages.create({ ...say, max_tokens: 8, tool_choice: { type: "none" }, messages: [...say.messages, { role: "assistant", content: whole.content }, user([{ type: "tool_result", tool_use_id: call.id, content: "sunny" }])] });
  ok("messages: what the tool said", next.stop_reason === "max_tokens" || next.stop_reason === "end_turn", next);
});
await attempt("responses: tools", async () => {
  const p = { model, input: "Weather?", max_output_tokens: 200, temperature: 0, reasoning: { effort: "none" }, tools: [{ type: "function", name: "weather", parameters: weather, strict: true }], tool_choice: { type: "function", name: "weather" } };
  const types = [];
  for await (const e of await c.responses.create({ ...p, stream: true })) {
    typed("OpenAI.Responses.ResponseStreamEvent", ofResponse(e));
    types.push(e.type);
  }
  const whole = await c.responses.create(p);
  const call = whole.output.at(-1);
  ok("responses: tools", call.type === "function_call" && ["Paris", "Rome"].includes(JSON.parse(call.arguments).place) && types.includes("response.function_call_arguments.done"), [whole, types]);
});
await attempt("embeddings", async () => {
  const p = openai(plain);
  const list = await p.embeddings.create({ model, input: ["one", "two"], encoding_format: "float" });
  typed("OpenAI.CreateEmbeddingResponse", { ...list, data: list.data.map((d) => ({ ...d, embedding: d.embedding.slice(0, 3) })) });
  const packed = await p.embeddings.create({ model, input: "one" }); // the client asks for base64 and unpacks it
  const near = packed.data[0].embedding.every((x, i) => Math.abs(x - list.data[0].embedding[i]) < 1e-6);
  const few = await p.embeddings.create({ model, input: "one", dimensions: 8, encoding_format: "float" });
  ok("embeddings", list.data.length === 2 && near && few.data[0].embedding.length === 8, [list.usage, near]);
});

writeFileSync(checked, lines.join("\n") + "\n");
console.log(`${lines.length - 2} answers and events to be checked`);
process.exit(wrong ? 1 : 0);
