// What the server is: its models, its defaults, whether it is ready.
import { signal, computed } from "../../vendor/preact.js";
import { json } from "./api.js";

/** models are the ids the server lists; props its defaults (llama-server's shape); trouble a line or "". */
export const models = signal([]);
export const props = signal(null);
export const trouble = signal("");
export const loading = signal(false);

/** chosen is the model new chats begin with. */
export const chosen = signal(localStorage.getItem("model") ?? "");

export function choose(id) {
  chosen.value = id;
  localStorage.setItem("model", id);
  look(); // its defaults and its context are its own
}

/** defaults are the sampling settings the server uses where a request names none. */
export const defaults = computed(() => {
  const d = props.value?.default_generation_settings ?? {};
  return d.params ?? d;
});

/** contextSize is how many tokens fit, 0 where it is not known. */
export const contextSize = computed(() => props.value?.default_generation_settings?.n_ctx ?? props.value?.n_ctx ?? 0);

/** tellsProgress: servers that name their build in /props understand return_progress; others may refuse it. */
export const tellsProgress = () => typeof props.peek()?.build_info === "string";

let timer = 0;

/** look asks the server for its models and defaults, again and again until it is ready. */
export async function look() {
  clearTimeout(timer);
  try {
    const list = await json("/v1/models");
    models.value = (list.data ?? []).map((m) => ({ id: String(m.id), about: m.meta ?? null }));
    if (!models.value.some((m) => m.id === chosen.value)) chosen.value = models.value[0]?.id ?? "";
    props.value = await json("/props" + (chosen.value ? "?model=" + encodeURIComponent(chosen.value) : ""));
    // A server of several models says of each what it is at; others answer 503.
    const s = list.data?.find((m) => m.id === chosen.value)?.status;
    loading.value = s?.value === "loading";
    trouble.value = !loading.value ? "" : `The model is being loaded${s.progress > 0 ? `: ${Math.round(100 * s.progress)} %` : ""}.`;
    if (loading.value) timer = setTimeout(look, 1000);
  } catch (e) {
    loading.value = e.status === 503;
    trouble.value = e.status === 503 ? "The model is being loaded."
      : e.status === 401 ? "The server asks for a key."
      : e.status ? e.message : "The server does not answer. Is it running?";
    timer = setTimeout(look, e.status === 503 ? 1000 : 4000);
  }
}
